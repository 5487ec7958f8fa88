"""Who engaged with what before: for each key its items, in order of time where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy import sparse

from features.vocabulary import UNKNOWN

AGES = 16
"""Steps of the age of an engagement; the last one begins at about two years."""


def list_of_key(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the list of each ``wanted`` key where the ascending ``keys`` have the lists from 2 on.

    ``UNKNOWN``, which is an empty list, where the key is not there.
    """
    if len(keys) == 0:
        return np.full(len(wanted), UNKNOWN, dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at + 2, UNKNOWN)


@dataclass(frozen=True)
class History:
    """Lists of item rows, one list per key (a user; a user's query).

    Attributes:
        start: (K + 1,) int64, where the list of each key starts; keys 0 and 1 (missing, unknown) have empty lists.
        item: (M,) int32 item rows, a list in the order of its engagements.
        ordered: whether that order means anything; without it a list is a set in an arbitrary, fixed order.
        time: (M,) float32 days of the engagements since the first one, NaN where there is no time.
    """

    start: NDArray[np.int64]
    item: NDArray[np.int32]
    ordered: bool
    time: NDArray[np.float32]

    @classmethod
    def build(
        cls,
        key: NDArray[np.int64],
        item: NDArray[np.int64],
        keys: int,
        *,
        ordered: bool,
        time: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> History:
        """Collect the lists of engagements that are given in their order.

        Without an order an item counts once in a list, and lists are shuffled by ``seed``, so that a part of a list is
        a fair sample of it.

        Args:
            key: (E,) whose list each engagement belongs to.
            item: (E,) item rows.
            keys: rows of the keys (K).
            ordered: whether the order means anything.
            time: (E,) days since 1970, NaN without one; None = no times. Without an order times are not kept.
            seed: of the shuffle.
        """
        kept = key > UNKNOWN
        key, item = key[kept], item[kept]
        days = np.full(len(key), np.nan) if time is None or not ordered else time[kept]
        if not ordered:
            pairs = np.unique(np.stack([key, item], axis=1), axis=0)
            key, item = pairs[np.random.default_rng(seed).permutation(len(pairs))].T
            days = np.full(len(key), np.nan)
        by_key = np.argsort(key, kind="stable")
        start = np.zeros(keys + 1, dtype=np.int64)
        np.cumsum(np.bincount(key, minlength=keys)[:keys], out=start[1:])
        first = np.nanmin(days) if np.isfinite(days).any() else 0.0  # single precision tells minutes apart for decades
        return cls(start, item[by_key].astype(np.int32), ordered, (days[by_key] - first).astype(np.float32))

    def ends(self, key: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the lists of ``key`` (B,) end, (B,): the whole list is known."""
        return self.start[key + 1]

    def window(
        self,
        key: NDArray[np.int64],
        end: NDArray[np.int64],
        length: int,
        hide: NDArray[np.int64],
        rng: np.random.Generator | None = None,
    ) -> NDArray[np.int64]:
        """Return the latest items of each list before ``end``, newest first, (B, length); 0 = padding, at the end.

        Args:
            key: (B,) whose list.
            end: (B,) absolute place at which knowledge ends.
            length: items returned (H).
            hide: (B, W) items that are left out of a list without order (those of the row's request), 0 = none.
            rng: draws the part of a longer list without order; else it is the first part.
        """
        if len(self.item) == 0:
            return np.zeros((len(key), length), dtype=np.int64)
        first = self.start[key]
        count = end - first
        read = length if self.ordered else length + hide.shape[1]  # as many more as may be hidden
        offset = np.arange(read)[None, :]
        if self.ordered:
            at = end[:, None] - 1 - offset
        else:
            turn = np.zeros_like(count) if rng is None else rng.integers(0, 1 << 31, len(count))
            at = first[:, None] + (turn[:, None] + offset) % np.maximum(count, 1)[:, None]
        real = offset < count[:, None]
        items = np.where(real, self.item[np.where(real, at, 0)], 0).astype(np.int64)  # (B, read)
        if self.ordered:
            return items
        apart = np.arange(len(key))[:, None] * (int(max(items.max(initial=0), hide.max(initial=0))) + 1)
        items[np.isin(items + apart, hide + apart)] = 0  # a page of thousands costs its own size, not its square
        shown = np.argsort(items == 0, axis=1, kind="stable")[:, :length]
        return np.take_along_axis(items, shown, axis=1)

    def ages(self, key: NDArray[np.int64], end: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Return how long before the latest one each engagement of the ``window`` was, (B, length) in steps.

        0 = padding, or not known; 1 = within the hour, 2 = within three hours, and so on: each step doubles, up to
        ``AGES - 1``. The latest engagement is what ages are counted from, because a request has no time of its own.
        """
        ages = np.zeros((len(key), length), dtype=np.int64)
        if not self.ordered or len(self.item) == 0 or length == 0:
            return ages
        offset = np.arange(length)[None, :]
        real = offset < (end - self.start[key])[:, None]
        days = np.where(real, self.time[np.where(real, end[:, None] - 1 - offset, 0)], np.nan)  # (B, length)
        hours = np.maximum(days[:, :1] - days, 0.0) * 24.0
        known = np.isfinite(hours)
        steps = 1 + np.floor(np.log2(1.0 + np.where(known, hours, 0.0))).astype(np.int64)
        ages[known] = np.minimum(steps, AGES - 1)[known]
        return ages

    def earlier_ends(
        self, key: NDArray[np.int64], end: NDArray[np.int64], length: int, draw: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return ends (B,) of windows that lie anywhere in lists longer than ``length``: where ``draw`` in [0, 1) says.

        A list without an order has no earlier part, and a short one fits into a window: both keep their ``end``.
        """
        spare = np.maximum(end - self.start[key] - length, 0)
        return end - np.floor(draw * (spare + 1)).astype(np.int64) if self.ordered else end

    def matrix(
        self, key: NDArray[np.int64], end: NDArray[np.int64], items: int, hide: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """Return how often each item is in each list before ``end``, (B, items) float32, ``hide`` as in ``window``."""
        first = self.start[key]
        count = end - first
        row = np.repeat(np.arange(len(key)), count)
        at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
        column = self.item[at].astype(np.int64)
        if not self.ordered and hide.any():
            hidden = np.isin(row * items + column, np.arange(len(key))[:, None] * items + hide)
            row, column = row[~hidden], column[~hidden]
        ones = np.ones(len(row), dtype=np.float32)
        return sparse.csr_matrix((ones, (row, column)), shape=(len(key), items))  # equal places are added up

    def save(self, path: Path) -> None:
        """Write the lists as safetensors."""
        save_file(
            {"start": self.start, "item": self.item, "ordered": np.array([self.ordered]), "time": self.time}, path
        )

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what ``save`` wrote."""
        found = load_file(path)
        return cls(found["start"], found["item"], bool(found["ordered"][0]), found["time"])
