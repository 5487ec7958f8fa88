"""Item-kNN: the cosine of items by the users they share, to the nearest neighbours of what the user engaged with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Index, Settings, World, distinct_ids, leaving_out, user_items
from training.evaluation.baselines.personal import Personal

MOST_SIMILARITIES = 100_000_000
"""Similarities that are kept, at most: 0.8 GB."""
_BLOCK_ELEMENTS = 16_000_000
"""Similarities that are looked at at once, at most."""


class ItemKnn(Personal):
    """Similarity ``both / (sqrt(n_i · n_j) + shrink)``: users of both items, and of each, in any task.

    A history item lends its similarity to its ``neighbours`` nearest, and an item's score is the sum of what it is
    lent, by the weights of the history.
    """

    name = "item-knn"
    grid = (
        {"shrink": 5.0, "neighbours": None, "decay": 1.0},
        {"shrink": 5.0, "neighbours": None, "decay": 0.8},
        {"shrink": 5.0, "neighbours": 100, "decay": 1.0},
        {"shrink": 5.0, "neighbours": 100, "decay": 0.8},
        {"shrink": 2.0, "neighbours": None, "decay": 1.0},
        {"shrink": 2.0, "neighbours": None, "decay": 0.8},
        {"shrink": 20.0, "neighbours": None, "decay": 1.0},
        {"shrink": 20.0, "neighbours": None, "decay": 0.8},
    )

    def __init__(self, shrink: float = 5.0, neighbours: int | None = None, decay: float = 1.0) -> None:
        """Take the settings.

        Args:
            shrink: of the cosine; larger trusts few shared users less.
            neighbours: of an item; None = as many as ``MOST_SIMILARITIES`` allows.
            decay: a history item weighs ``decay ** later items``, where histories have an order.
        """
        self._shrink = shrink
        self._neighbours = neighbours
        self.decay = decay

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid; without an order nothing decays."""
        return cls.grid if world.ordered else leaving_out(cls.grid, "decay")

    def learn(self, world: World, items: Index) -> None:
        """Find the neighbours of each item."""
        self._similar = world.shared("item-knn", (self._shrink, self._neighbours), lambda: self._learned(world, items))

    def _learned(self, world: World, items: Index) -> sparse.csr_matrix:
        users = Index(distinct_ids(world.fitted, Col.USER))
        x = user_items(world.fitted, users, items)
        keep = self._neighbours or max(1, MOST_SIMILARITIES // len(items))
        return neighbours(x, self._shrink, keep)

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the similarities that histories (D, E) lend, (D, E)."""
        return np.asarray((history @ self._similar).toarray(), dtype=np.float32)


def neighbours(x: sparse.csr_matrix, shrink: float, keep: int) -> sparse.csr_matrix:
    """Return the shrunk cosine (E, E) of each item to its ``keep`` nearest others by ``x`` (R, E) of zeros and ones."""
    by_item = x.T.tocsr()
    root = np.sqrt(np.diff(by_item.indptr)).astype(np.float32)  # (E,)
    items = len(root)
    width = max(1, _BLOCK_ELEMENTS // items)
    parts = [sparse.csr_matrix((0, items), dtype=np.float32)]
    for start in range(0, items, width):
        both = (by_item[start : start + width] @ x).tocoo()  # (b, E) users of both
        other = both.col != start + both.row
        row, column = both.row[other], both.col[other]
        similar = both.data[other] / (root[start + row] * root[column] + shrink)
        nearest = _nearest(row, similar, both.shape[0], keep)
        entries = (similar[nearest], (row[nearest], column[nearest]))
        parts.append(sparse.csr_matrix(entries, shape=both.shape, dtype=np.float32))
    return sparse.vstack(parts, format="csr")


def _nearest(
    row: NDArray[np.int32], value: NDArray[np.float32], rows: int, keep: int
) -> NDArray[np.bool_] | NDArray[np.int64]:
    """Return where the ``keep`` largest values of each row are, of entries that stand by row."""
    count = np.bincount(row, minlength=rows)
    if count.max(initial=0) <= keep:
        return np.ones(len(row), dtype=np.bool_)
    order = np.lexsort((-value, row))
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return np.sort(order[place < keep])
