"""What a baseline is: it is fitted on the known engagements, and scores the whole catalogue for a block of requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from features.events import is_ordered
from training.evaluation.judged import Judged

T = TypeVar("T")
Settings = Mapping[str, Any]
"""Arguments of a baseline's class."""


def _nobody() -> pl.DataFrame:
    return pl.DataFrame(schema={Col.USER: pl.String, Col.COUNTRY: pl.String})


@dataclass(frozen=True, eq=False)
class World:
    """What a baseline may know. N = items."""

    items: pl.DataFrame
    """The catalogue (N rows): ``item_id``, ``title``, ``text``, ``countries``."""
    fitted: pl.DataFrame
    """Engagements that are fitted: ``user_id``, ``item_id``, ``task``, ``query``, …"""
    history: pl.DataFrame
    """Engagements before the judged split, of which what is fitted is a part; same columns."""
    homes: pl.DataFrame = field(default_factory=_nobody)
    """``user_id`` and home ``country`` of the users that have one."""
    _last: dict[str, tuple[Hashable, Any]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, judged: Judged) -> World:
        """Return what may be known where ``judged`` is judged."""
        return cls(judged.items, judged.fitted, judged.history, judged.homes)

    @property
    def ordered(self) -> bool:
        """Whether a user's engagements have an order."""
        return is_ordered(self.history)

    @property
    def timed(self) -> bool:
        """Whether some fitted engagement has a time."""
        return bool(self.fitted[Col.TIMESTAMP].is_not_null().any())

    def shared(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` derives from this world for ``key``.

        It is made once for settings that are tried one after another. Only the last of its kind is kept, so that a
        grid takes no more memory than one setting.
        """
        if kind not in self._last or self._last[kind][0] != key:
            self._last.pop(kind, None)  # before the next is made
            self._last[kind] = (key, make())
        found: T = self._last[kind][1]
        return found


class Baseline(ABC):
    """A ranker that is fitted without gradients."""

    name: ClassVar[str]
    grid: ClassVar[tuple[Settings, ...]] = ({},)
    """Settings that are tried on valid: their number is the budget. The first is the default where there is nothing to
    choose by. Those that share most of what is fitted stand beside each other."""

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the settings of the grid that differ in ``world``, the default first."""
        return cls.grid

    @abstractmethod
    def fit(self, world: World) -> None:
        """Learn from ``world.fitted``; ``world.history`` may be kept for the users it names, and teaches nothing."""

    @abstractmethod
    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return finite scores (B, N) of all items, in catalogue order, for the requests of a block.

        A request's row depends on that request alone. What may not be served is masked by the driver.
        """


def leaving_out(grid: tuple[Settings, ...], *names: str) -> tuple[Settings, ...]:
    """Return ``grid`` without the arguments ``names``, each setting once."""
    kept = [{key: value for key, value in settings.items() if key not in names} for settings in grid]
    return tuple(settings for place, settings in enumerate(kept) if settings not in kept[:place])


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


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return events by ``order``, where that is null before those by ``timestamp``; ties keep the order of rows."""
    by_time = pl.when(pl.col(Col.ORDER).is_null()).then(pl.col(Col.TIMESTAMP))
    return rows.sort(pl.col(Col.ORDER), by_time, maintain_order=True)


def user_items(
    rows: pl.DataFrame, users: Index, items: Index, recency: float = 0.0, decay: float = 1.0
) -> sparse.csr_matrix:
    """Return a matrix (users, items) float32 of what known users engaged with, in any task.

    Args:
        rows: engagements.
        users: rows of the matrix.
        items: columns of the matrix.
        recency: an entry is ``(1 + age) ** -recency * decay ** age``, where the age is the number of other items that
            the user engaged with later.
        decay: with 1, and a ``recency`` of 0, every entry is 1 and the order of ``rows`` says nothing.
    """
    known = rows.filter(pl.col(Col.USER).is_not_null() & pl.col(Col.ITEM).is_not_null())
    pairs = in_order(known).select(Col.USER, Col.ITEM).unique(keep="last", maintain_order=True)
    age = pairs.select(pl.int_range(pl.len()).reverse().over(Col.USER)).to_series().to_numpy()
    weight = ((1.0 + age) ** -recency * decay**age).astype(np.float32)
    user, item = users.rows(pairs[Col.USER]), items.rows(pairs[Col.ITEM])
    kept = (user >= 0) & (item >= 0)
    return sparse.csr_matrix((weight[kept], (user[kept], item[kept])), shape=(len(users), len(items)))


def item_counts(rows: pl.DataFrame, items: Index) -> NDArray[np.float32]:
    """Return the number of distinct users of each item (N,) float32; an engagement without a user counts as one."""
    anonymous = rows.filter(pl.col(Col.USER).is_null())[Col.ITEM]
    by_user = rows.select(Col.USER, Col.ITEM).drop_nulls().unique()[Col.ITEM]
    row = items.rows(pl.concat([anonymous, by_user]))
    return np.bincount(row[row >= 0], minlength=len(items)).astype(np.float32)
