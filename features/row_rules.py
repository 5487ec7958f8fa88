"""What the rows of a data folder must not be: each rule has a name, and finds its offenders lazily."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from features.columns import SPLITS, Col, Table
from features.split import SplitFacts, split_facts
from features.tables import DataFolder

COUNTRY_CODE: Final = r"^[A-Z]{2}$"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a rule needs to know beyond the row before it."""

    items: pl.Series
    """The ids of the catalogue, distinct."""
    tasks: Sequence[str]
    """The names that a task may have."""
    split: SplitFacts

    @classmethod
    def of(cls, folder: DataFolder, tasks: Sequence[str]) -> Facts:
        """Collect the facts of ``folder``."""
        items = folder.items.select(pl.col(Col.ITEM).drop_nulls().unique()).collect().to_series()
        return cls(items=items, tasks=tasks, split=split_facts(folder.events))


Offends = Callable[[Facts], pl.Expr]
"""Makes the expression that is true where a row breaks a rule; null counts as false."""


@dataclass(frozen=True)
class Rule:
    """A rule on the rows of one table."""

    name: str
    """``table.what_is_wrong``."""
    column: str
    """The column that an example is taken from."""
    offends: Offends
    message: str
    """Completes "12 of 80 rows ..."."""
    way_out: str

    @property
    def table(self) -> str:
        """The table that the rule is about."""
        return self.name.partition(".")[0]

    def broken(self, facts: Facts) -> pl.Expr:
        """Return whether a row breaks the rule, never null."""
        return self.offends(facts).fill_null(False)


def _null(column: str) -> Offends:
    return lambda facts: pl.col(column).is_null()


def _repeated(*columns: str) -> Offends:
    """The second and later rows of a key; null keys have a rule of their own."""
    key = pl.struct(columns)
    return lambda facts: ~key.is_first_distinct() & pl.all_horizontal(pl.col(columns).is_not_null())


def _unknown_item(column: str) -> Offends:
    return lambda facts: ~pl.col(column).is_in(facts.items.implode())


def _not_finite(column: str) -> Offends:
    return lambda facts: pl.col(column).is_null() | ~pl.col(column).is_finite()


def _not_a_measure(column: str) -> Offends:
    """A number that is missing, NaN, infinite or below 0."""
    not_finite = _not_finite(column)
    return lambda facts: not_finite(facts) | (pl.col(column) < 0)


def _bad_country(facts: Facts) -> pl.Expr:
    code = pl.element().str.contains(COUNTRY_CODE).fill_null(False)
    return ~pl.col(Col.COUNTRIES).list.eval(code).list.all()


def _unknown_task(facts: Facts) -> pl.Expr:
    return ~pl.col(Col.TASK).is_in(list(facts.tasks)).fill_null(False)


def _no_known_split(facts: Facts) -> pl.Expr:
    """Once a row names its split, all have to."""
    return pl.lit(facts.split.has_split) & ~pl.col(Col.SPLIT).is_in(SPLITS).fill_null(False)


def _torn_request(facts: Facts) -> pl.Expr:
    if not (facts.split.has_split and facts.split.requests):
        return pl.lit(False)
    return pl.col(Col.REQUEST).is_not_null() & (pl.col(Col.SPLIT).n_unique().over(Col.REQUEST) > 1)


def _timeless(facts: Facts) -> pl.Expr:
    return pl.lit(facts.split.has_time and not facts.split.has_split) & pl.col(Col.TIMESTAMP).is_null()


_ADD = "Add the items"
_FILL = "Fill it in"
_MEASURE = "Give a finite number of 0 or more"
_NO_MEASURE = "missing, negative, NaN or infinite"
_NO_ITEM = "name items that are not in items"
_SPLITS = ", ".join(SPLITS)

_ITEM_RULES = (
    Rule("items.null_id", Col.ITEM, _null(Col.ITEM), "have no item_id", _FILL),
    Rule("items.duplicate_id", Col.ITEM, _repeated(Col.ITEM), "repeat an item_id", "Keep one row per item"),
    Rule(
        "items.bad_country",
        Col.COUNTRIES,
        _bad_country,
        "have a country that is not two upper-case letters",
        "Use ISO 3166 codes such as DE",
    ),
)

_USER_RULES = (
    Rule("users.null_id", Col.USER, _null(Col.USER), "have no user_id", _FILL),
    Rule("users.duplicate_id", Col.USER, _repeated(Col.USER), "repeat a user_id", "Keep one row per user"),
)

