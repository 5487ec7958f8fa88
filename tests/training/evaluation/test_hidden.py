from __future__ import annotations

import math
from typing import Any

import pytest

from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue(*"abcde", countries=[None, None, None, None, ["KR"]])
ROWS = events(
    {"item_id": "a", "user_id": "u", "split": "train"},
    {"item_id": "b", "user_id": "u", "country": "DE"},
    {"item_id": "c", "user_id": "new"},
    {"item_id": "c", "user_id": "u", "task": "search", "query": "x"},
    {"item_id": "d", "task": "search", "query": "y"},
    {"item_id": "d", "user_id": "u", "task": "similar", "source_item_id": "c"},
)
PROTOCOL = Protocol(k=(1, 10, 20), resamples=100)


def hidden(
    lists: Any, without_history: Any = None, protocol: Protocol = PROTOCOL
) -> dict[str, dict[str, dict[str, Any]]]:
    contender = Contender("ours", serving(lists), without_history=without_history)
    tasks = judge([contender], judged(ITEMS, ROWS, protocol), protocol)["rankers"]["ours"]["tasks"]
    return {task: node.get("hidden", {}) for task, node in tasks.items()}


def test_a_hidden_query_costs_what_it_was_worth() -> None:
    lists = {"x": "cd", "y": "d", None: "bdc"}
    found = hidden(lambda request: "d" if request["task"] == "similar" else lists[request["query"]])["search"]["query"]
    assert found["requests"] == 2
    ndcg = found["metrics"]["ndcg_at_10"]
    assert ndcg["told"] == 1.0
    without = (1 / math.log2(4) + 1 / math.log2(3)) / 2  # c comes third now, d second
    assert ndcg["hidden"] == pytest.approx(without)
    assert ndcg["difference"] == pytest.approx(without - 1.0)
    assert ndcg["low"] <= ndcg["difference"] <= ndcg["high"]


def test_only_requests_that_have_the_field_are_asked() -> None:
    found = hidden(lambda request: "bd")
    assert {task: set(fields) for task, fields in found.items()} == {
        "recommendation": {"user", "country"},
        "search": {"user", "query"},
        "similar": {"user", "source_item"},
    }
    assert found["recommendation"]["user"]["requests"] == 2
    assert found["recommendation"]["country"]["requests"] == 1
    assert found["search"]["user"]["requests"] == 1


def test_what_is_no_candidate_is_ruled_out_by_what_the_request_told() -> None:
    """Who is asked without user, source and country serves what was seen, the source, and what is barred."""

    def lists(request: dict[str, Any]) -> str:
        missing = "aeb" if request["country"] is None or request["user_id"] is None else "b"
        if request["task"] == "similar":
            missing = "cad" if request["source_item_id"] is None else "d"
        return missing if request["user_id"] != "new" else "c"

    found = hidden(lists)
    assert (
        found["recommendation"]["country"]["metrics"]["ndcg_at_10"]["hidden"] == 1.0
    )  # a is seen, e barred: b is first
    user = found["recommendation"]["user"]["metrics"]["ndcg_at_10"]
    assert user["told"] == 1.0
    assert user["hidden"] == pytest.approx(1 / 2)  # b is first for u; c is not served to the other
    assert found["similar"]["source_item"]["metrics"]["ndcg_at_10"]["hidden"] == 1.0  # c is the source, a is seen


def test_the_history_is_hidden_by_a_ranker_without_it_from_those_who_have_one() -> None:
    found = hidden(lambda request: "bd", serving(lambda request: "db"))
    assert found["recommendation"]["history"]["requests"] == 1  # the new user has none to hide
    assert found["recommendation"]["history"]["metrics"]["ndcg_at_10"]["hidden"] == pytest.approx(1 / math.log2(3))
    assert "history" not in hidden(lambda request: "bd")["recommendation"]


def test_at_most_so_many_requests_of_a_task_are_asked() -> None:
    found = hidden(lambda request: "bd", protocol=Protocol(k=(10,), resamples=10, hidden=1))
    assert found["recommendation"]["user"]["requests"] == 1
    assert hidden(lambda request: "bd", protocol=Protocol(k=(10,), resamples=10, hidden=0))["search"] == {}


def test_lists_too_short_for_the_metrics_are_not_asked_again() -> None:
    assert hidden(lambda request: "bd", protocol=Protocol(k=(5,), resamples=10))["search"] == {}


def test_a_user_who_has_seen_much_is_not_judged_on_a_short_list() -> None:
    """The best 300 are what the user has seen; the target is the best of the others, told or hidden."""
    names = [f"i{number:03}" for number in range(320)]
    rows = events(
        *({"item_id": name, "user_id": "u", "split": "train"} for name in names[:300]),
        {"item_id": "i300", "user_id": "u"},
    )

    def lists(request: dict[str, Any]) -> list[str]:
        return names[300:] if request["user_id"] else names

    data, protocol = judged(catalogue(*names), rows), Protocol(k=(10, 20), resamples=10)
    found = judge([Contender("ours", serving(lists))], data, protocol)["rankers"]["ours"]["tasks"]
    assert found["recommendation"]["hidden"]["user"]["metrics"]["ndcg_at_10"]["hidden"] == 1.0
