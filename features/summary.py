"""What a data folder holds, counted; nothing is judged here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from features.columns import SPLITS, TASKS, Col
from features.errors import DataError
from features.split import split_facts, with_split
from features.tables import DataFolder, data_hash

UNSPLIT: Final = "unsplit"
"""Stands for the split of events that cannot be split."""
CONTEXT: Final = (Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM, Col.TIMESTAMP, Col.REQUEST, Col.POSITION)
"""Fields of a request that may be missing."""


@dataclass(frozen=True, kw_only=True)
class TaskCount:
    """Rows of one task in one split."""

    task: str
    split: str
    rows: int
    engaged: int
    """Rows with a label above 0."""
    zeros: int
    """Rows with the label 0."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The size and the gaps of a data folder."""

    hash: str
    rows: dict[str, int]
    """Rows of each table that is there."""
    split_by: str
    """``column``, ``time`` or, where neither is possible, ``unsplit``."""
    tasks: list[TaskCount]
    missing: dict[str, dict[str, float]]
    """Per task, the share of its rows, in [0, 1], that lack a field of the context."""
    users: int
    items: int
    items_with_events: int
    queries: int
    countries: dict[str, int]
    """Rows of events per stated country, most frequent first."""
    first: datetime | None
    last: datetime | None
    """The span of the timestamps, UTC; None without timestamps."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values, times in ISO 8601."""
        plain = asdict(self)
        return plain | {key: plain[key] and plain[key].isoformat() for key in ("first", "last")}


def summarise(folder: DataFolder, tasks: Sequence[str] = TASKS) -> Summary:
    """Count what ``folder`` holds; tasks come in the order of ``tasks``, then unknown ones by name."""
    events, split_by = _split(folder.events)
    counts = events.select(
        pl.col(Col.USER).drop_nulls().n_unique().alias("users"),
        pl.col(Col.ITEM).drop_nulls().n_unique().alias("items_with_events"),
        pl.col(Col.QUERY).drop_nulls().n_unique().alias("queries"),
        pl.col(Col.TIMESTAMP).min().alias("first"),
        pl.col(Col.TIMESTAMP).max().alias("last"),
    )
    rows = {name: frame.select(pl.len()).collect().item() for name, frame in folder.tables().items()}
    return Summary(
        hash=data_hash(folder),
        rows=rows,
        split_by=split_by,
        tasks=_task_counts(events, tasks),
        missing=_missing(events, tasks),
        items=folder.items.select(pl.col(Col.ITEM).drop_nulls().n_unique()).collect().item(),
        countries=_countries(events),
        **counts.collect().row(0, named=True),
    )


def _split(events: pl.LazyFrame) -> tuple[pl.LazyFrame, str]:
    try:
        split = with_split(events)
    except DataError:
        return events.with_columns(pl.lit(UNSPLIT).alias(Col.SPLIT)), UNSPLIT
    return split, "column" if split_facts(events).has_split else "time"


def _in_order(names: Sequence[str]) -> pl.Expr:
    """Place of a task in the configuration; unknown ones last."""
    return pl.col(Col.TASK).replace_strict(list(names), range(len(names)), default=len(names), return_dtype=pl.Int64)


def _task_counts(events: pl.LazyFrame, tasks: Sequence[str]) -> list[TaskCount]:
    parts = pl.col(Col.SPLIT).replace_strict(list(SPLITS), range(len(SPLITS)), default=None, return_dtype=pl.Int64)
    label = pl.col(Col.LABEL)
    counts = (
        events.group_by(pl.col(Col.TASK).fill_null("(none)"), pl.col(Col.SPLIT))
        .agg(rows=pl.len(), engaged=(label > 0).sum(), zeros=(label == 0).sum())
        .sort(_in_order(tasks), Col.TASK, parts)
        .collect()
    )
    return [TaskCount(**row) for row in counts.iter_rows(named=True)]


def _missing(events: pl.LazyFrame, tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    shares = (
        events.group_by(pl.col(Col.TASK).fill_null("(none)"))
        .agg(pl.col(name).is_null().mean() for name in CONTEXT)
        .sort(_in_order(tasks), Col.TASK)
        .collect()
    )
    return {row.pop(Col.TASK): row for row in shares.iter_rows(named=True)}


def _countries(events: pl.LazyFrame) -> dict[str, int]:
    stated = events.filter(pl.col(Col.COUNTRY).is_not_null())
    counts = stated.group_by(Col.COUNTRY).len("rows").sort("rows", Col.COUNTRY, descending=[True, False]).collect()
    return dict(counts.iter_rows())
