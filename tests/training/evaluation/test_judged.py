from __future__ import annotations

import polars as pl
import pytest

from features.errors import DataError
from tests.training.evaluation.small_world import ALL, catalogue, events, judged
from training.evaluation.protocol import Protocol

ITEMS = catalogue("a", "b", "c", "d", countries=[None, ["DE"], None, ["KR"]])


def target_items(rows: pl.DataFrame, protocol: Protocol | None = None) -> list[tuple[int, str, float]]:
    found = judged(ITEMS, rows, protocol).targets
    rows = found.select("request", "number", "label").sort("request", "number")
    return [(request, ITEMS["item_id"][number], label) for request, number, label in rows.rows()]


def test_rows_of_one_request_are_one_request_with_the_context_of_its_first_row() -> None:
    rows = events(
        {"item_id": "a", "request_id": "r", "user_id": "u", "query": "x", "task": "search"},
        {"item_id": "b"},
        {"item_id": "c", "request_id": "r", "label": 3.0, "user_id": "other", "query": "y"},
    )
    found = judged(ITEMS, rows)
    assert target_items(rows) == [(0, "a", 1.0), (0, "c", 3.0), (1, "b", 1.0)]
    assert found.requests.select("task", "user_id", "query").rows() == [
        ("search", "u", "x"),
        ("recommendation", None, None),
    ]
    assert found.targets.sort("request")["task"].to_list() == ["search", "search", "recommendation"]


def test_an_item_twice_on_a_page_is_one_target_of_its_largest_label() -> None:
    rows = events({"item_id": "a", "request_id": "r", "label": 0.0}, {"item_id": "a", "request_id": "r", "label": 2.0})
    assert target_items(rows) == [(0, "a", 2.0)]


def test_what_the_user_engaged_with_before_is_no_target_in_the_tasks_named() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "split": "train", "task": "search", "query": "x"},
        {"item_id": "b", "user_id": "u", "split": "valid"},
        {"item_id": "c", "user_id": "u", "split": "train", "label": 0.0},
        *({"item_id": item, "user_id": "u"} for item in "abc"),
        {"item_id": "a", "user_id": "u", "task": "search"},
        {"item_id": "a", "user_id": "other"},
    )
    assert [item for _, item, _ in target_items(rows)] == ["c", "a", "a"]  # search keeps what was seen
    assert [item for _, item, _ in target_items(rows, Protocol(exclude_seen=ALL))] == ["c", "a"]
    assert [item for _, item, _ in target_items(rows, Protocol(exclude_seen=()))] == ["a", "b", "c", "a", "a"]


def test_valid_is_judged_with_train_alone() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "split": "train"},
        {"item_id": "b", "user_id": "u", "split": "test"},
        *({"item_id": item, "user_id": "u", "split": "valid"} for item in "ab"),
    )
    found = judged(ITEMS, rows, Protocol(split="valid"))
    assert target_items(rows, Protocol(split="valid")) == [(1, "b", 1.0)]
    assert found.history["item_id"].to_list() == ["a"]


def test_without_refit_valid_is_history_that_is_not_fitted() -> None:
    rows = events({"item_id": "a", "split": "train"}, {"item_id": "b", "split": "valid"}, {"item_id": "c"})
    found = judged(ITEMS, rows, Protocol(refit=False))
    assert found.fitted["item_id"].to_list() == ["a"]
    assert found.history["item_id"].to_list() == ["a", "b"]


def test_what_may_not_be_served_is_no_target() -> None:
    rows = events(
        {"item_id": "b", "country": "DE"},
        {"item_id": "b", "country": "KR"},
        {"item_id": "b"},
        {"item_id": "a", "source_item_id": "a", "task": "similar"},
        {"item_id": "a", "source_item_id": "b", "task": "similar"},
    )
    assert target_items(rows) == [(0, "b", 1.0), (2, "b", 1.0), (4, "a", 1.0)]


def test_requests_of_the_same_context_share_it_and_users_are_clusters() -> None:
    rows = events(
        {"item_id": "a", "user_id": "u", "query": "x"},
        {"item_id": "b", "user_id": "u", "query": "x"},
        {"item_id": "b", "user_id": "u", "query": "y"},
        {"item_id": "b", "query": "x"},
        {"item_id": "c", "query": "x"},
        {"item_id": "c"},
        {"item_id": "d"},
    )
    found = judged(ITEMS, rows)
    assert found.requests["context"].to_list() == [0, 0, 1, 2, 2, 3, 3]
    cluster = found.requests["cluster"].to_list()
    assert cluster[0] == cluster[1] == cluster[2]
    assert cluster[3] == cluster[4]
    assert len(set(cluster)) == 4  # the user, the query, and two requests that have neither
    assert found.contexts.select("request_id", "user_id", "query").rows() == [
        ("0", "u", "x"),
        ("1", "u", "y"),
        ("2", None, "x"),
        ("3", None, None),
    ]


def test_only_requests_with_a_zero_are_impressions() -> None:
    rows = events(
        {"item_id": "a", "request_id": "r"},
        {"item_id": "b", "request_id": "r", "label": 0.0},
        {"item_id": "a"},
        {"item_id": "b", "label": 0.0},
    )
    found = judged(ITEMS, rows)
    assert found.shown.select("request", "item_id", "label").rows() == [(0, "a", 1.0), (0, "b", 0.0), (2, "b", 0.0)]


def test_a_split_without_targets_and_judgments_says_so() -> None:
    rows = events({"item_id": "a", "split": "train"}, {"item_id": "a", "label": 0.0})
    with pytest.raises(DataError, match="split 'test' has no row with label > 0, and no judgments"):
        judged(ITEMS, rows)


def test_a_target_that_is_not_in_items_is_named() -> None:
    with pytest.raises(DataError, match=r"events: 1 of 2 judged rows name items that are not in items, e\.g\. 'ghost'"):
        judged(ITEMS, events({"item_id": "a"}, {"item_id": "ghost"}))


def test_judgments_without_a_split_belong_to_the_one_that_is_judged() -> None:
    table = pl.DataFrame(
        {"query": ["x"] * 3, "item_id": ["a", "b", "c"], "relevance": [1, 2, 3], "split": [None, "test", "train"]}
    )
    found = judged(ITEMS, events({"item_id": "a", "split": "train"}), judgments=table)
    assert found.judgments["item_id"].to_list() == ["a", "b"]
    assert found.smallest_grade == 1.0


@pytest.mark.parametrize("change", [{"split": "train"}, {"k": ()}, {"k": (0, 5)}, {"resamples": 0}, {"block": 0}])
def test_a_protocol_that_cannot_be_followed_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match=next(iter(change))):
        Protocol(**change)  # type: ignore[arg-type]
