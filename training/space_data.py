"""What the space learns from: engaged rows, and the negatives that the rows of a step share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.events import EventRows, request_rows
from features.fitting import FittedEvents
from features.imputation import hide_fields
from features.store import Features
from features.vocabulary import MISSING, UNKNOWN
from serving.assemble import context_tensors
from training.batches import Epochs, drawn_by, generator
from training.config import DropoutConfig, SpaceStageConfig
from training.schedule import Schedule
from unicorn.batch import Contexts
from unicorn.config import LEVELS

_STAGE = 1


class SpaceBatch(NamedTuple):
    """Engaged rows with the negatives that they share. B = rows, U = uniform negatives, Z = logged zeros."""

    step: int
    contexts: Contexts
    target: Tensor  # (B,) int64 item rows
    level: Tensor  # (B,) int64 engagement level of the target, from 1
    request: Tensor  # (B,) int64 request numbers
    weight: Tensor  # (B,) float32
    uniform: Tensor  # (U,) int64 item rows
    zero: Tensor  # (Z,) int64 item rows that were shown in the request of a row and not engaged with
    zero_of: Tensor  # (Z,) int64 request numbers
    hidden_id: Tensor  # (B + U + Z,) bool, the item id is hidden


@dataclass(frozen=True)
class ByRequest:
    """Items of each request, one list behind the other."""

    start: NDArray[np.int64]  # (R + 1,)
    item: NDArray[np.int64]

    @classmethod
    def of(cls, rows: EventRows, kept: NDArray[np.bool_]) -> ByRequest:
        """Collect the items of the ``kept`` rows (E,) of the catalogue."""
        at = np.flatnonzero(kept & (rows.item != MISSING))
        at = at[np.argsort(rows.request[at], kind="stable")]
        count = np.bincount(rows.request[at], minlength=rows.request.max(initial=-1) + 1)
        return cls(np.concatenate([[0], np.cumsum(count)]), rows.item[at])

    def lists(self, request: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all items of each ``request`` (B,): the place of the request, and the item, (P,) each."""
        first, count = self.start[request], self.start[request + 1] - self.start[request]
        place = np.repeat(np.arange(len(request)), count)
        return place, self.item[_spread(first, count)]

    def one_of(self, request: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return an item (B,) of each request at random, 0 = it has none."""
        first, count = self.start[request], self.start[request + 1] - self.start[request]
        at = first + np.floor(rng.random(len(request)) * count).astype(np.int64)
        found = np.zeros(len(request), dtype=np.int64)
        found[count > 0] = self.item[at[count > 0]]
        return found


def _spread(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``first, first + 1, …``, as many as ``count`` says, for each in turn."""
    at: NDArray[np.int64] = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
    return at


@dataclass(frozen=True)
class SpaceData:
    """Builds the batches of the space.

    Attributes:
        features: what was fitted on the rows that are trained on.
        fitted: the events, knowing no more than ``features`` does.
        chosen: (R,) positions of the engaged rows that are trained on.
        weight: (R,) weights of these rows, 1 on average.
        level: (R,) engagement levels of these rows, from 1.
        targets: what was engaged with in each request.
        zeros: what was shown in each request and not engaged with.
        config: of the stage.
        dropout: hidden fields.
        seed: of every draw.
    """

    features: Features
    fitted: FittedEvents
    chosen: NDArray[np.int64]
    weight: NDArray[np.float32]
    level: NDArray[np.int64]
    targets: ByRequest
    zeros: ByRequest
    config: SpaceStageConfig
    dropout: DropoutConfig
    seed: int

    @classmethod
    def build(
        cls,
        features: Features,
        fitted: FittedEvents,
        kept: NDArray[np.bool_],
        config: SpaceStageConfig,
        dropout: DropoutConfig,
        seed: int,
    ) -> SpaceData:
        """Take the engaged rows that are ``kept`` (E,), and the zeros beside them."""
        rows = fitted.rows
        usable = kept & (rows.weight > 0)
        chosen = np.flatnonzero(usable & (rows.label > 0))
        task = rows.task[chosen]
        weight = rows.weight[chosen] * rows.label[chosen]
        weight = weight * task_weights(task, config.task_balance)
        return cls(
            features=features,
            fitted=fitted,
            chosen=chosen,
            weight=(weight / weight.mean()).astype(np.float32),
            level=engagement_levels(rows.label[chosen]),
            targets=ByRequest.of(rows, rows.label > 0),
            zeros=ByRequest.of(rows, usable & (rows.label <= 0)),
            config=config,
            dropout=dropout,
            seed=seed,
        )

    def frequency(self) -> NDArray[np.float32]:
        """Return the share (N + 1,) of the rows whose target is the item."""
        items = self.features.catalogue.rows
        return (np.bincount(self.fitted.rows.item[self.chosen], minlength=items) / len(self.chosen)).astype(np.float32)

    @property
    def uniform(self) -> int:
        """Uniform negatives of a step: as configured, but no more than there are items."""
        return min(self.config.uniform, self.features.catalogue.rows - 1)

    def batches(self, plan: Schedule) -> BatchMaker:
        """Return the function from a step to its batch."""
        return BatchMaker(self, Epochs(len(self.chosen), plan.batch, self.seed))

    def hits(self, request: NDArray[np.int64], column: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return which ``column`` (C,) items are targets of which ``request`` (B,): rows and columns, (P,) each."""
        row, item = self.targets.lists(request)
        order = np.argsort(column, kind="stable")
        first = np.searchsorted(column, item, side="left", sorter=order)
        count = np.searchsorted(column, item, side="right", sorter=order) - first
        return torch.from_numpy(np.repeat(row, count)), torch.from_numpy(order[_spread(first, count)])


def task_weights(task: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return a weight per row: ``(rows of the largest task / rows of its task) ** balance``."""
    count = np.bincount(task)
    return np.asarray((count.max() / np.maximum(count, 1))[task] ** balance)


def engagement_levels(label: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the level (R,) of each positive label, from 1: the distinct labels in ascending order.

    Where there are more of them than levels, each level takes as many of the distinct labels.
    """
    distinct, place = np.unique(label, return_inverse=True)
    levels: NDArray[np.int64] = 1 + place * min(LEVELS, len(distinct)) // max(len(distinct), 1)
    return levels


@dataclass(frozen=True)
class BatchMaker:
    """From the number of a step to its batch."""

    data: SpaceData
    epochs: Epochs

    def __call__(self, step: int) -> SpaceBatch:
        """Gather the batch of ``step``."""
        data = self.data
        rng = generator(data.seed, _STAGE, 2, step)
        place = self.epochs.rows(step)
        part = data.fitted.rows.take(data.chosen[place])
        contexts = self.contexts(step, data.dropout, rng)
        uniform = rng.integers(1, data.features.catalogue.rows, data.uniform)
        zero = data.zeros.one_of(part.request, rng)
        with_zero = np.flatnonzero(zero)[: data.config.zeros]
        hidden = rng.random(len(place) + len(uniform) + len(with_zero)) < data.dropout.item_id
        return SpaceBatch(
            step=step,
            contexts=contexts,
            target=torch.from_numpy(part.item),
            level=torch.from_numpy(data.level[place]),
            request=torch.from_numpy(part.request),
            weight=torch.from_numpy(data.weight[place]),
            uniform=torch.from_numpy(uniform),
            zero=torch.from_numpy(zero[with_zero]),
            zero_of=torch.from_numpy(part.request[with_zero]),
            hidden_id=torch.from_numpy(hidden),
        )

    def contexts(
        self, step: int, dropout: DropoutConfig, rng: np.random.Generator, rows: slice = slice(None)
    ) -> Contexts:
        """Return the requests of some of the ``rows`` of a step, with fields hidden as ``dropout`` says."""
        data = self.data
        at = data.chosen[self.epochs.rows(step)[rows]]
        part, past = data.fitted.rows.take(at), data.fitted.past
        end = past.end[at]
        if data.features.config.history_window == "random":
            draw = drawn_by(data.seed, self.epochs.passes(step)[rows], part.user)
            end = past.history.earlier_ends(part.user, end, data.features.config.history, draw)
        own = past._replace(end=end, query_end=past.query_end[at])
        asked = hide_fields(request_rows(part, own), vars(dropout), rng)
        new = rng.random(len(at)) < dropout.user_id
        contexts, _ = context_tensors(data.features, past.history, asked, data.fitted.table, data.fitted.title_row, rng)
        user = torch.from_numpy(new & (asked.user > UNKNOWN))
        return contexts._replace(user=torch.where(user, UNKNOWN, contexts.user))
