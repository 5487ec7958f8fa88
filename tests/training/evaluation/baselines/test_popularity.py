from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.popularity import Popularity

ITEMS = catalogue("a", "b", "c", "d")
NOBODY = asking(request_id=["nobody"])
LAST = datetime(2024, 6, 1, tzinfo=UTC)


def scores(world: World, requests: pl.DataFrame = NOBODY, **settings: Any) -> list[list[float]]:
    baseline = Popularity(**settings)
    baseline.fit(world)
    found: list[list[float]] = baseline.scores(requests).tolist()
    return found


def test_users_count_once_and_each_anonymous_engagement() -> None:
    rows = events(
        *[{"item_id": "a", "user_id": "u"}] * 5,
        *[{"item_id": "b"}] * 2,
        *[{"item_id": "c", "user_id": user} for user in "uvw"],
    )
    assert scores(World(ITEMS, rows, rows)) == [[1, 2, 3, 0]]


def test_an_engagement_counts_half_after_each_half_life_and_a_user_the_latest() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "timestamp": LAST},
        {"item_id": "a", "user_id": "u", "timestamp": LAST - timedelta(days=20)},
        {"item_id": "b", "user_id": "u", "timestamp": LAST - timedelta(days=10)},
        {"item_id": "b", "timestamp": LAST - timedelta(days=5)},
        {"item_id": "c", "timestamp": LAST - timedelta(days=20)},
        {"item_id": "d"},  # of unknown time: as old as the oldest, 20 days
    )
    expected = [1, 1 / 2 + 2**-0.5, 1 / 4, 1 / 4]
    assert scores(World(ITEMS, rows, rows), half_life=10.0)[0] == pytest.approx(expected)


def test_without_times_a_half_life_changes_nothing() -> None:
    rows = events({"item_id": "a"}, {"item_id": "b"}, {"item_id": "b"})
    assert scores(World(ITEMS, rows, rows), half_life=1.0) == [[1, 2, 0, 0]]


def test_a_country_is_blended_with_everywhere() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "country": "KR"},
        {"item_id": "a", "user_id": "v"},  # whose home is DE
        {"item_id": "b", "user_id": "u"},  # whose home is KR
        {"item_id": "c", "user_id": "w", "country": "DE"},
        {"item_id": "c", "user_id": "x"},  # without a home
    )
    homes = pl.DataFrame({"user_id": ["u", "v"], "country": ["KR", "DE"]})
    asked = asking(
        request_id=["stated", "home", "stated abroad", "unknown", "none"],
        user_id=[None, "u", "u", None, "x"],
        country=["DE", None, "DE", "FR", None],
    )
    everywhere = [10 * 2 / 5, 10 * 1 / 5, 10 * 2 / 5, 0]
    korea, germany = [1, 1, 0, 0], [1, 0, 1, 0]
    found = scores(World(ITEMS, rows, rows, homes), asked, blend=10.0)
    expected = [germany, korea, germany, [0] * 4, [0] * 4]
    for row, there in zip(found, expected, strict=True):
        assert row == pytest.approx([own + all_ for own, all_ in zip(there, everywhere, strict=True)])


def test_what_the_data_does_not_hold_is_not_tried() -> None:
    plain = events({"item_id": "a"}, {"item_id": "b", "country": "DE"})
    timed = events({"item_id": "a", "timestamp": LAST}, {"item_id": "b"})
    abroad = events({"item_id": "a", "country": "KR"}, {"item_id": "b", "country": "DE"})
    assert Popularity.choices(World(ITEMS, plain, plain)) == ({},)
    assert {tuple(found) for found in Popularity.choices(World(ITEMS, timed, timed))} == {("half_life",)}
    assert {tuple(found) for found in Popularity.choices(World(ITEMS, abroad, abroad))} == {("blend",)}
