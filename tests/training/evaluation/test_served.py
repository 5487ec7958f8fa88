from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from features.errors import DataError
from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.protocol import Contender, Protocol
from training.evaluation.served import Outcome, serve

ITEMS = catalogue("a", "b", "c", "d")
ROWS = events(
    {"item_id": "d", "user_id": "u", "split": "train"},
    {"item_id": "a", "user_id": "u"},
    {"item_id": "b", "user_id": "u"},
    {"item_id": "b", "user_id": "v"},
    {"item_id": "a", "user_id": "v", "source_item_id": "c", "task": "similar"},
)


def outcome(rank: Callable[[pl.DataFrame, int], pl.DataFrame], protocol: Protocol | None = None) -> Outcome:
    protocol = protocol or Protocol(k=(1, 3))
    return serve(Contender("ours", rank), judged(ITEMS, ROWS, protocol), protocol, lambda name, done, total: None)


def test_ranks_of_targets_and_what_lists_expose() -> None:
    lists = {("recommendation", "u"): "cba", ("recommendation", "v"): "ad", ("similar", "v"): "ba"}
    found = outcome(serving(lambda request: lists[request["task"], request["user_id"]]))
    assert list(found.target_rank) == [3, 2, 0, 2]
    # two requests of u share their list, and each counts: a, b, c, d are shown 1, 0, 2, 0 times first
    recommendation, similar = (found.exposure.spread[task] for task in ("recommendation", "similar"))
    assert recommendation["coverage_at_1"] == {"value": 2 / 4}
    assert recommendation["gini_at_1"] == {"value": (-3 * 0 - 1 * 0 + 1 * 1 + 3 * 2) / (4 * 3)}
    assert recommendation["coverage_at_3"] == {"value": 4 / 4}
    assert similar["coverage_at_1"] == {"value": 1 / 4}
    assert similar["gini_at_3"] == {"value": 2 / 4}  # a and b once each, c and d never


def test_equal_requests_are_ranked_once_and_blocks_change_nothing() -> None:
    asked: list[int] = []

    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        asked.append(len(requests))
        return serving(lambda request: "abc" if request["task"] == "recommendation" else "ab")(requests, depth)

    whole = outcome(rank)
    assert asked == [3]
    assert list(outcome(rank, Protocol(k=(1, 3), block=1)).target_rank) == list(whole.target_rank)
    assert asked == [3, 1, 1, 1]


def test_requests_are_all_that_a_ranker_is_told() -> None:
    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        assert depth == 3
        assert requests.columns == ["request_id", "task", "user_id", "query", "country", "source_item_id"]
        assert set(requests.dtypes) == {pl.String}
        return serving(lambda request: "")(requests, depth)

    assert not outcome(rank).target_rank.any()


def test_equal_scores_in_a_served_list_are_noted() -> None:
    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        answer = serving(lambda request: "ab")(requests, depth)
        return answer.with_columns(pl.when(pl.col("request_id") == "0").then(0.0).otherwise("score").alias("score"))

    assert list(outcome(rank).tied) == [True, True, False, False]  # the first two requests share a context


def changed(**columns: pl.Expr | object) -> Callable[[pl.DataFrame, int], pl.DataFrame]:
    """Return a ranker whose first row is wrong in the given columns."""
    first = pl.int_range(pl.len()) == 0

    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        answer = serving(lambda request: "ab")(requests, depth)
        return answer.with_columns(
            pl.when(first).then(pl.lit(value)).otherwise(name).alias(name) for name, value in columns.items()
        )

    return rank


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        (changed(item_id="ghost"), "serves an item that is not in items: 1 of 6 rows, e.g. task 'recommendation'"),
        (changed(item_id="b"), "serves an item twice for a request"),
        (changed(score=float("nan")), "gives a score that is not a finite number"),
        (changed(score=float("-inf")), "gives a score that is not a finite number"),
        (changed(score=None), "gives a score that is not a finite number"),
        (changed(request_id="99"), "answers a request that it was not given"),
        (changed(rank=3), "skips or repeats a rank"),
        (changed(item_id="d"), "serves an item that exclude_seen rules out"),
        (serving(lambda request: "abc"), "serves the source item of a request"),
        (lambda requests, depth: serving(lambda request: "abcd")(requests, 9), "more than the 3 items"),
        (
            lambda requests, depth: serving(lambda request: "ab")(requests, depth).drop("score"),
            "its answer lacks score",
        ),
    ],
)
def test_a_wrong_answer_is_refused_by_the_name_of_the_ranker(
    rank: Callable[[pl.DataFrame, int], pl.DataFrame], message: str
) -> None:
    with pytest.raises(DataError, match=f"ranker 'ours'.*{message}") as caught:
        outcome(rank)
    assert "\n" not in str(caught.value)
