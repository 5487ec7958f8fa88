"""Query counts times EASE: what others engaged with for the query, if it suits the user."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Settings, World, distinct_ids
from training.evaluation.baselines.ease import Ease
from training.evaluation.baselines.queries import OwnQueryItems, QueryItems, normal_queries

LEAST = 0.001
"""The least affinity that counts."""


class QueryCountEase(Ease):
    """``log((n_qi + 0.1) / (n_i + 10)) + 2·log max(EASE_u, 0.001) + ½·log max(EASE_uq, 0.001)``.

    n_qi and n_i are the distinct users who engaged with the item for the query, and at all, in any task. EASE_u maps
    the user's history, EASE_uq what the user engaged with for this query. Where a history says nothing, the share of
    users who engaged with the item stands for EASE_u. A request without a query is served by EASE.
    """

    name = "query-count-ease"
    grid: ClassVar[tuple[Settings, ...]] = (
        {"l2": 200.0, "recency": 0.0},
        {"l2": 200.0, "recency": 1.0},
        {"l2": 100.0, "recency": 0.0},
        {"l2": 400.0, "recency": 0.0},
    )

    def fit(self, world: World) -> None:
        """Learn EASE, and count the engagements of each query."""
        super().fit(world)
        self._queries = QueryItems(world.fitted, self._items)
        self._own = OwnQueryItems(world.history, self._columns)
        self._share = self._popularity / max(1, len(distinct_ids(world.fitted, Col.USER)))  # (N,)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the sum of logarithms (B, N), or EASE where there is no query."""
        queries = normal_queries(requests[Col.QUERY])
        asked = queries.is_not_null()
        out = np.empty((len(requests), len(self._popularity)), dtype=np.float32)
        out[~asked.to_numpy()] = super().scores(requests.filter(~asked))
        out[asked.to_numpy()] = self._searched(requests.filter(asked), queries.filter(asked))
        return out

    def _searched(self, requests: pl.DataFrame, queries: pl.Series) -> NDArray[np.float32]:
        """Return scores (B, N) of requests with ``queries`` in normal form."""
        told = self.told(requests)
        told.scores[~told.telling] = self._share
        out = 2 * _log(told.scores)
        own, again = np.unique(self._own.rows(requests[Col.USER], queries), return_inverse=True)
        out += 0.5 * _log(self.spread(self._own.held[own], again).scores)
        out += self._query_part(queries)
        return out

    def _query_part(self, queries: pl.Series) -> NDArray[np.float32]:
        """Return ``log((n_qi + 0.1) / (n_i + 10))`` (B, N)."""
        count: sparse.csr_matrix = self._queries.counts[self._queries.rows(queries)]
        out = np.repeat(np.log(0.1 / (self._popularity + 10))[None, :], len(queries), axis=0)
        held = count.tocoo()
        out[held.row, held.col] += np.log((held.data + 0.1) / 0.1)
        return out


def _log(affinity: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(affinity, LEAST, out=affinity), out=affinity)
