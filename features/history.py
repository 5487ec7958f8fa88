"""Who engaged with what before: for each key its items, in order of time where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy import sparse


@dataclass(frozen=True)
class History:
    """Lists of item rows, one list per key (a user; a user's query).

    Attributes:
        start: (K + 1,) int64, where the list of each key starts; keys 0 and 1 (missing, unknown) have empty lists.
        item: (M,) int32 item rows, a list in the order of its engagements.
        ordered: whether that order means anything; without it a list is a set in an arbitrary, fixed order.
    """

    start: NDArray[np.int64]
    item: NDArray[np.int32]
    ordered: bool

    @classmethod
    def build(
        cls, key: NDArray[np.int64], item: NDArray[np.int64], keys: int, *, ordered: bool, seed: int = 0
    ) -> History:
        """Collect the lists of engagements that are given in their order.

        Without an order an item counts once in a list, and lists are shuffled by ``seed``, so that a part of a list is
        a fair sample of it.
        """
        kept = key > 1
        key, item = key[kept], item[kept]
        if not ordered:
            pairs = np.unique(np.stack([key, item], axis=1), axis=0)
            key, item = pairs[np.random.default_rng(seed).permutation(len(pairs))].T if len(pairs) else (key, item)
        by_key = np.argsort(key, kind="stable")
        start = np.zeros(keys + 1, dtype=np.int64)
        np.cumsum(np.bincount(key, minlength=keys)[:keys], out=start[1:])
        return cls(start, item[by_key].astype(np.int32), ordered)

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
        """Return the latest items of each list before ``end``, newest first, (B, length); 0 = padding.

        Args:
            key: (B,) whose list.
            end: (B,) absolute place at which knowledge ends.
            length: items returned (H).
            hide: (B,) an item that is left out of a list without order (the row's own), 0 = none.
            rng: draws the part of a longer list without order; else it is the first part.
        """
        first = self.start[key]
        count = end - first
        offset = np.arange(length)[None, :]
        if self.ordered:
            at = end[:, None] - 1 - offset
        else:
            turn = np.zeros_like(count) if rng is None else rng.integers(0, 1 << 31, len(count))
            at = first[:, None] + (turn[:, None] + offset) % np.maximum(count, 1)[:, None]
        real = offset < count[:, None]
        if len(self.item) == 0:
            return np.zeros((len(key), length), dtype=np.int64)
        items = np.where(real, self.item[np.where(real, at, 0)], 0).astype(np.int64)
        if not self.ordered:
            items[items == hide[:, None]] = 0
        return items

    def matrix(
        self, key: NDArray[np.int64], end: NDArray[np.int64], items: int, hide: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """Return how often each item is in each list before ``end``, (B, items) float32, ``hide`` as in ``window``."""
        first = self.start[key]
        count = end - first
        indptr = np.concatenate([[0], np.cumsum(count)])
        row = np.repeat(np.arange(len(key)), count)
        at = np.arange(indptr[-1]) - indptr[row] + first[row]
        column = self.item[at] if len(self.item) else np.empty(0, dtype=np.int32)
        value = np.ones(len(column), dtype=np.float32)
        if not self.ordered:
            value[column == hide[row]] = 0
        matrix = sparse.csr_matrix((value, column, indptr), shape=(len(key), items))
        matrix.sum_duplicates()
        return matrix

    def save(self, path: Path) -> None:
        """Write the lists as safetensors."""
        save_file({"start": self.start, "item": self.item, "ordered": np.array([self.ordered])}, path)

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what ``save`` wrote."""
        found = load_file(path)
        return cls(found["start"], found["item"], bool(found["ordered"][0]))
