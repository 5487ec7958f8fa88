"""Bad rows set aside with their reasons, and a data folder of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from features.atomic import holds_something, whole_folder
from features.columns import TASKS
from features.errors import DataError
from features.row_rules import RULES, Facts
from features.rules import find_violations, one_line
from features.tables import DataFolder, open_data, stated_columns

DATA: Final = "data"
QUARANTINE: Final = "quarantine"
REASON: Final = "reason"
"""Column with the names of the rules that a row breaks, joined by ``; ``."""
_REASON = f"__{REASON}"
"""Its name while the extra columns of the user are there too."""


def set_aside(folder: DataFolder, out: Path, tasks: Sequence[str] = TASKS) -> dict[str, int]:
    """Write the bad rows of ``folder`` to ``out/quarantine/`` and the rest, a data folder, to ``out/data/``.

    Of rows that repeat a key the first stays. Rows that name an item which is set aside go with it.

    Args:
        folder: an opened data folder.
        out: a folder that does not exist or is empty; it appears whole or not at all.
        tasks: the names that a task may have.

    Returns:
        The number of rows set aside, by table; tables without any are left out.

    Raises:
        DataError: ``out`` holds something, or the rest is no data to fit on.
    """
    if holds_something(out):
        raise DataError(f"{out}: is in use already. Choose another --quarantine, or empty it.")
    with whole_folder(out) as partial:
        (partial / DATA).mkdir()
        (partial / QUARANTINE).mkdir()
        counts = _sort_out(folder, partial, tasks)
        _require_rest(folder, partial, tasks)
    return counts


def _sort_out(folder: DataFolder, out: Path, tasks: Sequence[str]) -> dict[str, int]:
    """Write every table in two parts. Items come first, because the others may only name those that stay."""
    counts = {}
    for name, frame in folder.tables().items():
        columns = stated_columns(folder, name)
        marked = frame.with_columns(_reason(name, Facts.of(folder, tasks)))
        rest = marked.filter(pl.col(_REASON) == "").drop(_REASON)
        rest.select(columns).sink_parquet(out / DATA / f"{name}.parquet", maintain_order=True)
        reason = pl.col(_REASON).alias(REASON)
        bad = marked.filter(pl.col(_REASON) != "").select(pl.col(columns).exclude(REASON), reason).collect()
        if len(bad):
            bad.write_parquet(out / QUARANTINE / f"{name}.parquet")
            counts[name] = len(bad)
        folder = folder.with_table(name, rest)
    return counts


def _reason(table: str, facts: Facts) -> pl.Expr:
    broken = [pl.when(rule.broken(facts)).then(pl.lit(rule.name)) for rule in RULES[table]]
    return pl.concat_str(broken, separator="; ", ignore_nulls=True).alias(_REASON)


def _require_rest(folder: DataFolder, out: Path, tasks: Sequence[str]) -> None:
    rest = open_data(out / DATA)
    violations = find_violations(rest, tasks)
    if violations:
        line = one_line(replace(rest, root=folder.root), violations)
        raise DataError(f"Without the bad rows, {line}")
