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
    past, table = fitted.past, fitted.table
    return replace(
        fitted,
        rows=EventRows(**_mapped(fitted.rows._asdict(), folder / "rows")),
        past=past._replace(**_mapped({"end": past.end, "query_end": past.query_end}, folder / "past")),
        table=table._replace(**_mapped({"tokens": table.tokens, "static": table.static}, folder / "table")),
    )


def map_lists(lists: Lists, folder: Path) -> Lists:
    """Return the same lists with their items, labels and features on disk in ``folder``."""
    return replace(lists, **_mapped({name: getattr(lists, name) for name in _LIST_COLUMNS}, folder))


def _mapped(columns: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the same columns on disk in ``folder``."""
    save_columns(columns, folder)
    return map_columns(folder, columns)
