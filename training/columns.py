"""What training gathers its batches from: columns on disk, memory-mapped, read by index and never row by row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from features.arrays import map_columns, save_columns
from features.events import EventRows
from features.fitting import FittedEvents
from training.lists import Lists

_LIST_COLUMNS = ("item", "label", "weight", "pairs", "facts")


def map_events(fitted: FittedEvents, folder: Path) -> FittedEvents:
    """Return the same events with their rows, histories' ends and query table on disk in ``folder``."""
    save_columns(fitted.rows._asdict(), folder / "rows")
    save_columns({"end": fitted.past.end, "query_end": fitted.past.query_end}, folder / "past")
    save_columns({"tokens": fitted.table.tokens, "static": fitted.table.static}, folder / "table")
    past: dict[str, Any] = dict(map_columns(folder / "past"))
    table: dict[str, Any] = dict(map_columns(folder / "table"))
    return replace(
        fitted,
        rows=EventRows(**map_columns(folder / "rows")),
        past=fitted.past._replace(**past),
        table=fitted.table._replace(**table),
    )


def map_lists(lists: Lists, folder: Path) -> Lists:
    """Return the same lists with their items, labels and features on disk in ``folder``."""
    save_columns({name: getattr(lists, name) for name in _LIST_COLUMNS}, folder)
    mapped: dict[str, Any] = dict(map_columns(folder))
    return replace(lists, **mapped)
