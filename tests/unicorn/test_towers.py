from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unicorn.model_world import SIZES, blank, make_contexts, make_items, make_model, numbers
from unicorn.batch import Contexts
from unicorn.config import ModelConfig
from unicorn.model import UniCoRn

WIDTH = 8


def encode(contexts: Contexts, memory_seed: int = 20) -> torch.Tensor:
    space = make_model().space
    memory = numbers(SIZES.items, WIDTH, seed=memory_seed)
    source = memory[contexts.source] * (contexts.source != 0).unsqueeze(-1)
    vector: torch.Tensor = space.contexts(contexts, source, memory).vector[:, 0]
    return vector


def test_vectors_have_unit_norm_and_the_shapes_of_their_parts() -> None:
    space, items, contexts = make_model().space, make_items(), make_contexts()
    item = space.items(items)
    assert item.vector.shape == (SIZES.items, WIDTH) and item.parts.shape == (SIZES.items, 7, WIDTH)
    memory = item.vector
    context = space.contexts(contexts, memory[contexts.source], memory)
    assert context.vector.shape == (5, 1, WIDTH) and context.parts.shape == (5, 7, WIDTH)
    for encoded in (item, context):
        torch.testing.assert_close(encoded.vector.norm(dim=-1), torch.ones(encoded.vector.shape[:-1]))


def test_a_request_that_lacks_everything_has_a_vector() -> None:
    vector = encode(blank(3))
    assert torch.isfinite(vector).all()
    torch.testing.assert_close(vector.norm(dim=1), torch.ones(3))


def test_the_gate_opens_with_exposure() -> None:
    tower, items = make_model().space.items, make_items()
    items = items._replace(
        row=torch.full((SIZES.items,), 3), exposure=torch.tensor([0, 1, 2, 5, 10, 50, 1e3, 1e5, 1e7])
    )
    with torch.no_grad():
        for slope in (-3.0, 0.0, 2.0):  # the slope stays positive whatever the parameter
            tower.gate[1] = slope
            size = tower.id_part(items).norm(dim=1)
            assert size[0] == 0
            assert (size.diff() >= 0).all() and size[-1] > size[1]
            assert (size <= tower.shared.item.weight[3].norm() + 1e-6).all()


def test_a_new_item_does_not_depend_on_its_id_and_a_known_one_does() -> None:
    items = make_items()
    model, other = make_model(), make_model()
    with torch.no_grad():
        other.space.items.shared.item.weight[1:] += 1e3
    for exposure, alike in ((0.0, True), (1.0, False)):
        shown = items._replace(exposure=torch.full_like(items.exposure, exposure))
        same = torch.isclose(model.space.items(shown).vector, other.space.items(shown).vector).all(dim=1)
        assert same[1:].all() == alike


def test_an_id_that_was_never_trained_says_nothing() -> None:
    assert not UniCoRn(SIZES, ModelConfig()).space.items.shared.item.weight.any()


def test_an_item_does_not_depend_on_the_others() -> None:
    tower, items = make_model().space.items, make_items()
    every = tower(items).vector
    some = torch.tensor([7, 2, 2])
    torch.testing.assert_close(tower(items.take(some)).vector, every[some])


def test_the_order_of_an_items_tokens_levels_and_countries_means_nothing() -> None:
    tower, items = make_model().space.items, make_items()
    turned = items._replace(
        tokens=items.tokens.flip(1), category=items.category.flip(1), countries=items.countries.flip(1)
    )
    torch.testing.assert_close(tower(turned).vector, tower(items).vector)


@pytest.mark.parametrize("name", ["tokens", "category", "countries"])
def test_more_padding_changes_no_item(name: str) -> None:
    tower, items = make_model().space.items, make_items()
    column = getattr(items, name)
    padded = items._replace(**{name: torch.cat([column, torch.zeros(SIZES.items, 4, dtype=torch.long)], dim=1)})
    torch.testing.assert_close(tower(padded).vector, tower(items).vector)


@given(st.integers(0, 3))
def test_padding_of_a_history_is_read_by_nobody(length: int) -> None:
    contexts = make_contexts()
    history = torch.where(torch.arange(SIZES.history) < length, contexts.history.clamp(min=1), 0)
    contexts = contexts._replace(history=history, source=torch.zeros(5, dtype=torch.long))
    model = make_model()
    memory = numbers(SIZES.items, WIDTH, seed=20)
    nothing = torch.zeros(5, WIDTH)
    before = model.space.contexts(contexts, nothing, memory).vector
    memory[0] = 1e6
    with torch.no_grad():
        model.space.contexts.shared.item.weight[0] = 1e6
    torch.testing.assert_close(model.space.contexts(contexts, nothing, memory).vector, before)


def test_a_request_does_not_depend_on_the_others() -> None:
    contexts = make_contexts()
    every = encode(contexts)
    for row in range(5):
        alone = Contexts(*(column[row : row + 1] for column in contexts))
        torch.testing.assert_close(encode(alone)[0], every[row])


@pytest.mark.parametrize("name", ["task", "user", "country", "source", "history", "tokens", "static", "flags"])
def test_every_field_of_a_request_is_read(name: str) -> None:
    contexts = make_contexts()
    column = getattr(contexts, name)
    other = contexts._replace(**{name: 1 - column if name == "task" else column.roll(1, dims=0)})
    if name == "task":
        other = other._replace(task=(contexts.task + 1) % SIZES.tasks)
    changed = (column != getattr(other, name)).reshape(5, -1).any(dim=1)
    same = torch.isclose(encode(contexts), encode(other), atol=1e-6).all(dim=1)
    assert changed.any() and not same[changed].any() and same[~changed].all()


def test_the_age_of_an_engagement_is_read_where_there_is_another_to_weigh_it_against() -> None:
    contexts = make_contexts()
    lists = [[1, 2, 3, 4], [1, 0, 0, 0], [0, 0, 0, 0], [5, 6, 0, 0], [7] * 4]
    contexts = contexts._replace(history=torch.tensor(lists))
    older = contexts._replace(ages=(contexts.ages + torch.tensor([0, 1, 1, 1])) % SIZES.ages)
    same = torch.isclose(encode(contexts), encode(older), atol=1e-6).all(dim=1)
    assert same.tolist() == [False, True, True, False, True]  # the last one weighs copies of one item


def test_an_items_graph_vector_is_read_and_may_be_missing() -> None:
    tower, items = make_model().space.items, make_items()
    other = items._replace(graph=items.graph.roll(1, dims=0))
    assert not torch.isclose(tower(items).vector, tower(other).vector).all(dim=1).any()
    none = replace(SIZES, graph=0)
    found = make_model(none).space.items(make_items(none))
    assert found.parts.shape == (SIZES.items, 7, WIDTH) and not found.parts[:, 6].any()


def test_words_and_countries_are_shared_by_both_towers() -> None:
    space = make_model().space
    assert space.items.shared is space.contexts.shared
