from __future__ import annotations

import io
import json
import math

import polars as pl
import pytest
from rich.console import Console

from features.errors import DataError
from tests.training.evaluation.small_world import catalogue, events, judged, scoring, serving
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol, Seeds
from training.evaluation.table import print_evaluation

ITEMS = catalogue(*"abcdef")
ROWS = events(
    *({"item_id": "a", "user_id": f"u{n}", "split": "train"} for n in range(4)),
    *({"item_id": "b", "user_id": f"u{n}"} for n in range(4)),
    {"item_id": "a", "user_id": "u0"},  # seen
    {"item_id": "c", "user_id": "u0", "request_id": "page", "task": "search", "query": "x"},
    {"item_id": "d", "user_id": "u0", "request_id": "page", "task": "search", "query": "x"},
    {"item_id": "e", "user_id": "u0", "request_id": "page", "task": "search", "query": "x", "label": 0.0},
)
GOOD = Contender("good", serving(lambda request: "bcd"), scoring(lambda item: float(item in "bcd")))
BAD = Contender("bad", serving(lambda request: "efb" if request["user_id"] == "u0" else "ef"))
PROTOCOL = Protocol(k=(1, 10, 20), resamples=200)


def test_the_file_of_the_contract() -> None:
    found = judge([GOOD, BAD], judged(ITEMS, ROWS), PROTOCOL, data_hash="abc", model_id="m-1")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["protocol"] == {
        "split": "test",
        "candidates": "catalogue",
        "exclude_seen": ["recommendation", "similar", "presearch"],
        "k": [1, 10, 20],
        "seed": 0,
    }
    assert (found["data"], found["model"]) == ({"hash": "abc"}, {"id": "m-1"})
    node = found["rankers"]["good"]["tasks"]["recommendation"]
    assert (node["requests"], node["requests_without_target"], node["ties"]) == (4, 1, 0.0)
    assert node["metrics"]["recall_at_1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert node["metrics"]["coverage_at_1"] == {"value": 1 / 6}
    assert node["slices"]["item:cold"]["requests"] == 4
    assert node["slices"]["item:cold"]["metrics"]["hit_at_1"]["value"] == 1.0
    search = found["rankers"]["good"]["tasks"]["search"]
    assert search["metrics"]["ndcg_at_10"]["value"] == pytest.approx(
        (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3))
    )
    assert search["impressions"]["rows"] == 3
    assert search["impressions"]["metrics"]["gauc"]["value"] == 1.0
    assert found["rankers"]["bad"]["tasks"]["search"]["impressions"] == {"rows": 0, "metrics": {}}


def test_values_lie_within_their_intervals() -> None:
    found = judge([BAD], judged(ITEMS, ROWS), PROTOCOL)
    for node in found["rankers"]["bad"]["tasks"].values():
        for part in (node, *node["slices"].values()):
            for name, entry in part["metrics"].items():
                if not name.startswith(("coverage", "gini")):
                    assert 0 <= entry["low"] <= entry["value"] <= entry["high"]
                if not name.startswith(("novelty", "log_popularity")):
                    assert entry["value"] <= entry.get("high", 1.0) <= 1


def test_comparisons_are_paired_differences_from_the_first_ranker() -> None:
    rows = judge([GOOD, BAD], judged(ITEMS, ROWS), PROTOCOL)["comparisons"]
    assert [(row["task"], row["metric"], row["a"], row["b"]) for row in rows] == [
        (task, metric, "good", "bad")
        for task in ("recommendation", "search")
        for metric in ("ndcg_at_10", "recall_at_20")
    ]
    recall = rows[1]
    assert recall["difference"] == pytest.approx((3 * 1 + 0) / 4)
    assert 0 <= recall["low"] <= recall["difference"] <= recall["high"] <= 1
    assert all(0 < row["p_holm"] <= 1 for row in rows)


def test_a_ranker_is_judged_alike_beside_others_and_alone() -> None:
    together = judge([GOOD, BAD], judged(ITEMS, ROWS), PROTOCOL)["rankers"]["bad"]
    alone = judge([BAD], judged(ITEMS, ROWS), PROTOCOL)["rankers"]["bad"]
    for node in alone["tasks"].values():
        del node["hidden"]  # what a missing field costs is asked of the first ranker only
    assert alone == together


def test_metrics_are_compared_only_where_their_k_is_judged() -> None:
    rows = judge([GOOD, BAD], judged(ITEMS, ROWS), Protocol(k=(10,), resamples=20))["comparisons"]
    assert {row["metric"] for row in rows} == {"ndcg_at_10"}


