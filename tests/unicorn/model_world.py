from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unicorn.batch import Contexts, Items
from unicorn.config import ModelConfig, ModelSizes, RankerConfig, SpaceConfig
from unicorn.model import UniCoRn

SIZES = ModelSizes(
    tasks=3,
    users=7,
    countries=4,
    categories=5,
    items=9,
    tokens=11,
    text=6,
    vectors=2,
    graph=3,
    history=4,
    ages=5,
    flags=5,
    facts=3,
    pairs=4,
    quality=2,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(high: int, *shape: int, seed: int = 0, low: int = 0) -> Tensor:
    return torch.randint(low, high, shape, generator=generator(seed))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed))


def make_model(sizes: ModelSizes = SIZES, codes: int = 1, **ranker: Any) -> UniCoRn:
    """Return a small model none of whose weights is zero, so that nothing is right by silence."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        space = SpaceConfig(width=8, codes=codes)
        model = UniCoRn(sizes, ModelConfig(space=space, ranker=RankerConfig(hidden=10, cross_rank=3, **ranker)))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
            for table in (
                model.space.items.shared.token,
                model.space.items.shared.country,
                model.space.items.shared.item,
            ):
                table.weight[0] = 0
            model.space.items.category.weight[0] = 0
            model.space.quality_weight.copy_(torch.randn(sizes.tasks, sizes.quality))
            model.ranker.mean.copy_(torch.randn(sizes.pairs + 1))
            model.ranker.deviation.copy_(1 + torch.rand(sizes.pairs + 1))
    return model.eval()


def make_items(sizes: ModelSizes = SIZES) -> Items:
    count = sizes.items
    exposure = torch.arange(count).float()
    return Items(
        row=torch.arange(count),
        exposure=exposure,
        text=numbers(count, sizes.text, seed=1),
        tokens=rows(sizes.tokens, count, 3, seed=2),
        category=rows(sizes.categories, count, 2, seed=3),
        countries=rows(sizes.countries, count, 2, seed=4),
        vectors=numbers(count, sizes.vectors, seed=5),
        graph=numbers(count, sizes.graph, seed=17),
        quality=numbers(count, sizes.quality, seed=6).clamp(-1, 1),
        quality_missing=rows(2, count, sizes.quality, seed=7).float(),
    )


def make_contexts(count: int = 5, sizes: ModelSizes = SIZES) -> Contexts:
    return Contexts(
        task=rows(sizes.tasks, count, seed=8),
        user=rows(sizes.users, count, seed=9),
        country=rows(sizes.countries, count, seed=10),
        source=rows(sizes.items, count, seed=11),
        history=rows(sizes.items, count, sizes.history, seed=12),
        ages=rows(sizes.ages, count, sizes.history, seed=18),
        tokens=rows(sizes.tokens, count, 3, seed=13),
        static=numbers(count, sizes.text, seed=14),
        flags=rows(2, count, sizes.flags, seed=15).float(),
        facts=numbers(count, sizes.facts, seed=16),
    )


def blank(count: int = 1, sizes: ModelSizes = SIZES) -> Contexts:
    """Return requests that lack everything but a task."""
    contexts = make_contexts(count, sizes)
    empty = Contexts(*(torch.zeros_like(column) for column in contexts))
    return empty._replace(task=contexts.task, flags=torch.ones_like(contexts.flags))
