from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.exposure import gini
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue(*"abcd")
ROWS = events(
    *({"item_id": "a", "user_id": user, "split": "train"} for user in "uvw"),
    {"item_id": "a", "user_id": "u", "split": "train"},  # again: still three users
    {"item_id": "b", "user_id": "u", "split": "train"},
    {"item_id": "b", "split": "train"},  # without a user: a fourth person
    {"item_id": "c", "user_id": "v", "task": "search"},
    {"item_id": "c", "user_id": "v", "task": "search"},
    {"item_id": "c", "user_id": "w", "task": "search"},
)
LISTS = {"v": "abc", "w": ""}


def metrics(task: str = "search", k: tuple[int, ...] = (1, 2)) -> dict[str, dict[str, float]]:
    protocol = Protocol(k=k, resamples=100)
    contender = Contender("ours", serving(lambda request: LISTS[request["user_id"]]))
    found: dict[str, dict[str, float]] = judge([contender], judged(ITEMS, ROWS, protocol), protocol)["rankers"]["ours"][
        "tasks"
    ][task]["metrics"]
    return found


def test_novelty_is_the_self_information_of_what_is_served() -> None:
    found = metrics()
    assert found["novelty_at_1"]["value"] == pytest.approx(math.log2(4 / 3))  # w is served nothing, and counts for none
    assert found["novelty_at_2"]["value"] == pytest.approx((math.log2(4 / 3) + math.log2(4 / 2)) / 2)


def test_an_item_that_nobody_has_is_as_novel_as_one_of_a_single_user() -> None:
    found = metrics(k=(3,))
    assert found["novelty_at_3"]["value"] == pytest.approx((math.log2(4 / 3) + math.log2(4 / 2) + math.log2(4 / 1)) / 3)


def test_popularity_is_the_mean_logarithm_of_users() -> None:
    assert metrics()["log_popularity_at_2"]["value"] == pytest.approx((math.log(1 + 3) + math.log(1 + 2)) / 2)


def test_coverage_and_gini_count_requests() -> None:
    found = metrics()
    assert found["coverage_at_2"] == {"value": 2 / 4}
    assert found["gini_at_1"] == {"value": 3 / 4}  # one of four items has both places
    assert found["gini_at_2"] == {"value": 1 / 2}  # two of four have two places each


def test_a_request_with_an_empty_list_has_no_novelty_and_spoils_none() -> None:
    found = metrics()
    assert found["novelty_at_1"]["low"] == pytest.approx(found["novelty_at_1"]["high"])  # that of v alone


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
def test_gini_is_the_mean_difference_of_pairs(counts: list[int]) -> None:
    pairs = [abs(one - other) for one in counts for other in counts]
    expected = sum(pairs) / (2 * len(counts) * sum(counts))
    assert gini(np.array(counts)) == pytest.approx(expected)
