"""Queries as rows: which items were engaged for them, by anyone and by the user who asks."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from features.text import normalise
from training.evaluation.baselines.base import Index, distinct_ids


def normal_queries(queries: pl.Series) -> pl.Series:
    """Return queries in normal form; null where there is none, or nothing is left of it."""
    distinct = distinct_ids(pl.DataFrame({"query": queries.cast(pl.String)}), "query")
    normal = pl.Series([normalise(query) or None for query in distinct], dtype=pl.String)
    return queries.cast(pl.String).replace_strict(distinct, normal, default=None, return_dtype=pl.String)


class QueryItems:
    """Engagements of each item for each query of fitted rows. K = queries, E = items."""

    def __init__(self, rows: pl.DataFrame, items: Index) -> None:
        """Count distinct users of ``rows``; an engagement without a user counts as one."""
        rows = rows.select(Col.USER, Col.ITEM, normal_queries(rows[Col.QUERY]).alias(Col.QUERY))
        rows = rows.filter(pl.col(Col.QUERY).is_not_null() & pl.col(Col.ITEM).is_not_null())
        once = pl.concat([rows.filter(pl.col(Col.USER).is_null()), rows.drop_nulls().unique()])
        self._queries = Index(distinct_ids(rows, Col.QUERY))
        self.counts = _counts(
            self._queries.rows(once[Col.QUERY]), items.rows(once[Col.ITEM]), (len(self._queries) + 1, len(items))
        )

    def rows(self, queries: pl.Series) -> NDArray[np.int64]:
        """Return the row in ``counts`` (K + 1, E) of each query in normal form, -1, which is empty, where unknown."""
        return self._queries.rows(queries)


class OwnQueryItems:
    """What each user engaged with for each query."""

    def __init__(self, rows: pl.DataFrame, items: Index) -> None:
        """Keep the distinct items of each user and query of ``rows``."""
        rows = rows.select(Col.USER, Col.ITEM, normal_queries(rows[Col.QUERY]).alias(Col.QUERY)).drop_nulls().unique()
        self._pairs = Index(_pair(rows[Col.USER], rows[Col.QUERY]).unique(maintain_order=True))
        row = self._pairs.rows(_pair(rows[Col.USER], rows[Col.QUERY]))
        self.held = _counts(row, items.rows(rows[Col.ITEM]), (len(self._pairs) + 1, len(items)))

    def rows(self, users: pl.Series, queries: pl.Series) -> NDArray[np.int64]:
        """Return the row in ``held`` (P + 1, E) of each user and normal query, -1, which is empty, where unknown."""
        return self._pairs.rows(_pair(users, queries))


def _pair(users: pl.Series, queries: pl.Series) -> pl.Series:
    """Return a key of each user and query, null where one is; a normal form holds no line break."""
    return pl.select(pl.concat_str(queries, users, separator="\n")).to_series()


def _counts(row: NDArray[np.int64], item: NDArray[np.int64], shape: tuple[int, int]) -> sparse.csr_matrix:
    known = (row >= 0) & (item >= 0)
    ones = np.ones(int(known.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (row[known], item[known])), shape=shape)  # equal places are added up
