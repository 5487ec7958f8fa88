from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from features.errors import DataError
from features.row_rules import RULES
from features.rules import find_notices, find_violations, require_valid
from features.tables import open_data
from tests.features.table_world import EVENTS, ITEMS, timed_events, with_value, write_folder

USERS = pl.DataFrame({"user_id": ["u1", "u2"], "country": ["DE", "KR"]})
JUDGMENTS = pl.DataFrame({"query": ["red", "blue"], "item_id": ["i1", "i2"], "relevance": [3.0, 1.0]})
SCORES = pl.DataFrame({"user_id": ["u1", "u2"], "item_id": ["i1", "i1"], "score": [0.5, -2.0]})
COUNTRIES = ITEMS.with_columns(countries=pl.Series([["DE", "KR"], [], None]))
NUMBERS = EVENTS.with_columns(weight=pl.lit(1.0), source_item_id=pl.lit("i2"))
GOOD = {"items": COUNTRIES, "users": USERS, "events": NUMBERS, "judgments": JUDGMENTS, "scores": SCORES}
NO_SPLIT = NUMBERS.drop("split")


def _judged(split: str) -> pl.DataFrame:
    return JUDGMENTS.with_columns(split=pl.Series([split, None]))


BROKEN = {
    "items.null_id": pl.concat([COUNTRIES, with_value(COUNTRIES, 2, item_id=None)[2:3]]),
    "items.duplicate_id": pl.concat([COUNTRIES, COUNTRIES[2:3]]),
    "items.bad_country": COUNTRIES.with_columns(countries=pl.Series([["DE"], ["DE", "Germany"], [None]])),
    "users.null_id": with_value(USERS, 1, user_id=None),
    "users.duplicate_id": with_value(USERS, 1, user_id="u1"),
    "events.null_item": with_value(NUMBERS, 1, item_id=None),
    "events.unknown_item": with_value(NUMBERS, 1, item_id="ghost"),
    "events.unknown_source_item": with_value(NUMBERS, 1, source_item_id="ghost"),
    "events.unknown_task": with_value(NUMBERS, 1, task="levitation"),
    "events.label_null": with_value(NUMBERS, 1, label=None),
    "events.label_nan": with_value(NUMBERS, 1, label=float("nan")),
    "events.label_negative": with_value(NUMBERS, 1, label=-0.5),
    "events.label_infinite": with_value(NUMBERS, 1, label=1e300),
    "events.position_below_1": with_value(NUMBERS, 1, position=0),
    "events.weight_invalid": with_value(NUMBERS, 1, weight=-1.0),
    "events.bad_split": with_value(NUMBERS, 3, split="dev"),
    "events.torn_request": with_value(NUMBERS, 1, split="train"),
    "events.no_timestamp": with_value(NO_SPLIT, 1, timestamp=None),
    "judgments.null_query": with_value(JUDGMENTS, 1, query=None),
    "judgments.null_item": with_value(JUDGMENTS, 1, item_id=None),
    "judgments.unknown_item": with_value(JUDGMENTS, 1, item_id="ghost"),
    "judgments.relevance_invalid": with_value(JUDGMENTS, 1, relevance=float("nan")),
    "judgments.bad_split": _judged("dev"),
    "scores.null_user": with_value(SCORES, 1, user_id=None),
    "scores.null_item": with_value(SCORES, 1, item_id=None),
    "scores.unknown_item": with_value(SCORES, 1, item_id="ghost"),
    "scores.duplicate_pair": with_value(SCORES, 1, user_id="u1"),
    "scores.score_invalid": with_value(SCORES, 1, score=float("inf")),
}
"""For each rule on rows, a table that breaks it and no other."""
ROWS = {"items.bad_country": 2, "events.torn_request": 2}
"""Offending rows, where they are not 1."""


def test_every_rule_on_rows_has_a_case_here() -> None:
    assert set(BROKEN) == {rule.name for rules in RULES.values() for rule in rules}


def test_good_data_breaks_no_rule(tmp_path: Path) -> None:
    assert find_violations(open_data(write_folder(tmp_path, **GOOD))) == []


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_finds_its_offenders_and_no_other_rule_does(tmp_path: Path, rule: str) -> None:
    table = rule.partition(".")[0]
    (found,) = find_violations(open_data(write_folder(tmp_path, **(GOOD | {table: BROKEN[rule]}))))
    assert (found.rule, found.table, found.rows, found.total) == (rule, table, ROWS.get(rule, 1), len(BROKEN[rule]))
    assert len(found.sample) == found.rows
    assert set(found.sample.columns) == set(BROKEN[rule].columns)


