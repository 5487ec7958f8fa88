from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.training.evaluation.small_world import catalogue, events
from training.evaluation.baselines.base import Index, World, in_order, leaving_out, user_items

ITEMS = catalogue("a", "b", "c", "d")
DAY = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 10)]


def test_events_are_ordered_by_order_else_by_time_and_ties_keep_the_order_of_rows() -> None:
    rows = events(
        {"item_id": "fourth", "order": 5},
        {"item_id": "third", "order": 3, "timestamp": DAY[8]},
        {"item_id": "second", "timestamp": DAY[2]},
        {"item_id": "fifth", "order": 5, "timestamp": DAY[0]},
        {"item_id": "first", "timestamp": DAY[1]},
    )
    assert in_order(rows)["item_id"].to_list() == ["first", "second", "third", "fourth", "fifth"]


def test_a_history_item_weighs_less_the_more_other_items_came_later() -> None:
    rows = events(
        {"user_id": "u", "item_id": "a", "order": 1},
        {"user_id": "v", "item_id": "d", "order": 2},
        {"user_id": "u", "item_id": "b", "order": 3},
        {"user_id": "u", "item_id": "c", "order": 4},
        {"user_id": "u", "item_id": "b", "order": 5},
        {"user_id": "u", "item_id": "ghost", "order": 6},
        {"item_id": "a", "order": 7},
    )
    users, items = Index(rows["user_id"][:2]), Index(ITEMS["item_id"])
    # Of u: ghost came last, then b for the second time, then c, then a; of v there is only d.
    recent = user_items(rows, users, items, recency=1.0).toarray().tolist()
    assert recent == [pytest.approx([1 / 4, 1 / 2, 1 / 3, 0]), [0, 0, 0, 1]]
    decayed = user_items(rows, users, items, decay=0.8).toarray().tolist()
    assert decayed == [pytest.approx([0.8**3, 0.8, 0.8**2, 0]), [0, 0, 0, 1]]
    assert user_items(rows, users, items).toarray().tolist() == [[1, 1, 1, 0], [0, 0, 0, 1]]


def test_what_settings_share_is_made_once_and_only_the_last_is_kept() -> None:
    nothing = events({"item_id": "a"}).clear()
    world = World(ITEMS, nothing, nothing)
    made: list[int] = []

    def ask(key: int) -> int:
        return world.shared("kind", key, lambda: made.append(key) or key)

    assert [ask(1), ask(1), ask(2), ask(2), ask(1)] == [1, 1, 2, 2, 1]
    assert made == [1, 2, 1]
    assert world.shared("another kind", 1, lambda: "other") == "other"
    assert ask(1) == 1
    assert made == [1, 2, 1]


def test_settings_without_an_argument_are_listed_once_in_their_order() -> None:
    grid = ({"k": 1, "recency": 0}, {"k": 1, "recency": 1}, {"k": 2, "recency": 0})
    assert leaving_out(grid, "recency") == ({"k": 1}, {"k": 2})
