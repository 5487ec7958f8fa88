"""Which part of the events a row belongs to: train, valid or test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from features.columns import SPLITS, Col, Split
from features.errors import DataError

SHARE: Final = 10
"""One in this many rows is test, and as many before them are valid."""

_ROW, _TIME, _FIRST = "__split_row", "__split_time", "__split_first_row"


@dataclass(frozen=True)
class SplitFacts:
    """What decides how the events can be split."""

    rows: int
    named: int
    """Rows whose ``split`` is not null."""
    known: int
    """Rows whose ``split`` is train, valid or test."""
    timed: int
    """Rows with a timestamp."""
    requests: int
    """Rows with a request id."""

    @property
    def has_split(self) -> bool:
        """Whether the events bring their own split."""
        return self.named > 0

    @property
    def complete(self) -> bool:
        """Whether every row has a split, or can get one from its time."""
        return self.known == self.rows if self.has_split else self.timed == self.rows

    @property
    def has_time(self) -> bool:
        """Whether any row has a timestamp."""
        return self.timed > 0


def split_facts(events: pl.LazyFrame) -> SplitFacts:
    """Count what ``with_split`` needs to know, in one pass."""
    split = pl.col(Col.SPLIT)
    counts = events.select(
        rows=pl.len(),
        named=split.count(),
        known=split.is_in(SPLITS).sum(),
        timed=pl.col(Col.TIMESTAMP).count(),
        requests=pl.col(Col.REQUEST).count(),
    )
    return SplitFacts(**counts.collect().row(0, named=True))


def with_split(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``events`` with a ``split`` in every row; the order of the rows is kept.

    A ``split`` that is there is obeyed. Else the rows are split by time: the last tenth is test, the tenth before it
    valid, both rounded up to whole requests. A request happens at the time of its earliest row; requests of the same
    time come in the order of their first rows. A row without ``request_id`` is a request of its own.

    Raises:
        DataError: some rows lack a split, or there is no split and some rows lack a timestamp.
    """
    facts = split_facts(events)
    if facts.has_split:
        _require_every_split(facts)
        return events
    _require_every_time(facts)
    if facts.rows == 0:
        return events
    dated = _with_request_time(events.with_row_index(_ROW), facts.requests > 0)
    valid, test = _cuts(dated.select(_ROW, _TIME, _FIRST).collect())
    part = (
        pl.when(_not_before(test))
        .then(pl.lit(Split.TEST))
        .when(_not_before(valid))
        .then(pl.lit(Split.VALID))
        .otherwise(pl.lit(Split.TRAIN))
    )
    return dated.with_columns(part.alias(Col.SPLIT)).drop(_ROW, _TIME, _FIRST)


def _require_every_split(facts: SplitFacts) -> None:
    if facts.known < facts.rows:
        raise DataError(
            f'events: {facts.rows - facts.known:,} of {facts.rows:,} rows have a "{Col.SPLIT}" that is not one of '
            f"{', '.join(SPLITS)}. Fill it in every row, or drop the column to split by time."
        )


def _require_every_time(facts: SplitFacts) -> None:
    if facts.timed == facts.rows:
        return
    if facts.has_time:
        gap = f'{facts.rows - facts.timed:,} of {facts.rows:,} rows have no "{Col.TIMESTAMP}"'
    else:
        gap = f'there is neither a "{Col.SPLIT}" nor a "{Col.TIMESTAMP}"'
    raise DataError(
        f'events: {gap}, so they cannot be split. Add a "{Col.SPLIT}" of {", ".join(SPLITS)} to every row, '
        f'or a "{Col.TIMESTAMP}" to split by time.'
    )


def _with_request_time(events: pl.LazyFrame, has_requests: bool) -> pl.LazyFrame:
    """Add the time and the first row of the request that each row belongs to."""
    time, row = pl.col(Col.TIMESTAMP), pl.col(_ROW)
    if has_requests:
        alone = pl.col(Col.REQUEST).is_null()
        time = pl.when(alone).then(time).otherwise(time.min().over(Col.REQUEST))
        row = pl.when(alone).then(row).otherwise(row.min().over(Col.REQUEST))
    return events.with_columns(time.alias(_TIME), row.alias(_FIRST))


def _cuts(rows: pl.DataFrame) -> tuple[tuple[object, int], tuple[object, int]]:
    """Return the (time, first row) of the first request of valid, and of test."""
    ordered = rows.sort(_TIME, _FIRST, _ROW)
    size = -(-len(ordered) // SHARE)

    def request_at(place: int) -> tuple[object, int]:
        time, first = ordered.select(_TIME, _FIRST).row(max(place, 0))
        return time, first

    test = request_at(len(ordered) - size)
    # Counted from where test begins, so that a large last request does not swallow valid.
    begins = ordered.select((pl.col(_FIRST) == test[1]).arg_max()).item()
    return request_at(begins - size) if begins else test, test


def _not_before(cut: tuple[object, int]) -> pl.Expr:
    time, first = cut
    moment = pl.lit(time, dtype=pl.Datetime("us", "UTC"))
    return (pl.col(_TIME) > moment) | ((pl.col(_TIME) == moment) & (pl.col(_FIRST) >= first))
