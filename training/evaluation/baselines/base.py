"""What a baseline is: it is fitted on the known engagements, and scores the whole catalogue for a block of requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col


class World(NamedTuple):
    """What a baseline may know. N = items."""

    items: pl.DataFrame
    """The catalogue (N rows): ``item_id``, ``title``, ``text``, ``countries``."""
    fitted: pl.DataFrame
    """Engagements that are fitted: ``user_id``, ``item_id``, ``task``, ``query``, …"""
    history: pl.DataFrame
    """Engagements before the judged split, of which what is fitted is a part; same columns."""


class Baseline(ABC):
    """A ranker that is fitted without gradients."""

    name: ClassVar[str]
    grid: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings, as arguments of the class, that are tried on valid: their number is the budget. The first is the
    default where there is nothing to choose by."""

    @abstractmethod
    def fit(self, world: World) -> None:
        """Learn from ``world.fitted``; ``world.history`` may be kept for the users it names, and teaches nothing."""

    @abstractmethod
    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return finite scores (B, N) of all items, in catalogue order, for the requests of a block.

        A request's row depends on that request alone. What may not be served is masked by the driver.
        """


class Index:
    """Ids to rows; what is not known has no row."""

    def __init__(self, ids: pl.Series) -> None:
        self._rows = pl.DataFrame({"id": ids.cast(pl.String)}).with_row_index("row")

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, ids: pl.Series) -> NDArray[np.int64]:
        """Return the row of each id (n,), -1 where it is unknown or null."""
        asked = pl.DataFrame({"id": ids.cast(pl.String)})
        found = asked.join(self._rows, on="id", how="left", validate="m:1", maintain_order="left")
        return found["row"].cast(pl.Int64).fill_null(-1).to_numpy()


def distinct_ids(rows: pl.DataFrame, column: str) -> pl.Series:
    """Return the distinct ids of a column in the order of their first row, nulls left out."""
    return rows[column].drop_nulls().unique(maintain_order=True)


def user_items(rows: pl.DataFrame, users: Index, items: Index) -> sparse.csr_matrix:
    """Return a matrix (users, items) float32 that is 1 where a known user engaged with an item, in any task."""
    pairs = rows.select(Col.USER, Col.ITEM).drop_nulls().unique()
    user, item = users.rows(pairs[Col.USER]), items.rows(pairs[Col.ITEM])
    known = (user >= 0) & (item >= 0)
    ones = np.ones(int(known.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (user[known], item[known])), shape=(len(users), len(items)))


def item_counts(rows: pl.DataFrame, items: Index) -> NDArray[np.float32]:
    """Return the number of distinct users of each item (N,) float32; an engagement without a user counts as one."""
    anonymous = rows.filter(pl.col(Col.USER).is_null())[Col.ITEM]
    by_user = rows.select(Col.USER, Col.ITEM).drop_nulls().unique()[Col.ITEM]
    row = items.rows(pl.concat([anonymous, by_user]))
    return np.bincount(row[row >= 0], minlength=len(items)).astype(np.float32)
