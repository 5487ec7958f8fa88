"""Which rules a data folder breaks, and the gate that every use of one passes."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from features.columns import SPLITS, TASKS, Col, Split, Table
from features.errors import DataError
from features.row_rules import COUNTRY_CODE, RULES, Facts
from features.split import split_facts, with_split
from features.tables import DataFolder, stated_columns

logger = logging.getLogger(__name__)

SAMPLE_ROWS: Final = 5
"""Offending rows that a violation shows."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A rule that is broken."""

    rule: str
    table: str
    rows: int
    """Rows that break it; all of them where the rule is about the table as a whole."""
    total: int
    """Rows of the table."""
    message: str
    way_out: str
    sample: pl.DataFrame = field(default_factory=pl.DataFrame)
    """The first offending rows, the column at fault first; empty for a rule about the whole table."""
    example: str = ""
    """The value that breaks the rule in the first of them."""

    @property
    def by_row(self) -> bool:
        """Whether taking out the offending rows mends it."""
        return len(self.sample) > 0

    def describe(self) -> str:
        """Return the finding as a sentence without its full stop."""
        if not self.by_row:
            return self.message
        example = f", e.g. {self.example}" if self.example else ""
        return f"{self.rows:,} of {self.total:,} rows {self.message}{example}"


def find_violations(folder: DataFolder, tasks: Sequence[str] = TASKS) -> list[Violation]:
    """Return the rules that ``folder`` breaks, by table; rules on rows come before those on whole tables."""
    facts = Facts.of(folder, tasks)
    found = [violation for name in folder.tables() for violation in _row_violations(folder, name, facts)]
    return found + _whole_table_violations(folder, facts)


def require_valid(folder: DataFolder, tasks: Sequence[str] = TASKS) -> None:
    """Raise one line on the first broken rule of ``folder``; log what is odd but allowed.

    Args:
        folder: an opened data folder.
        tasks: the names that a task may have.
    """
    violations = find_violations(folder, tasks)
    if violations:
        raise DataError(one_line(folder, violations))
    for notice in find_notices(folder, tasks):
        logger.warning("%s: %s", folder.root, notice)


def one_line(folder: DataFolder, violations: Sequence[Violation]) -> str:
    """Return place, value, limit and way out of the first violation, and how many follow."""
    first, more = violations[0], len(violations) - 1
    others = f" {more} more {'rule is' if more == 1 else 'rules are'} broken." if more else ""
    way_out = f"{first.way_out}, or set the rows aside with" if first.by_row else f"{first.way_out}; see"
    command = f"`unicorn check {folder.root}{' --quarantine DIR' if first.by_row else ''}`"
    return f"{folder.root / first.table}: {first.describe()} ({first.rule}). {way_out} {command}.{others}"


def _row_violations(folder: DataFolder, table: str, facts: Facts) -> list[Violation]:
    """Return the broken rules on rows of ``table``: one pass counts all, another samples those that are broken."""
    frame = folder.tables()[table]
    broken = {rule.name: rule.broken(facts).sum() for rule in RULES[table]}
    total, *counts = frame.select(pl.len(), **broken).collect().row(0)
    violations = []
    for rule, count in zip(RULES[table], counts, strict=True):
        if count:
            sample = frame.filter(rule.broken(facts)).head(SAMPLE_ROWS).collect()
            violation = Violation(
                rule=rule.name,
                table=table,
                rows=count,
                total=total,
                message=rule.message,
                way_out=rule.way_out,
                sample=sample.select(rule.column, pl.col(stated_columns(folder, table)).exclude(rule.column)),
                example=_quoted(sample[rule.column][0]),
            )
            violations.append(violation)
    return violations


def find_notices(folder: DataFolder, tasks: Sequence[str] = TASKS) -> list[str]:
    """Return what is odd about ``folder`` and allowed all the same, each as a sentence without its full stop."""
    present = folder.events.select(pl.col(Col.TASK).unique()).collect().to_series()
    notices = [f'the task "{task}" has no rows' for task in tasks if task not in present]
    notices += _empty_splits(folder.events)
    return notices + _mixed_requests(folder.events) + _odd_countries(folder)


def _whole_table_violations(folder: DataFolder, facts: Facts) -> list[Violation]:
    def violation(rule: str, total: int, message: str, way_out: str) -> list[Violation]:
        table = rule.partition(".")[0]
        return [Violation(rule=rule, table=table, rows=total, total=total, message=message, way_out=way_out)]

    rows = facts.split.rows
    if facts.items.is_empty():
        return violation("items.no_rows", 0, "there are no items", "Add the catalogue")
    if rows and not (facts.split.has_split or facts.split.has_time):
        way_out = "Add a split of train, valid, test to every row, or a timestamp to split by time"
        return violation("events.no_split", rows, "there is neither a split nor a timestamp", way_out)
    if not facts.split.complete:
        return []  # the rows that lack a split or a time are named by a rule of their own
    if not _has_train_rows(folder.events):
        message = "no train rows: no row of the split train has a label above 0"
        return violation("events.no_train_rows", rows, message, "Add engagements, or correct the split")
    return []


def _has_train_rows(events: pl.LazyFrame) -> bool:
    train = (pl.col(Col.SPLIT) == Split.TRAIN) & (pl.col(Col.LABEL) > 0) & (pl.col(Col.WEIGHT) > 0)
    return bool(with_split(events).select(train.any()).collect().item())


def _empty_splits(events: pl.LazyFrame) -> list[str]:
    if not split_facts(events).complete:
        return []
    present = with_split(events).select(pl.col(Col.SPLIT).unique()).collect().to_series()
    return [f'the split "{split}" of events has no rows' for split in SPLITS if split not in present]


def _mixed_requests(events: pl.LazyFrame) -> list[str]:
    """Rows of one request usually ask the same thing; the contract does not demand it."""
    asks = (Col.TASK, Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM)
    requests = events.filter(pl.col(Col.REQUEST).is_not_null()).group_by(Col.REQUEST)
    mixed = requests.agg(pl.any_horizontal(pl.col(name).n_unique() > 1 for name in asks).alias("mixed"))
    count, total = mixed.select(pl.col("mixed").sum(), pl.len()).collect().row(0)
    return [f"{count:,} of {total:,} requests have rows that differ in {', '.join(asks)}"] if count else []


def _odd_countries(folder: DataFolder) -> list[str]:
    notices = []
    for name in (Table.USERS, Table.EVENTS, Table.JUDGMENTS):
        frame = folder.tables().get(name)
        if frame is None:
            continue
        odd = frame.filter(~pl.col(Col.COUNTRY).str.contains(COUNTRY_CODE)).select(pl.col(Col.COUNTRY))
        count, example = odd.select(pl.len(), pl.col(Col.COUNTRY).first().alias("example")).collect().row(0)
        if count:
            notices.append(f'{count:,} rows of {name} have a country that is no two-letter code, e.g. "{example}"')
    return notices


def _quoted(value: Any) -> str:
    """Return a value as an error shows it; a missing one needs no example."""
    if value is None:
        return ""
    if isinstance(value, pl.Series):
        value = value.to_list()
    return json.dumps(value, ensure_ascii=False, default=str)