_EVENT_RULES = (
    Rule("events.null_item", Col.ITEM, _null(Col.ITEM), "have no item_id", _FILL),
    Rule("events.unknown_item", Col.ITEM, _unknown_item(Col.ITEM), _NO_ITEM, _ADD),
    Rule(
        "events.unknown_source_item",
        Col.SOURCE_ITEM,
        _unknown_item(Col.SOURCE_ITEM),
        "name source items that are not in items",
        _ADD,
    ),
    Rule(
        "events.unknown_task",
        Col.TASK,
        _unknown_task,
        "have a task that is not configured",
        "Rename it, or add the task to the configuration",
    ),
    Rule("events.label_null", Col.LABEL, _null(Col.LABEL), "have no label", _MEASURE),
    Rule("events.label_nan", Col.LABEL, lambda _: pl.col(Col.LABEL).is_nan(), "have the label NaN", _MEASURE),
    Rule("events.label_negative", Col.LABEL, lambda _: pl.col(Col.LABEL) < 0, "have a label below 0", _MEASURE),
    Rule(
        "events.label_infinite",
        Col.LABEL,
        lambda _: pl.col(Col.LABEL) == float("inf"),
        "have a label that is infinite in 32 bits",
        _MEASURE,
    ),
    Rule(
        "events.position_below_1",
        Col.POSITION,
        lambda _: pl.col(Col.POSITION) < 1,
        "have a position below 1",
        "Count positions from 1",
    ),
    Rule(
        "events.weight_invalid",
        Col.WEIGHT,
        _not_a_measure(Col.WEIGHT),
        f"have a weight that is {_NO_MEASURE}",
        _MEASURE,
    ),
    Rule(
        "events.bad_split",
        Col.SPLIT,
        _no_known_split,
        f"have a split that is not one of {_SPLITS}",
        "Fill it in every row, or drop the column to split by time",
    ),
    Rule(
        "events.torn_request",
        Col.REQUEST,
        _torn_request,
        "belong to a request that lies in several splits",
        "Put all rows of a request in one split",
    ),
    Rule(
        "events.no_timestamp",
        Col.TIMESTAMP,
        _timeless,
        "have no timestamp to split by",
        "Fill it in, or add a split column",
    ),
)

_JUDGMENT_RULES = (
    Rule("judgments.null_query", Col.QUERY, _null(Col.QUERY), "have no query", _FILL),
    Rule("judgments.null_item", Col.ITEM, _null(Col.ITEM), "have no item_id", _FILL),
    Rule("judgments.unknown_item", Col.ITEM, _unknown_item(Col.ITEM), _NO_ITEM, _ADD),
    Rule(
        "judgments.relevance_invalid",
        Col.RELEVANCE,
        _not_a_measure(Col.RELEVANCE),
        f"have a relevance that is {_NO_MEASURE}",
        _MEASURE,
    ),
    Rule(
        "judgments.bad_split",
        Col.SPLIT,
        lambda _: ~pl.col(Col.SPLIT).is_in(SPLITS),
        f"have a split that is not one of {_SPLITS}",
        "Rename it, or leave it null",
    ),
)

_SCORE_RULES = (
    Rule("scores.null_user", Col.USER, _null(Col.USER), "have no user_id", _FILL),
    Rule("scores.null_item", Col.ITEM, _null(Col.ITEM), "have no item_id", _FILL),
    Rule("scores.unknown_item", Col.ITEM, _unknown_item(Col.ITEM), _NO_ITEM, _ADD),
    Rule(
        "scores.duplicate_pair",
        Col.ITEM,
        _repeated(Col.USER, Col.ITEM),
        "repeat a pair of user and item",
        "Keep one row per pair",
    ),
    Rule(
        "scores.score_invalid",
        Col.SCORE,
        _not_finite(Col.SCORE),
        "have a score that is missing, NaN or infinite",
        "Give a finite number",
    ),
)

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    Table.ITEMS: _ITEM_RULES,
    Table.USERS: _USER_RULES,
    Table.EVENTS: _EVENT_RULES,
    Table.JUDGMENTS: _JUDGMENT_RULES,
    Table.SCORES: _SCORE_RULES,
}
"""The rules on the rows of each table, in the order in which they are reported."""
