"""What is known of users: which items they engaged with before a request, in some tasks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.events import EventRows, build_past, request_rows
from features.history import History
from features.imputation import RequestRows
from features.vocabulary import MISSING
from training.diagnose.content import shares

_LATEST = 10
"""Last items of an ordered history that say what a user is after now."""
_FADING = 0.7
"""What each of them counts for beside the one after it."""


class Remembered(NamedTuple):
    """What is known of the users of B requests."""

    past: sparse.csr_matrix  # (B, N + 1) how often the user engaged with each item
    latest: sparse.csr_matrix  # (B, N + 1) the last of them, fading, a row sums to 1; empty without an order


class Memory:
    """The engagements of some rows by user; with an order a row knows what came before its request, else all others."""

    def __init__(
        self, train: EventRows, kept: NDArray[np.bool_], users: int, queries: int, items: int, *, ordered: bool
    ) -> None:
        """Remember the rows of ``train`` that are ``kept`` (E,)."""
        rows = train.take(kept)
        past = build_past(rows, users, queries, ordered=ordered)
        self._history: History = past.history
        self._requests: RequestRows = request_rows(rows, past)
        self._place = np.cumsum(kept) - 1  # (E,) where a row of train is among the kept
        self._items = items

    def before(self, at: NDArray[np.int64]) -> Remembered:
        """Return what the rows of train at positions ``at`` (B,), which are kept, may know."""
        asked = self._requests.take(self._place[at])
        return self._read(asked.owner, asked.end, asked.hide)

    def all_of(self, user: NDArray[np.int64]) -> Remembered:
        """Return everything that is remembered of ``user`` (B,)."""
        return self._read(user, self._history.ends(user), np.zeros((len(user), 1), dtype=np.int64))

    def _read(self, user: NDArray[np.int64], end: NDArray[np.int64], hide: NDArray[np.int64]) -> Remembered:
        latest = self._history.window(user, end, _LATEST if self._history.ordered else 0, hide)  # (B, H)
        weight = np.where(latest != MISSING, _FADING ** np.arange(latest.shape[1]), 0.0).astype(np.float32)
        row = np.repeat(np.arange(len(user)), latest.shape[1])
        shape = (len(user), self._items)
        fading = sparse.csr_matrix((weight.ravel(), (row, latest.ravel())), shape=shape)
        return Remembered(self._history.matrix(user, end, self._items, hide), shares(fading))
