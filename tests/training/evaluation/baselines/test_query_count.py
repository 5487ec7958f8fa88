from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import Baseline, World
from training.evaluation.baselines.query_count import QueryCount
from training.evaluation.baselines.query_count_ease import QueryCountEase

ITEMS = catalogue("a", "b", "c")
ROWS = events(
    *({"user_id": user, "item_id": "a", "query": "Red  Lamp", "task": "search"} for user in "uuv"),
    {"item_id": "b", "query": "red lamp", "task": "search"},
    {"user_id": "u", "item_id": "b"},
    {"user_id": "v", "item_id": "b", "query": "none", "task": "search"},
    {"user_id": "w", "item_id": "c", "query": "NONE", "task": "search"},
    {"user_id": "w", "item_id": "b"},
)
"""Users of a: u, v; of b: u, v, w and one without a name; of c: w."""


def scores(baseline: Baseline, history: pl.DataFrame = ROWS, **columns: list[str | None]) -> list[list[float]]:
    baseline.fit(World(ITEMS, ROWS, history))
    size = len(next(iter(columns.values())))
    found: list[list[float]] = baseline.scores(asking(request_id=[str(n) for n in range(size)], **columns)).tolist()
    return found


def test_users_are_counted_for_the_query_and_popularity_breaks_ties() -> None:
    shares = [2 / 5, 4 / 5, 1 / 5]
    red, none, unknown, blank, nothing = scores(QueryCount(), query=["RED LAMP", "none", "sofa", "  ", None])
    assert red == pytest.approx([2 + shares[0], 1 + shares[1], shares[2]])
    assert none == pytest.approx([shares[0], 1 + shares[1], 1 + shares[2]])
    for answer in (unknown, blank, nothing):
        assert answer == pytest.approx(shares)


def ease(history: list[float], l2: float) -> list[float]:
    x = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float64)  # u, v, w
    precision = np.linalg.inv(x.T @ x + l2 * np.eye(3))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    found: list[float] = (np.array(history) @ weights).tolist()
    return found


def formula(count: list[int], user: list[float], own: list[float]) -> list[float]:
    users = [2, 4, 1]
    return [
        math.log((n + 0.1) / (users[item] + 10))
        + 2 * math.log(max(user[item], 0.001))
        + 0.5 * math.log(max(own[item], 0.001))
        for item, n in enumerate(count)
    ]


def test_counts_are_multiplied_with_what_suits_the_user() -> None:
    asked = scores(
        QueryCountEase(l2=2.0),
        user_id=["u", "u", "w", None, "stranger"],
        query=["red lamp", "none", "red lamp", "red lamp", "sofa"],
    )
    nobody = [2 / 3, 4 / 3, 1 / 3]  # users of each item, of three that have a name
    nothing = [0.0, 0.0, 0.0]
    assert asked[0] == pytest.approx(formula([2, 1, 0], ease([1, 1, 0], 2.0), ease([1, 0, 0], 2.0)), rel=1e-4)
    assert asked[1] == pytest.approx(formula([0, 1, 1], ease([1, 1, 0], 2.0), nothing), rel=1e-4)
    assert asked[2] == pytest.approx(formula([2, 1, 0], ease([0, 1, 1], 2.0), nothing), rel=1e-4)
    assert asked[3] == pytest.approx(formula([2, 1, 0], nobody, nothing), rel=1e-4)
    assert asked[4] == pytest.approx(formula([0, 0, 0], nobody, nothing), rel=1e-4)


def test_without_a_query_ease_is_served_and_without_a_user_popularity() -> None:
    user, nobody = scores(QueryCountEase(l2=2.0), user_id=["u", None], query=[None, None])
    assert user == pytest.approx(ease([1, 1, 0], 2.0), abs=1e-6)
    assert nobody == [2, 4, 1]


def test_what_a_user_did_for_the_query_is_history_though_it_is_not_fitted() -> None:
    late = events({"user_id": "x", "item_id": "a", "query": "sofa", "task": "search"})
    x, fitted = scores(QueryCountEase(l2=2.0), ROWS.vstack(late), user_id=["x", "w"], query=["Sofa", "sofa"])
    assert x == pytest.approx(formula([0, 0, 0], ease([1, 0, 0], 2.0), ease([1, 0, 0], 2.0)), rel=1e-4)
    assert fitted == pytest.approx(formula([0, 0, 0], ease([0, 1, 1], 2.0), [0.0, 0.0, 0.0]), rel=1e-4)
