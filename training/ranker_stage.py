"""Second stage of training: the ranker, by binary cross-entropy on lists, over a space that stands still."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from features.store import Features
from features.vocabulary import UNKNOWN
from serving.assemble import context_tensors, item_tensors
from serving.config import ServingConfig
from serving.engine import Engine, Listed
from training.batches import Epochs, generator
from training.config import RankerStageConfig
from training.lists import Lists
from training.schedule import Schedule
from training.stage import Stage
from training.validation import DEPTH, Validation
from unicorn.batch import Contexts
from unicorn.model import UniCoRn, best_product

_STAGE = 2
_STANDARD_STEPS = 8
"""Steps whose lists say how features are scaled."""
_CONSTANT = 1e-3
"""Deviation below which a feature counts as the same everywhere."""


class ListBatch(NamedTuple):
    """Lists of a step. B = lists, L = longest list."""

    contexts: Contexts
    item: Tensor  # (B, L) int64, 0 = padding
    label: Tensor  # (B, L) float32
    weight: Tensor  # (B, L) float32
    pairs: Tensor  # (B, L, F) float32


class ListMaker:
    """From the number of a step to its batch."""

    def __init__(self, features: Features, lists: Lists, batch: int, user_dropout: float, seed: int) -> None:
        """Draw ``batch`` lists a step."""
        self.features, self.lists, self.user_dropout, self.seed = features, lists, user_dropout, seed
        self.epochs = Epochs(len(lists), batch, seed + 1)

    def __call__(self, step: int) -> ListBatch:
        """Gather the batch of ``step``."""
        at, lists = self.epochs.rows(step), self.lists
        rng = generator(self.seed, _STAGE, 2, step)
        rows, table, title_row = lists.requests.take(at)
        contexts, _ = context_tensors(self.features, self.features.history, rows, table, title_row, rng)
        new = torch.from_numpy((rng.random(len(at)) < self.user_dropout) & (rows.user > UNKNOWN))
        return ListBatch(
            contexts=contexts._replace(
                user=torch.where(new, UNKNOWN, contexts.user), facts=torch.from_numpy(lists.facts[at])
            ),
            item=torch.from_numpy(lists.item[at].astype(np.int64)),
            label=torch.from_numpy(lists.label[at]),
            weight=torch.from_numpy(lists.weight[at]),
            pairs=torch.from_numpy(lists.pairs[at]),
        )


class RankerStage(Stage[ListBatch]):
    """Trains the ranker; the towers stand still, so that their vectors are computed once."""

    def __init__(
        self,
        model: UniCoRn,
        features: Features,
        lists: Lists,
        user_dropout: float,
        served: Features,
        serving: ServingConfig,
        config: RankerStageConfig,
        plan: Schedule,
        validation: Validation | None,
        seed: int,
    ) -> None:
        """Train on ``lists`` and the ``features`` that they were built with; validate with those ``served``."""
        make = ListMaker(features, lists, plan.batch, user_dropout, seed)
        super().__init__(model, make, plan, config, validation, name="ranker")
        self.served, self.serving = served, serving
        self._listed: dict[int, Listed] = {}  # of the validation: space and counts stand still, so candidates do too
        self.items = item_tensors(features)
        model.space.requires_grad_(False)
        with torch.no_grad():
            encoded = model.space.items(self.items)
        self.vector = encoded.vector
        self.scaled = (model.space.scale * encoded.vector).detach()
        self.described = torch.cat([encoded.parts.flatten(1), self.items.quality, self.items.quality_missing], dim=1)
        self._standardise(make)

    def _standardise(self, make: ListMaker) -> None:
        """Set the mean and deviation of the ranker's features to those of the first steps, once.

        A feature that was the same everywhere, such as one about source items where no request has any, would be
        blown up by the first request that has another value: it is left out.
        """
        with torch.no_grad():
            parts = []
            for step in range(_STANDARD_STEPS):
                batch = make(step)
                request = self.model.encode_requests(batch.contexts, self.vector)
                parts.append(self._raw(request.vector, batch)[batch.item != 0])  # (n, F + 1)
            raw = torch.cat(parts)
            deviation = raw.std(dim=0, correction=0)
            self.model.ranker.mean.copy_(raw.mean(dim=0))
            self.model.ranker.deviation.copy_(deviation.masked_fill(deviation < _CONSTANT, torch.inf))

    def _raw(self, vector: Tensor, batch: ListBatch) -> Tensor:
        score = best_product(self.scaled[batch.item], vector)  # (B, L)
        return torch.cat([score.unsqueeze(-1), batch.pairs], dim=-1)

    @property
    def part(self) -> nn.Module:
        """The ranker."""
        return self.model.ranker

    def loss(self, batch: ListBatch) -> Tensor:
        """Return the binary cross-entropy over the items of the lists."""
        model = self.model
        with torch.autocast("cpu", enabled=False):  # the space's score tells near items apart by its last digits
            request = model.encode_requests(batch.contexts, self.vector)
            raw = self._raw(request.vector, batch)
        distinct, place = batch.item.unique(return_inverse=True)
        hidden = model.ranker.item(self.described[distinct])[place]  # (B, L, hidden)
        logits = model.ranker(request, model.one_hot(batch.contexts.task), self.vector[batch.item], hidden, raw)
        real = (batch.item != 0).float()
        loss = functional.binary_cross_entropy_with_logits(logits, batch.label, reduction="none") * real
        return (loss * batch.weight).sum() / (batch.weight * real).sum().clamp(min=1e-6)

    def engine(self) -> Engine:
        """Return the served path with the weights as they are."""
        return Engine.build(self.served, self.model, self.serving)

    def on_fit_end(self) -> None:
        """Forget the validation's candidates, which take more memory than all the rest."""
        self._listed.clear()

    def listed(self, engine: Engine, validation: Validation, block: slice) -> Listed:
        """Return a block of the validation with its candidates, found once."""
        if block.start not in self._listed:
            self._listed[block.start] = validation.listed(engine, block)
        return self._listed[block.start]

    def answer(self, engine: Engine, validation: Validation, block: slice) -> NDArray[np.int64]:
        """Return what is served."""
        return engine.rank_listed(self.listed(engine, validation, block), DEPTH)[0]
