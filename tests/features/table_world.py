"""Small data folders whose every row is in view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

ITEMS = pl.DataFrame({"item_id": ["i1", "i2", "i3"], "title": ["red chair", "blue lamp", None]})
EVENTS = pl.DataFrame(
    {
        "item_id": ["i1", "i2", "i3", "i1"],
        "task": ["search", "recommendation", "recommendation", "search"],
        "label": [1.0, 1.0, 0.0, 1.0],
        "user_id": ["u1", "u1", "u2", None],
        "query": ["chair", None, None, "red"],
        "country": ["DE", "DE", "KR", None],
        "request_id": ["r1", "r2", "r2", "r3"],
        "position": [1, 1, 2, 1],
        "timestamp": [datetime(2024, 1, day) for day in (1, 2, 2, 3)],
        "split": ["train", "valid", "valid", "test"],
    }
)


def write_folder(root: Path, **tables: pl.DataFrame) -> Path:
    """Write ``tables`` to ``root``; items and events are the small ones where they are not given."""
    root.mkdir(parents=True, exist_ok=True)
    for name, frame in ({"items": ITEMS, "events": EVENTS} | tables).items():
        frame.write_parquet(root / f"{name}.parquet")
    return root


def with_value(frame: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    """Return ``frame`` with other values in one row."""
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value, dtype=frame.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def timed_events(
    times: Sequence[datetime | None], requests: Sequence[str | None] | None = None, items: int = 1
) -> pl.DataFrame:
    """Return engagements at ``times``, optionally on pages of results."""
    count = len(times)
    return pl.DataFrame(
        {
            "item_id": [f"i{row % items + 1}" for row in range(count)],
            "task": ["recommendation"] * count,
            "label": [1.0] * count,
            "timestamp": pl.Series(times, dtype=pl.Datetime("us")),
            "request_id": pl.Series(requests if requests is not None else [None] * count, dtype=pl.String),
        }
    )
