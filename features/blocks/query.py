"""Engagements of the candidate for this very query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense
from features.blocks.reading import Found, Reading

COUNT_PRIOR, ITEM_PRIOR = 0.1, 10.0
"""Engagements added to those for a query, and to all of the item, before their ratio is taken."""


@dataclass(frozen=True)
class QueryBlock(Block):
    """Counts by query, as they are, as a share of the query's, and beside the item's popularity."""

    name = "query"
    columns = ("query_ratio", "query_count", "query_share")
    sources = (("query", "query"),)
    by_item = (("by_query", (1,)),)

    by_query: sparse.csr_matrix  # (K, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the engagements for each known query."""
        return cls(log.query_items)

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the engagements of every item for the query."""
        return {"query": dense(self.by_query[reading.query]) * reading.known.scale}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithms of ratio and count, and the share."""
        query, total = found.at("query"), found.total("query")
        ratio = np.log((query + COUNT_PRIOR) / (found.popularity + ITEM_PRIOR)) * (total > 0)
        return ratio, np.log1p(query), query / (total + 1)
