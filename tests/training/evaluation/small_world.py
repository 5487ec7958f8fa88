"""Frames with the contract's columns, from the few values that a test cares about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from training.evaluation.judged import Judged, judged_split
from training.evaluation.protocol import Protocol

ALL = ("search", "recommendation", "similar", "presearch")
_EVENT = {
    "item_id": pl.String,
    "task": pl.String,
    "label": pl.Float64,
    "user_id": pl.String,
    "query": pl.String,
    "country": pl.String,
    "source_item_id": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
    "order": pl.Int64,
    "request_id": pl.String,
    "split": pl.String,
}
_ITEM = {"item_id": pl.String, "title": pl.String, "text": pl.String, "countries": pl.List(pl.String)}


def catalogue(*ids: str, **columns: Sequence[Any]) -> pl.DataFrame:
    """Return items ``ids``, all else null but for ``columns``."""
    return pl.DataFrame({name: columns.get(name, [None] * len(ids)) for name in _ITEM} | {"item_id": ids}, schema=_ITEM)


def events(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Return rows that are engagements in ``recommendation`` of ``test`` where they do not say otherwise."""
    defaults = dict.fromkeys(_EVENT) | {"task": "recommendation", "label": 1.0, "split": "test"}
    return pl.DataFrame([defaults | dict(row) for row in rows], schema=_EVENT)


def judged(items: pl.DataFrame, rows: pl.DataFrame, protocol: Protocol | None = None, **tables: Any) -> Judged:
    return judged_split(items, rows, protocol or Protocol(), **tables)


def asking(**columns: Sequence[str | None]) -> pl.DataFrame:
    """Return requests in ``search``, all null but for ``columns``."""
    names = ("request_id", "task", "user_id", "query", "country", "source_item_id")
    size = len(next(iter(columns.values())))
    values = {"task": ["search"] * size} | columns
    return pl.DataFrame(
        {name: values.get(name, [None] * size) for name in names}, schema=dict.fromkeys(names, pl.String)
    )


def serving(lists: Callable[[dict[str, Any]], Sequence[str]]) -> Callable[[pl.DataFrame, int], pl.DataFrame]:
    """Return a rank function that serves ``lists(request)``, with falling scores."""

    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        rows = [
            (request["request_id"], place, item, -float(place))
            for request in requests.iter_rows(named=True)
            for place, item in enumerate(lists(request)[:depth], start=1)
        ]
        schema = {"request_id": pl.String, "rank": pl.Int64, "item_id": pl.String, "score": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    return rank


def scoring(score: Callable[[str], float]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return a score function that scores by the item alone."""

    def answer(requests: pl.DataFrame) -> pl.DataFrame:
        rows = requests.select("request_id", pl.col("candidates").alias("item_id")).explode("item_id")
        return rows.with_columns(pl.Series("score", [score(item) for item in rows["item_id"]], dtype=pl.Float64))

    return answer
