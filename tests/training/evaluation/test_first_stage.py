from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from features.errors import DataError
from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue(*"abcd")
ROWS = events(
    {"item_id": "a", "user_id": "u", "request_id": "page"},
    {"item_id": "b", "user_id": "u", "request_id": "page"},
    {"item_id": "a", "user_id": "v"},
    {"item_id": "c", "user_id": "w"},
    {"item_id": "c", "user_id": "w", "task": "search", "query": "x"},
)
PROTOCOL = Protocol(k=(1, 10), resamples=100, block=2)


def ceilings(lists: dict[str, str]) -> dict[str, Any]:
    def candidates(requests: pl.DataFrame) -> pl.DataFrame:
        rows = [
            (request, item) for request, user in requests.select("request_id", "user_id").rows() for item in lists[user]
        ]
        return pl.DataFrame(rows, schema={"request_id": pl.String, "item_id": pl.String}, orient="row")

    contender = Contender("ours", serving(lambda request: "a"), candidates=candidates)
    tasks = judge([contender], judged(ITEMS, ROWS, PROTOCOL), PROTOCOL)["rankers"]["ours"]["tasks"]
    return {task: node["ceiling"] for task, node in tasks.items()}


def test_the_share_of_targets_among_the_candidates() -> None:
    found = ceilings({"u": "ac", "v": "dab", "w": ""})
    assert found["recommendation"]["candidates"] == pytest.approx((2 + 3 + 0) / 3)
    recall = found["recommendation"]["recall"]
    assert recall["value"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert recall["low"] <= recall["value"] <= recall["high"]
    assert found["search"] == {"candidates": 0.0, "recall": {"value": 0.0, "low": 0.0, "high": 0.0}}


def test_all_items_as_candidates_miss_nothing() -> None:
    found = ceilings(dict.fromkeys("uvw", "abcd"))
    assert found["recommendation"]["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["search"]["candidates"] == 4.0


def test_a_ranker_that_tells_no_candidates_has_no_ceiling() -> None:
    tasks = judge([Contender("ours", serving(lambda request: "a"))], judged(ITEMS, ROWS), PROTOCOL)["rankers"]["ours"]
    assert all("ceiling" not in node for node in tasks["tasks"].values())


def test_a_candidate_twice_is_refused() -> None:
    with pytest.raises(DataError, match="ranker 'ours' lists a candidate twice"):
        ceilings({"u": "aa", "v": "a", "w": "a"})