def test_the_compared_metrics_can_be_named() -> None:
    protocol = Protocol(k=(1, 10), metrics=("mrr", "hit_at_1"), resamples=20)
    rows = judge([GOOD, BAD], judged(ITEMS, ROWS), protocol)["comparisons"]
    assert [row["metric"] for row in rows] == ["mrr", "hit_at_1"] * 2
    with pytest.raises(DataError, match=r"'ndcg_at_3' is not known at these cut-offs\. Choose from recall_at_1, "):
        Protocol(k=(1, 10), metrics=("ndcg_at_3",))


def test_a_task_whose_targets_were_all_seen_is_counted_and_not_scored() -> None:
    rows = events({"item_id": "a", "user_id": "u", "split": "train"}, {"item_id": "a", "user_id": "u"})
    found = judge([GOOD, BAD], judged(ITEMS, rows), PROTOCOL)
    node = found["rankers"]["good"]["tasks"]["recommendation"]
    assert (node["requests"], node["requests_without_target"]) == (0, 1)
    assert (node["metrics"], node["slices"]) == ({}, {})
    assert found["comparisons"] == []


def test_names_must_be_distinct() -> None:
    with pytest.raises(DataError, match="distinct"):
        judge([GOOD, GOOD], judged(ITEMS, ROWS), PROTOCOL)


def test_progress_is_told_of_every_block() -> None:
    calls: list[tuple[str, int, int]] = []
    judge(
        [GOOD],
        judged(ITEMS, ROWS),
        Protocol(block=2, resamples=5),
        progress=lambda name, done, total: calls.append((name, done, total)),
    )
    assert calls == [("good", 2, 5), ("good", 4, 5), ("good", 5, 5)]


def test_the_table_shows_figures_with_their_intervals() -> None:
    text = io.StringIO()
    print_evaluation(judge([GOOD, BAD], judged(ITEMS, ROWS), PROTOCOL), Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    assert any("recommendation: 4 requests, 1 without a target" in line for line in lines)
    assert any("recall_at_20" in line and "1.000 [1.000, 1.000]" in line for line in lines)
    assert any("good − bad" in line for line in lines)


def test_runs_of_several_seeds_are_folded() -> None:
    one, two = (Contender("run", serving(lists)) for lists in (lambda request: "bcd", lambda request: "eb"))
    found = judge([Seeds("ours", (one, two)), BAD], judged(ITEMS, ROWS), PROTOCOL)
    node = found["rankers"]["ours"]["tasks"]["recommendation"]
    assert node["requests"] == 4
    assert node["metrics"]["ndcg_at_10"]["value"] == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert node["seeds"]["hit_at_1"] == {"values": [1.0, 0.0], "spread": pytest.approx(math.sqrt(1 / 2))}
    assert node["curve"]["recall"][:2] == [0.5, 1.0]
    assert node["metrics"]["coverage_at_1"] == {"value": 1 / 6}  # b alone, and e alone
    row = next(row for row in found["comparisons"] if (row["task"], row["metric"]) == ("recommendation", "ndcg_at_10"))
    bad = found["rankers"]["bad"]["tasks"]["recommendation"]["metrics"]["ndcg_at_10"]["value"]
    assert row["difference"] == pytest.approx(node["metrics"]["ndcg_at_10"]["value"] - bad)
    assert "examples" not in found


def test_the_same_run_twice_is_that_run_without_spread() -> None:
    alone = judge([GOOD], judged(ITEMS, ROWS), PROTOCOL)["rankers"]["good"]["tasks"]["search"]
    twice = judge([Seeds("good", (GOOD, GOOD))], judged(ITEMS, ROWS), PROTOCOL)["rankers"]["good"]["tasks"]["search"]
    assert twice["metrics"] == alone["metrics"]
    assert {entry["spread"] for entry in twice["seeds"].values()} == {0.0}


def test_a_ranker_of_one_task_is_asked_and_judged_in_it_alone() -> None:
    asked: set[str] = set()

    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        asked.update(requests["task"])
        return serving(lambda request: "cd")(requests, depth)

    found = judge([GOOD, Contender("twin", rank, tasks=("search",))], judged(ITEMS, ROWS), PROTOCOL)
    assert asked == {"search"}
    assert set(found["rankers"]["good"]["tasks"]) == {"search", "recommendation"}
    assert set(found["rankers"]["twin"]["tasks"]) == {"search"}
    assert {row["task"] for row in found["comparisons"]} == {"search"}


def test_many_rankers_are_rows_that_fit_a_terminal() -> None:
    text = io.StringIO()
    names = ("popularity", "bm25", "query-count-ease", "lambdarank")
    found = judge([GOOD, *(BAD._replace(name=name) for name in names)], judged(ITEMS, ROWS), PROTOCOL)
    print_evaluation(found, Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    assert any(line.split()[:3] == ["query-count-ease", "0.125", "0.125"] for line in lines)  # b third for u0 alone
    assert any(line.split()[:2] == ["good", "1.000"] for line in lines)