def test_a_weight_of_nothing_counts_as_one(tmp_path: Path) -> None:
    events = with_value(NUMBERS, 1, weight=None)
    assert find_violations(open_data(write_folder(tmp_path, **(GOOD | {"events": events})))) == []


def test_the_error_is_one_line_with_place_counts_example_and_way_out(tmp_path: Path) -> None:
    root = write_folder(tmp_path, events=with_value(EVENTS, 1, item_id="ghost"))
    with pytest.raises(DataError) as error:
        require_valid(open_data(root))
    assert str(error.value) == (
        f'{root}/events: 1 of 4 rows name items that are not in items, e.g. "ghost" (events.unknown_item). '
        f"Add the items, or set the rows aside with `unicorn check {root} --quarantine DIR`."
    )


def test_the_error_counts_the_other_rules(tmp_path: Path) -> None:
    events = with_value(with_value(EVENTS, 1, item_id="ghost"), 3, label=None, position=-1)
    with pytest.raises(DataError, match=r"2 more rules are broken\.$"):
        require_valid(open_data(write_folder(tmp_path, events=events)))


def test_samples_hold_the_first_rows_with_the_fault_in_front(tmp_path: Path) -> None:
    events = timed_events([None] * 40).with_columns(
        split=pl.lit("train"), item_id=pl.format("ghost {}", pl.int_range(40))
    )
    (found,) = find_violations(open_data(write_folder(tmp_path, events=events)))
    assert found.rows == 40
    assert found.sample.columns[0] == "item_id"
    assert found.sample["item_id"].to_list() == [f"ghost {row}" for row in range(5)]


def test_tasks_are_those_of_the_configuration(tmp_path: Path) -> None:
    data = open_data(write_folder(tmp_path))
    assert find_violations(data, ("search", "recommendation", "feed")) == []
    (found,) = find_violations(data, ("search", "feed"))
    assert (found.rule, found.rows, found.example) == ("events.unknown_task", 2, '"recommendation"')


@pytest.mark.parametrize(
    ("events", "rule", "says"),
    [
        (EVENTS.with_columns(split=pl.lit("test")), "events.no_train_rows", "no train rows"),
        (EVENTS.with_columns(label=pl.lit(0.0)), "events.no_train_rows", "no train rows"),
        (EVENTS.clear(), "events.no_train_rows", "no train rows"),
        (EVENTS.drop("split", "timestamp"), "events.no_split", "neither a split nor a timestamp"),
    ],
)
def test_rules_on_whole_tables(tmp_path: Path, events: pl.DataFrame, rule: str, says: str) -> None:
    data = open_data(write_folder(tmp_path, events=events))
    (found,) = find_violations(data)
    assert (found.rule, found.by_row) == (rule, False)
    with pytest.raises(DataError, match=rf"events: .*{says}.*; see `unicorn check"):
        require_valid(data)


def test_a_catalogue_without_items(tmp_path: Path) -> None:
    rules = [violation.rule for violation in find_violations(open_data(write_folder(tmp_path, items=ITEMS.clear())))]
    assert rules == ["events.unknown_item", "items.no_rows"]


def test_what_is_odd_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = with_value(with_value(EVENTS, 3, country="Germany"), 2, task="search")
    data = open_data(write_folder(tmp_path, events=events.with_columns(split=pl.lit("train"))))
    expected = [
        'the task "similar" has no rows',
        'the split "valid" of events has no rows',
        'the split "test" of events has no rows',
        "1 of 3 requests have rows that differ in task, user_id, query, country, source_item_id",
        '1 rows of events have a country that is no two-letter code, e.g. "Germany"',
    ]
    assert find_notices(data, ("search", "recommendation", "similar")) == expected
    with caplog.at_level(logging.WARNING, logger="features"):
        require_valid(data, ("search", "recommendation", "similar"))
    assert caplog.messages == [f"{tmp_path}: {notice}" for notice in expected]


def test_users_of_events_need_not_be_in_users(tmp_path: Path) -> None:
    assert find_violations(open_data(write_folder(tmp_path, users=USERS.head(1)))) == []
