from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from tests.training.evaluation.small_world import catalogue, events, judged, scoring, serving
from training.evaluation import judgments
from training.evaluation.judge import judge
from training.evaluation.judged import Judged
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue("a", "b", "c", "d")
TRAIN = events({"item_id": "a", "split": "train"})
TABLE = pl.DataFrame(
    {
        "query": ["x", "x", "x", "flat", "flat", "other"],
        "item_id": ["a", "b", "c", "a", "b", "d"],
        "relevance": [3.0, 2.0, 1.5, 3.0, 3.0, 1.0],
        "split": ["test"] * 5 + ["train"],
    }
)
SCORE = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 0.0}


def judge_judgments(contender: Contender, data: Judged, protocol: Protocol) -> dict[str, Any]:
    nodes, differences = judgments.judge_judgments({"ours": (contender,)}, data, protocol)
    assert differences == []
    return nodes["ours"]


def contender() -> Contender:
    return Contender("ours", serving(lambda request: ""), scoring(SCORE.__getitem__))


def test_gains_count_from_the_smallest_grade_of_the_whole_scale() -> None:
    found = judge_judgments(contender(), judged(ITEMS, TRAIN, judgments=TABLE), Protocol(k=(2, 10), resamples=20))
    assert found["requests"] == 1  # "flat" has one grade, "other" is in train
    ideal = 2 + 1 / math.log2(3)
    assert found["metrics"]["ndcg_at_2"]["value"] == pytest.approx((1 + 0.5 / math.log2(3)) / ideal)
    assert found["metrics"]["ndcg_at_10"]["value"] == pytest.approx(
        (1 + 0.5 / math.log2(3) + 2 / 2) / (ideal + 0.5 / 2)
    )


def test_they_are_requests_of_the_configured_task() -> None:
    asked = []

    def score(requests: pl.DataFrame) -> pl.DataFrame:
        asked.append(requests.select("task", "query", "candidates").rows())
        return scoring(SCORE.__getitem__)(requests)

    data = judged(ITEMS, TRAIN, judgments=TABLE)
    judge_judgments(contender()._replace(score=score), data, Protocol(resamples=5))
    judge_judgments(contender()._replace(score=score), data, Protocol(resamples=5, judgment_task="presearch"))
    assert asked == [[("search", "x", ["a", "b", "c"])], [("presearch", "x", ["a", "b", "c"])]]


def test_an_item_judged_twice_has_the_mean_of_its_grades() -> None:
    table = pl.DataFrame({"query": ["x"] * 4, "item_id": ["a", "a", "b", "c"], "relevance": [0, 2, 1, 0]})
    data = judged(ITEMS, TRAIN, judgments=table)
    found = judge_judgments(contender(), data, Protocol(k=(10,), resamples=5))
    expected = (1 + 0 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert found["metrics"]["ndcg_at_10"]["value"] == pytest.approx(expected)


def test_judgments_alone_are_enough() -> None:
    found = judge([contender()], judged(ITEMS, TRAIN, judgments=TABLE), Protocol(resamples=5))
    assert found["rankers"]["ours"]["tasks"] == {}
    assert "ndcg_at_10" in found["rankers"]["ours"]["judgments"]["metrics"]


def test_without_judgments_or_a_score_function_nothing_is_judged() -> None:
    nothing = {"requests": 0, "metrics": {}}
    assert judge_judgments(contender(), judged(ITEMS, events({"item_id": "a"})), Protocol()) == nothing
    data = judged(ITEMS, TRAIN, judgments=TABLE)
    assert judge_judgments(contender()._replace(score=None), data, Protocol()) == nothing


def test_two_rankers_are_compared_on_the_same_queries() -> None:
    table = pl.DataFrame({"query": list("xxxyy"), "item_id": list("abcab"), "relevance": [3.0, 2.0, 1.0, 3.0, 1.0]})
    data = judged(ITEMS, TRAIN, judgments=table)
    right, wrong = {"a": 2.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 1.0, "c": 2.0}
    best = Contender("best", serving(lambda request: ""), scoring(right.__getitem__))
    worst = Contender("worst", serving(lambda request: ""), scoring(wrong.__getitem__))
    found = judge([best, worst], data, Protocol(resamples=50))
    rankers, rows = found["rankers"], found["comparisons"]
    x = (1 / math.log2(3) + 2 / 2) / (2 + 1 / math.log2(3))  # gains 0, 1, 2 in this order; ideal 2, 1
    y = 1 / math.log2(3)
    assert rankers["best"]["judgments"]["metrics"]["ndcg_at_10"]["value"] == 1.0
    assert [(row["task"], row["metric"], row["a"], row["b"]) for row in rows] == [
        ("judgments", "ndcg_at_10", "best", "worst")
    ]
    assert rows[0]["difference"] == pytest.approx(1 - (x + y) / 2)
