"""What may be a negative of a list: neither what was engaged with in its request, nor what the user likes anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from features.events import EventRows
from features.history import History
from features.imputation import RequestRows


@dataclass(frozen=True)
class Unfit:
    """Tells which items are no negatives of a request.

    Attributes:
        history: everything that users engaged with, at any time.
        known: what of it the engine knows that finds the candidates.
        targets: (K,) ascending keys ``request * items + item`` of what was engaged with in each request.
        items: item rows with padding, N + 1.
    """

    history: History
    known: History
    targets: NDArray[np.int64]
    items: int

    @classmethod
    def build(cls, history: History, known: History, rows: EventRows, items: int) -> Unfit:
        """Collect the targets of all ``rows``."""
        targets = np.unique(rows.request[rows.engaged] * items + rows.item[rows.engaged])
        return cls(history, known, targets, items)

    def of_request(self, request: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which ``items`` (B, L) were engaged with in the ``request`` (B,)."""
        keys = request[:, None] * self.items + items
        if len(self.targets) == 0:
            return np.zeros(keys.shape, dtype=bool)
        at = np.minimum(np.searchsorted(self.targets, keys), len(self.targets) - 1)
        return np.asarray(self.targets[at] == keys, dtype=bool)

    def of_user(self, rows: RequestRows, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which ``items`` (B, L) the user engages with, but not as far as the request knows.

        What it knows may well be a negative: where seen items are candidates, the ranker learns what they are worth.
        """
        nothing = np.zeros((len(rows.owner), 1), dtype=np.int64)
        every = self._member(self.history, rows.owner, self.history.ends(rows.owner), nothing, items)
        return every & ~self._member(self.known, rows.owner, rows.end, nothing, items)

    def _member(
        self,
        history: History,
        owner: NDArray[np.int64],
        end: NDArray[np.int64],
        hide: NDArray[np.int64],
        items: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        listed = history.matrix(owner, end, self.items, hide)
        dense = np.zeros(listed.shape, dtype=bool)
        dense[np.repeat(np.arange(len(owner)), np.diff(listed.indptr)), listed.indices] = True
        return np.take_along_axis(dense, items, axis=1)


def draw(candidates: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``count`` candidates (B, count) of each row at random, without repeats; 0 = fewer."""
    key = np.where(candidates > 0, rng.random(candidates.shape), -1.0)
    best = torch.from_numpy(key).topk(min(count, key.shape[1]), dim=1).indices.numpy()
    return np.take_along_axis(candidates, best, axis=1)
