"""The report of ``unicorn check``: what a data folder holds, and which rules it breaks."""

from __future__ import annotations

import json as json_text
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from features.atomic import write_whole
from features.columns import TASKS
from features.errors import DataError
from features.quarantine import DATA, QUARANTINE, set_aside
from features.rules import Violation, find_notices, find_violations, one_line
from features.summary import CONTEXT, Summary, summarise
from features.tables import DataFolder, open_data

SHOWN_COUNTRIES = 10
"""Countries that the printed report names; the JSON has all."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check found."""

    summary: Summary
    violations: list[Violation]
    notices: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return plain values: ``valid``, ``data``, ``violations`` and ``warnings``."""
        return {
            "valid": not self.violations,
            "data": self.summary.as_json(),
            "violations": [_violation_as_json(violation) for violation in self.violations],
            "warnings": self.notices,
        }

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        text = json_text.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(file, text + "\n")


def check_folder(
    data: Path,
    console: Console,
    tasks: Sequence[str] | None = None,
    *,
    json: Path | None = None,
    quarantine: Path | None = None,
    quiet: bool = False,
) -> None:
    """Check the data folder ``data``, report on ``console``, and set bad rows aside where asked to.

    Args:
        data: the data folder.
        console: where the report goes.
        tasks: the names that a task may have; None means those of the default configuration.
        json: a file for the report.
        quarantine: a new folder for the bad rows and the rest; None makes a broken rule an error.
        quiet: report broken rules alone.

    Raises:
        DataError: the tables cannot be read; or a rule is broken, and nothing or too little could be set aside.
    """
    folder, names = open_data(data), TASKS if tasks is None else tasks
    report = inspect_data(folder, names)
    if not quiet:
        show_size(report.summary, console)
        show_notices(report, console)
    show_violations(report, console)
    if json is not None:
        report.write(json)
    if quarantine is not None:
        counts = set_aside(folder, quarantine, names)
        if not quiet:
            _show_quarantine(quarantine, counts, console)
    elif report.violations:
        raise DataError(one_line(folder, report.violations))
    elif not quiet:
        console.print("No rule is broken.")


def inspect_data(folder: DataFolder, tasks: Sequence[str] = TASKS) -> Report:
    """Count what ``folder`` holds, and try every rule on it."""
    return Report(
        summary=summarise(folder, tasks),
        violations=find_violations(folder, tasks),
        notices=find_notices(folder, tasks),
    )


def show_size(summary: Summary, console: Console) -> None:
    """Print the sizes, the tasks by split, and the gaps."""
    console.print(_sizes(summary))
    console.print(_tasks(summary))
    console.print(_gaps(summary))


def show_notices(report: Report, console: Console) -> None:
    """Print what is odd and allowed, a line each."""
    for notice in report.notices:
        console.print(f"warning: {notice}", markup=False, soft_wrap=True)


def show_violations(report: Report, console: Console) -> None:
    """Print each broken rule, with its first offending rows."""
    for violation in report.violations:
        sentence = f"{violation.rule}: {violation.describe()}. {violation.way_out}."
        console.print(sentence, markup=False, soft_wrap=True)
        if violation.by_row:
            console.print(_rows(violation.sample))


def _show_quarantine(out: Path, counts: dict[str, int], console: Console) -> None:
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in counts.items()) or "no rows"
    console.print(f"Set aside in {out / QUARANTINE}: {rows}. The rest is {out / DATA}.", markup=False, soft_wrap=True)


def _violation_as_json(violation: Violation) -> dict[str, Any]:
    sample = [{key: _plain(value) for key, value in row.items()} for row in violation.sample.iter_rows(named=True)]
    return {
        "rule": violation.rule,
        "table": violation.table,
        "rows": violation.rows,
        "total": violation.total,
        "message": violation.message,
        "way_out": violation.way_out,
        "sample": sample,
    }


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: times and numbers that are not finite become text."""
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, int | None) else str(value)


def _sizes(summary: Summary) -> Grid:
    grid = Grid(title="What the data holds", show_header=False, title_justify="left")
    for name, rows in summary.rows.items():
        grid.add_row(name, f"{rows:,} rows")
    grid.add_row("distinct users in events", f"{summary.users:,}")
    grid.add_row("distinct items", f"{summary.items:,}, and {summary.items_with_events:,} in events")
    grid.add_row("distinct queries in events", f"{summary.queries:,}")
    grid.add_row("countries in events", escape(_named_countries(summary.countries)))
    span = (
        "no timestamps" if summary.first is None else f"{summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M}"
    )
    grid.add_row("time (UTC)", span)
    grid.add_row("split by", summary.split_by)
    grid.add_row("hash", summary.hash[:16])
    return grid


def _named_countries(countries: dict[str, int]) -> str:
    shown = [f"{name} {rows:,}" for name, rows in list(countries.items())[:SHOWN_COUNTRIES]]
    more = [f"and {len(countries) - SHOWN_COUNTRIES:,} more"] if len(countries) > SHOWN_COUNTRIES else []
    return ", ".join(shown + more) or "none"


def _tasks(summary: Summary) -> Grid:
    grid = Grid("task", "split", title="Events", title_justify="left")
    for name in ("rows", "engaged", "zeros"):
        grid.add_column(name, justify="right")
    for count in summary.tasks:
        numbers = (f"{number:,}" for number in (count.rows, count.engaged, count.zeros))
        grid.add_row(escape(count.task), escape(count.split), *numbers)
    return grid


def _gaps(summary: Summary) -> Grid:
    grid = Grid("field", title="Share of events without it", title_justify="left")
    for task in summary.missing:
        grid.add_column(escape(task), justify="right")
    for name in CONTEXT:
        grid.add_row(name, *(f"{shares[name]:.1%}" for shares in summary.missing.values()))
    return grid


def _rows(sample: pl.DataFrame) -> Grid:
    grid = Grid(*(escape(name) for name in sample.columns))
    for row in sample.iter_rows():
        grid.add_row(*("" if value is None else escape(str(value)) for value in row))
    return grid
