from __future__ import annotations

import polars as pl
import pytest

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.transitions import Transitions

ITEMS = catalogue("a", "b", "c", "d")


def sequence(user: str, items: str) -> pl.DataFrame:
    return events(*({"user_id": user, "item_id": item, "order": place} for place, item in enumerate(items)))


def scores(fitted: pl.DataFrame, history: pl.DataFrame, user: str, **settings: float) -> list[float]:
    baseline = Transitions(**settings)
    baseline.fit(World(ITEMS, fitted, pl.concat([fitted, history])))
    found: list[float] = baseline.scores(asking(request_id=["1"], user_id=[user]))[0].tolist()
    return found


def test_followers_count_by_distance_and_history_by_age() -> None:
    # After a come b (1) and c (1/2); after b comes c (1), and before it a (0.1); in all 3/2 and 1.1.
    to_b, to_c, from_b = 1 / (3 / 2), 1 / 2 / (3 / 2), 1 / 1.1
    expected = [0.1 / 1.1, 1 / 2 * to_b, 1 / 2 * to_c + from_b, 0]
    found = scores(sequence("u", "abc"), sequence("v", "ab"), "v", fall=1.0, source=1.0, popularity=0.0)
    assert found == pytest.approx(expected)
    slow = scores(sequence("u", "abc"), sequence("v", "ab"), "v", fall=1.0, source=1.0, popularity=0.0, recency=0.5)
    assert slow == pytest.approx([0.1 / 1.1, 2**-0.5 * to_b, 2**-0.5 * to_c + from_b, 0])


def test_both_items_are_normalised() -> None:
    # a is followed by b and, at distance 2, by c; b comes after a (1) and before c (0.1); c after both.
    far = 2**-0.5
    out_a, in_b, in_c = 1 + far, 1 + 0.1, 1 + far
    expected = [0, 1 / (out_a**0.75 * in_b**0.25), far / (out_a**0.75 * in_c**0.25), 0]
    found = scores(sequence("u", "abc"), sequence("v", "a"), "v", fall=0.5, source=0.75, popularity=0.25)
    assert found == pytest.approx(expected)


def test_no_item_follows_itself_or_what_another_user_did() -> None:
    rows = pl.concat([sequence("u", "aab"), sequence("v", "cd")])
    found = scores(rows, sequence("w", "a"), "w", fall=1.0, source=0.0, popularity=0.0)
    assert found == pytest.approx([0, 1 + 1 / 2, 0, 0])


def test_events_are_followed_in_their_order_and_not_that_of_the_rows() -> None:
    rows = sequence("u", "ab").reverse()
    plain = {"fall": 1.0, "source": 0.0, "popularity": 0.0}
    assert scores(rows, sequence("v", "a"), "v", **plain) == pytest.approx([0, 1, 0, 0])
    assert scores(rows, sequence("v", "b"), "v", **plain) == pytest.approx([0.1, 0, 0, 0])
    assert scores(rows, sequence("v", "c"), "v", **plain) == [1, 1, 0, 0]  # nothing is known of c: popularity


def test_what_comes_much_later_does_not_follow() -> None:
    long = [f"i{n}" for n in range(30)]
    rows = events(*({"user_id": "u", "item_id": item, "order": place} for place, item in enumerate(long)))
    baseline = Transitions(window=20, fall=0.0, source=0.0, popularity=0.0)
    baseline.fit(World(catalogue(*long), rows, pl.concat([rows, events({"user_id": "v", "item_id": "i0"})])))
    found = baseline.scores(asking(request_id=["1"], user_id=["v"]))[0]
    assert found.tolist() == [0, *[1] * 20, *[0] * 9]


def test_without_an_order_popularity_is_served() -> None:
    rows = pl.concat([sequence("u", "abc"), sequence("v", "bc")]).with_columns(pl.lit(None, pl.Int64).alias("order"))
    assert scores(rows, rows.clear(), "v") == [1, 2, 2, 0]
    assert len(Transitions.choices(World(ITEMS, rows, rows))) == 1
