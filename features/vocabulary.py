"""Strings to rows: vocabularies that are fitted once and saved as text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

MISSING = 0
"""Row of an absent value: padding for items, "none", "anonymous" or "unknown" for context."""
UNKNOWN = 1
"""Row of a value that was not seen when the vocabulary was fitted."""
_VALUE, _ROW = "value", "row"
_FEW = 50_000
"""Values up to which a search in order is faster than a join."""


@dataclass(frozen=True)
class Vocabulary:
    """Distinct strings in the order of their rows; the first of them has row ``first``."""

    values: pl.Series
    first: int = 2

    @classmethod
    def fit(cls, values: pl.Series, first: int = 2) -> Vocabulary:
        """Return the vocabulary of the distinct non-null ``values``, in ascending order."""
        return cls(values.cast(pl.String).drop_nulls().unique().sort().alias(_VALUE), first)

    def extended(self, values: pl.Series) -> Vocabulary:
        """Return the vocabulary with those of ``values`` that are new to it behind its own, whose rows stay."""
        new = values.cast(pl.String).drop_nulls().unique().sort().alias(_VALUE)
        new = new.filter(~new.is_in(self.values.implode()))
        return Vocabulary(pl.concat([self.values, new]), self.first) if len(new) else self

    @property
    def size(self) -> int:
        """Rows, the reserved ones included."""
        return self.first + len(self.values)

    def rows(self, values: pl.Series) -> NDArray[np.int64]:
        """Return the row of each value: ``MISSING`` if null; ``UNKNOWN``, or ``MISSING`` where first is 1, if new.

        The few values of a request are searched for; a join would read the whole vocabulary for them.
        """
        if len(values) <= _FEW:
            return self._searched(values.cast(pl.String))
        table = pl.DataFrame({_VALUE: self.values, _ROW: np.arange(self.first, self.size, dtype=np.int64)})
        wanted = values.cast(pl.String).alias(_VALUE).to_frame()
        found = wanted.join(table, on=_VALUE, how="left", validate="m:1", maintain_order="left")
        row = pl.when(pl.col(_VALUE).is_null()).then(MISSING).otherwise(pl.col(_ROW).fill_null(self._unknown))
        return found.select(row.cast(pl.Int64)).to_series().to_numpy(writable=True)  # torch warns of read-only memory

    def _searched(self, values: pl.Series) -> NDArray[np.int64]:
        ordered, place = self._ordered
        rows = np.full(len(values), self._unknown, dtype=np.int64)
        if len(ordered) and len(values):
            at = np.minimum(ordered.search_sorted(values.fill_null("")).to_numpy(), len(ordered) - 1)
            found = (ordered.gather(at) == values).fill_null(value=False).to_numpy()
            rows[found] = place[at[found]] + self.first
        rows[values.is_null().to_numpy()] = MISSING
        return rows

    @cached_property
    def _ordered(self) -> tuple[pl.Series, NDArray[np.int64]]:
        """The values in ascending order, and the place of each in ``values``."""
        if self.values.is_sorted():
            return self.values, np.arange(len(self.values))
        order = self.values.arg_sort()
        return self.values.gather(order), order.cast(pl.Int64).to_numpy()

    def row_of(self, name: str) -> pl.Expr:
        """Return the expression of what ``rows`` says of a column of strings, int64: for far more values than rows."""
        place = pl.col(name).cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int64)
        known = (place + self.first).fill_null(self._unknown)
        return pl.when(pl.col(name).is_null()).then(MISSING).otherwise(known).alias(name)

    @property
    def _unknown(self) -> int:
        return UNKNOWN if self.first > UNKNOWN else MISSING

    def save(self, path: Path) -> None:
        """Write the values as Parquet."""
        self.values.to_frame().write_parquet(path)

    @classmethod
    def load(cls, path: Path, first: int = 2) -> Vocabulary:
        """Read what ``save`` wrote."""
        return cls(pl.read_parquet(path).to_series(), first)
