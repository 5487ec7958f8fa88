from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.tables import open_data
from tests.training.diagnose.tastes import event, write
from training.diagnose.overlap import Direction, Pair, compare_tasks, transfer
from training.diagnose.rows import Engaged, read_engaged

CATALOGUE = pl.DataFrame({"item_id": [f"i{n}" for n in range(1, 9)]})


def _read(folder: Path, rows: list[dict[str, Any]]) -> Engaged:
    return read_engaged(open_data(write(folder, rows, CATALOGUE)), seed=0)


def _pair(folder: Path, rows: list[dict[str, Any]]) -> Pair:
    return compare_tasks(_read(folder, rows), 0, 1, seed=0)


def _direction(folder: Path, rows: list[dict[str, Any]], source: str, target: str) -> Direction:
    engaged = _read(folder, rows)
    return transfer(engaged, engaged.tasks.index(source), engaged.tasks.index(target), seed=0)


def test_users_and_items_in_common(tmp_path: Path) -> None:
    rows = [
        *(event("recommendation", user, item, 1, "train") for user, item in ((1, "i1"), (2, "i2"), (3, "i3"))),
        *(event("search", user, item, 2, "train") for user, item in ((2, "i1"), (4, "i3"), (None, "i5"))),
        event("search", 1, "i2", 3, "train", label=0.0),  # shown, not engaged with
        event("search", 3, "i2", 4, "valid"),
    ]
    found = _pair(tmp_path, rows)
    assert (found.a, found.b) == ("recommendation", "search")
    assert found.users == (1, pytest.approx(1 / 4), pytest.approx(1 / 2))  # u2 of u1 u2 u3 u4; the smaller has two
    assert found.items == (2, pytest.approx(2 / 4), pytest.approx(2 / 3))  # i1 i3 of i1 i2 i3 i5


def test_an_item_counts_by_its_users(tmp_path: Path) -> None:
    # By rows recommendation has (9, 1) and search (1, 1); by users both have (1, 1).
    rows = [event("recommendation", 1, "i1", at, "train") for at in range(9)]
    rows += [event("recommendation", 2, "i2", 1, "train")]
    rows += [event("search", user, f"i{user}", 2, "train") for user in (1, 2)]
    assert _pair(tmp_path, rows).popularity.bits == pytest.approx(0.0)


def test_tasks_without_users_share_none(tmp_path: Path) -> None:
    rows = [event(task, None, "i1", 1, "train") for task in ("recommendation", "search")]
    assert _pair(tmp_path, rows).users == (0, 0.0, 0.0)


def test_targets_that_were_engaged_elsewhere_before(tmp_path: Path) -> None:
    rows = [event("recommendation", user, f"i{user}", 1, "train") for user in (1, 2, 3, 4)]
    rows += [event("search", 9, "i8", 1, "train")]
    rows += [event("search", user, item, 3, "valid") for user, item in ((1, "i1"), (2, "i2"), (3, "i3"), (4, "i8"))]
    rows += [event("search", 9, "i1", 3, "valid")]  # of a user whom recommendation does not know: not asked
    found = _direction(tmp_path, rows, "recommendation", "search")
    assert found.again is not None
    assert (found.again.value, found.again.of) == (3 / 4, 4)
    assert found.again.by_chance <= 3 / 4
    assert _direction(tmp_path, rows, "search", "recommendation").again is None  # valid asks nothing of it


def test_neighbours_are_what_the_same_users_engage_with(tmp_path: Path) -> None:
    # u1 knows i1, whose other users know i2 and i3; nobody leads from i1 to i4. What is known is no neighbour.
    rows = [event("recommendation", 1, "i1", 1, "train")]
    rows += [event("recommendation", user, item, 1, "train") for user in (2, 3) for item in ("i1", "i2")]
    rows += [event("search", 2, "i3", 1, "train"), event("search", 4, "i4", 1, "train")]
    rows += [event("search", 1, item, 3, "valid") for item in ("i1", "i2", "i3", "i4")]
    found = _direction(tmp_path, rows, "recommendation", "search")
    assert found.near is not None
    assert (found.near.value, found.near.of) == (2 / 4, 4)
    assert found.near.by_chance == 2 / 4  # one user's targets, shuffled, are the same targets


def test_pairs_of_a_query_that_a_user_engages_with_elsewhere(tmp_path: Path) -> None:
    def search(user: int, item: str, query: str) -> dict[str, Any]:
        return event("search", user, item, 1, "train") | {"query": query}

    rows = [search(1, "i1", "red"), search(2, "i2", "Red "), search(3, "i3", "blue"), search(4, "i4", "blue")]
    rows += [search(5, "i5", "alone"), search(5, "i5", "alone")]
    rows += [event("recommendation", 9, item, 2, "train") for item in ("i1", "i2")]
    rows += [event("recommendation", user, f"i{user}", 2, "train") for user in (3, 4)]
    found = _direction(tmp_path, rows, "search", "recommendation")
    assert found.together is not None
    # Each of i1 i2 (red) and i3 i4 (blue) draws its one partner; only u9 engages with both items of red.
    assert (found.together.value, found.together.of) == (2 / 4, 4)
    assert _direction(tmp_path, rows, "recommendation", "search").together is None  # it has no queries
