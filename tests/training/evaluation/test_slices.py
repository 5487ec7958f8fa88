from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from tests.training.evaluation.small_world import catalogue, events, judged
from training.evaluation.slices import head_threshold, slice_masks

ITEMS = catalogue("a", "b", "c", "new")


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


def members(rows: pl.DataFrame, **tables: pl.DataFrame) -> dict[str, list[int]]:
    masks = slice_masks(judged(ITEMS, rows, **tables))
    return {name: list(np.flatnonzero(mask)) for name, mask in masks.items()}


def test_the_head_holds_half_of_the_engagements() -> None:
    assert head_threshold(np.array([10, 5, 3, 2])) == 10  # 10 of 20
    assert head_threshold(np.array([9, 5, 5, 1])) == 5  # 9 of 20 are too few; equal counts stay together
    assert head_threshold(np.array([], dtype=np.int64)) == 1


def test_items_users_and_queries_by_how_often_they_were_fitted() -> None:
    train = {"split": "train", "task": "search"}
    rows = events(
        *[train | {"item_id": "a", "user_id": "heavy", "query": "Red  Shoe"}] * 6,
        *[train | {"item_id": "b", "user_id": "light", "query": "hat"}] * 2,
        {"item_id": "a", "user_id": "heavy", "query": "red shoe", "task": "search"},
        {"item_id": "b", "user_id": "light", "query": "HAT", "task": "search"},
        {"item_id": "new", "user_id": "cold", "query": "sock", "task": "search"},
        {"item_id": "new"},
    )
    found = members(rows)
    assert (found["item:head"], found["item:tail"], found["item:cold"]) == ([0], [1], [2, 3])
    assert (found["user:heavy"], found["user:light"], found["user:cold"]) == ([0], [1], [2])
    assert (found["query:head"], found["query:tail"], found["query:unseen"]) == ([0], [1], [2])
    assert (found["missing:user_id"], found["missing:query"]) == ([3], [3])
    assert found["missing:country"] == [0, 1, 2, 3]


def test_a_slice_of_items_takes_part_of_a_request() -> None:
    rows = events(
        {"item_id": "a", "split": "train"},
        {"item_id": "a", "request_id": "r"},
        {"item_id": "new", "request_id": "r"},
    )
    found = members(rows)
    assert (found["item:head"], found["item:cold"]) == ([0], [1])


def test_the_country_is_the_stated_one_or_the_home() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "country": "KR"},
        {"item_id": "a", "user_id": "u"},
        {"item_id": "a", "user_id": "homeless"},
    )
    users = pl.DataFrame({"user_id": ["u", "homeless"], "country": ["DE", None]})
    found = members(rows, users=users)
    assert (found["country:KR"], found["country:DE"]) == ([0], [1])
    assert found["missing:country"] == [1, 2]


def test_only_the_twenty_largest_countries() -> None:
    rows = events(*({"item_id": "a", "country": f"C{n:02}"} for n in range(25) for _ in range(1 + (n == 24))))
    names = [name for name in members(rows) if name.startswith("country:")]
    assert len(names) == 20
    assert "country:C24" in names


def test_the_gap_to_the_last_known_event() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "timestamp": day(1), "split": "train"},
        {"item_id": "a", "user_id": "u", "timestamp": day(2), "split": "valid"},
        {"item_id": "b", "user_id": "u", "timestamp": day(2)},
        {"item_id": "c", "user_id": "u", "timestamp": day(3)},
        {"item_id": "new", "user_id": "u"},
        {"item_id": "c", "user_id": "stranger", "timestamp": day(3)},
    )
    found = members(rows)
    assert (found["gap:same"], found["gap:later"]) == ([0], [1])
