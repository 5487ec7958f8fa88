"""EASE whose matrix has the train queries as rows beside the users."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Index, World
from training.evaluation.baselines.ease import Ease
from training.evaluation.baselines.personal import Told
from training.evaluation.baselines.queries import QueryItems, normal_queries


class EaseQueries(Ease):
    """EASE that learns from users and from queries alike: a query's row is what was engaged for it.

    A request with a query is scored by the user's history and the query's row together; without one, by the history. A
    query that nobody engaged for says nothing.
    """

    name = kind = "ease-queries"

    def rows(self, world: World, items: Index) -> sparse.csr_matrix:
        """Return the rows (R, E) that the map is learned from: the users, and below them the queries."""
        queries = sparse.csr_matrix(QueryItems(world.fitted, items).counts > 0, dtype=np.float32)
        return sparse.vstack([super().rows(world, items), queries], format="csr")

    def fit(self, world: World) -> None:
        """Learn the map, and keep the rows of the queries."""
        super().fit(world)
        self._queries = QueryItems(world.fitted, self._columns)
        self._asked = sparse.csr_matrix(self._queries.counts > 0, dtype=np.float32)  # (K + 1, E)

    def told(self, requests: pl.DataFrame) -> Told:
        """Return what history and query of each request say together."""
        history = super().told(requests)
        query, again = np.unique(self._queries.rows(normal_queries(requests[Col.QUERY])), return_inverse=True)
        asked = self.spread(self._asked[query], again)
        np.add(history.scores, asked.scores, out=history.scores)
        return Told(history.scores, history.telling | asked.telling)
