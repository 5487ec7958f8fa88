"""Query counts: what others engaged with for the same query."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.baselines.base import Baseline, Index, World, item_counts
from training.evaluation.baselines.queries import QueryItems, normal_queries


class QueryCount(Baseline):
    """The number of distinct users who engaged with an item for the query, compared in normal form.

    Popularity breaks ties, so that it serves a request without a query, or with one that nobody engaged for.
    """

    name = "query-count"

    def fit(self, world: World) -> None:
        """Count the engagements of each query."""
        items = Index(world.items[Col.ITEM])
        popularity = item_counts(world.fitted, items)
        self._share = popularity / (popularity.max(initial=0) + 1)  # (N,) in [0, 1)
        self._queries = QueryItems(world.fitted, items)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the counts with the share of popularity as their fraction (B, N)."""
        row = self._queries.rows(normal_queries(requests[Col.QUERY]))
        return np.asarray(self._queries.counts[row].toarray() + self._share, dtype=np.float32)
