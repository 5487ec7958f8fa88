"""What baselines share that score by what the user engaged with, and serve popularity to whom they do not know."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Baseline, Index, World, distinct_ids, item_counts, user_items

SOURCE = 3.0
"""Weight of a source item, as a multiple of the whole history; chosen on valid of the simulated marketplace."""


class Told(NamedTuple):
    """What the histories of a block of requests say. B = requests, N = items."""

    scores: NDArray[np.float32]  # (B, N)
    telling: NDArray[np.bool_]  # (B,) False where there is no history, or one that says nothing of any item


class Personal(Baseline):
    """A map from a history of engagements, in any task, to scores of the items.

    A source item joins the history and weighs ``SOURCE`` times as much as the rest together, or is all of it. A request
    of which the map says nothing is served by popularity. Only the E items that somebody was fitted on are mapped; the
    others score 0.
    """

    recency: float = 0.0
    decay: float = 1.0
    """Where histories have an order, an item weighs ``(1 + later items) ** -recency * decay ** later items``."""

    def fit(self, world: World) -> None:
        """Keep the history of each user, and learn the map."""
        self._items = Index(world.items[Col.ITEM])
        self._popularity = item_counts(world.fitted, self._items)  # (N,)
        self._engaged = np.flatnonzero(self._popularity)  # (E,) their rows in the catalogue
        self._columns = Index(world.items[Col.ITEM].gather(self._engaged))
        self._users = Index(distinct_ids(world.history, Col.USER))
        by_age = (self.recency, self.decay) if world.ordered else (0.0, 1.0)
        histories = user_items(world.history, self._users, self._columns, *by_age)  # (H, E)
        nobody = sparse.csr_matrix((1, len(self._columns)), dtype=np.float32)
        self._histories = sparse.vstack([histories, nobody], format="csr")  # (H + 1, E), so that row -1 is nobody's
        if len(self._columns):
            self.learn(world, self._columns)

    @abstractmethod
    def learn(self, world: World, items: Index) -> None:
        """Learn the map of the E ``items`` from ``world.fitted``; there is at least one."""

    @abstractmethod
    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return scores (D, E) of histories (D, E); zeros where a history says nothing."""

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the map of each request's history (B, N), or popularity where that says nothing."""
        told = self.told(requests)
        told.scores[~told.telling] = self._popularity
        return told.scores

    def told(self, requests: pl.DataFrame) -> Told:
        """Return what the history of each request says."""
        user = self._users.rows(requests[Col.USER])
        source = self._columns.rows(requests[Col.SOURCE_ITEM])
        asked, again = np.unique(np.stack([user, source], axis=1), axis=0, return_inverse=True)  # (D, 2), (B,)
        return self.spread(self.profiles(asked[:, 0], asked[:, 1]), again.ravel())

    def profiles(self, user: NDArray[np.int64], source: NDArray[np.int64]) -> sparse.csr_matrix:
        """Return histories (D, E) of users with their source items; -1 is none."""
        history = self._histories[user]
        given = np.flatnonzero(source >= 0)
        if not len(given):
            return history
        total = np.asarray(history.sum(axis=1)).ravel()[given]
        weight = np.where(total > 0, SOURCE * total, 1.0).astype(np.float32)
        return history + sparse.csr_matrix((weight, (given, source[given])), shape=history.shape)

    def spread(self, history: sparse.csr_matrix, again: NDArray[np.int64]) -> Told:
        """Return what histories (D, E) say of all items to the requests that have the histories ``again`` (B,)."""
        out = np.zeros((len(again), len(self._items)), dtype=np.float32)
        if not len(self._columns):
            return Told(out, np.zeros(len(again), dtype=np.bool_))
        found = self.apply(history)  # (D, E)
        out[:, self._engaged] = found[again]
        return Told(out, np.asarray(found.any(axis=1))[again])
