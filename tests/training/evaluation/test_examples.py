from __future__ import annotations

import json

from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue(*"abcdefgh", title=["Anvil", "Bell", "Chair", None, "Easel", "Fan", "Gong", "Harp"])
ROWS = events(
    *({"item_id": item, "task": "search", "query": f"the {item}"} for item in "abcdefg"),
    {"item_id": "b", "user_id": "u", "task": "similar", "source_item_id": "c"},
    {"item_id": "h", "user_id": "u", "task": "similar", "source_item_id": "c", "request_id": None},
)
LISTS = {
    "the a": "ab",
    "the b": "b",
    "the c": "ac",
    "the d": "abcd",
    "the e": "e",
    "the f": "a",
    "the g": "b",
    None: "gb",
}
PROTOCOL = Protocol(k=(1, 10), resamples=10)
CONTENDER = Contender("ours", serving(lambda request: LISTS[request["query"]]))


def test_the_best_and_the_worst_are_shown_with_titles() -> None:
    found = judge([CONTENDER], judged(ITEMS, ROWS), PROTOCOL)["examples"]
    search = found["search"]
    assert [example["kind"] for example in search] == ["good"] * 3 + ["bad"] * 3
    assert {example["request"]["query"] for example in search[:3]} == {"the a", "the b", "the e"}
    assert {example["request"]["query"] for example in search[3:]} == {"the d", "the f", "the g"}
    first = next(example for example in search if example["request"]["query"] == "the a")
    assert first["ndcg_at_10"] == 1.0
    assert first["targets"] == [{"item_id": "a", "title": "Anvil", "rank": 1}]
    assert [(row["rank"], row["title"], row["target"]) for row in first["served"]] == [
        (1, "Anvil", True),
        (2, "Bell", False),
    ]
    worst = next(example for example in search if example["request"]["query"] == "the f")
    assert worst["targets"] == [{"item_id": "f", "title": "Fan", "rank": None}]
    assert json.loads(json.dumps(found)) == found


def test_a_source_item_has_its_title_and_requests_of_one_context_are_shown_once() -> None:
    similar = judge([CONTENDER], judged(ITEMS, ROWS), PROTOCOL)["examples"]["similar"]
    assert len(similar) == 1
    assert similar[0]["request"] == {
        "task": "similar",
        "user_id": "u",
        "source_item_id": "c",
        "source_title": "Chair",
    }


def test_nothing_but_misses_has_no_good_example() -> None:
    contender = Contender("ours", serving(lambda request: "h"))
    found = judge([contender], judged(ITEMS, ROWS[:7]), PROTOCOL)["examples"]["search"]
    assert [example["kind"] for example in found] == ["bad"] * 3
