"""Engagements of the candidate for queries that mean about the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, Ints, dense, floor_log
from features.blocks.reading import Found, Reading

MOST = 32_768
"""Queries that are searched at most: the most engaged ones."""
_NEAREST = 20
"""Queries that speak for one request."""
_LEAST = 0.4
"""Cosine from which a query has anything to say; it speaks with the square of what it has above."""
_PRIOR = 2.0
"""Engagements that a query must have before its shares count for half."""


@dataclass(frozen=True)
class SimilarQueryBlock(Block):
    """The mean over the nearest known queries of the share of their engagements that went to the item.

    Queries are near by the cosine of their static text vectors; the query itself is left out, as it speaks for itself.
    """

    name = "similar_queries"
    columns = ("similar_share", "similar_weight")
    sources = (("similar_queries", "similar_queries"),)
    by_item = (("shares", (1,)),)

    row: Ints  # (M,) rows of the query vocabulary
    vector: NDArray[np.float16]  # (M, E)
    shares: sparse.csr_matrix  # (M, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Keep the most engaged queries, with the shares of their items."""
        total = np.asarray(log.query_items.sum(axis=1)).ravel()
        asked = np.flatnonzero(total)
        row = np.sort(asked[np.argsort(-total[asked], kind="stable")[:MOST]])
        smoothed = sparse.diags((1 / (total[row] + _PRIOR)).astype(np.float32))
        return cls(row, world.query_vectors[row], sparse.csr_matrix(smoothed @ log.query_items[row]))

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the mean shares of every item, times what the queries weigh."""
        return {"similar_queries": dense(self._near(reading) @ self.shares)}

    def _near(self, reading: Reading) -> sparse.csr_matrix:
        """Return weights (B, M) of the known queries, each row summing to 1 at most."""
        count = min(_NEAREST, len(self.row))
        some = np.flatnonzero(reading.query_vector.any(axis=1)) if count else np.zeros(0, dtype=np.int64)
        shape = (len(reading.query), len(self.row))
        if not len(some):
            return sparse.csr_matrix(shape, dtype=np.float32)
        texts, place = np.unique(reading.filled.query[some], return_inverse=True)
        near = reading.table.static[texts].astype(np.float32) @ self.vector.astype(np.float32).T  # (R, M)
        near[self.row[None, :] == reading.table.known[texts][:, None]] = 0.0
        at = np.argpartition(-near, count - 1, axis=1)[:, :count]  # (R, count)
        weight = np.maximum(np.take_along_axis(near, at, axis=1) - _LEAST, 0.0) ** 2
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), (1 - _LEAST) ** 2)
        row = np.repeat(some, count)
        return sparse.csr_matrix((weight[place].ravel(), (row, at[place].ravel())), shape=shape)

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithm of the share, and how much of an answer there is at all."""
        share = found.at("similar_queries")
        return floor_log(share), np.broadcast_to(found.total("similar_queries"), share.shape)
