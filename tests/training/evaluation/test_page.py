"""The evaluation as an HTML page."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.evaluation.page_reader import Reader
from tests.training.evaluation.small_world import catalogue, events, judged, serving
from tests.training.evaluation.test_oracle import write_oracle
from tests.training.evaluation.whole_evaluation import NASTY, whole_evaluation
from training.evaluation.judge import judge
from training.evaluation.oracle import read_oracle
from training.evaluation.page import evaluation_page
from training.evaluation.pages.markup import Html, element
from training.evaluation.pages.reading import Reading
from training.evaluation.protocol import Contender, Protocol

PROTOCOL = Protocol(k=(1, 10, 20), resamples=50)


@pytest.fixture
def evaluation(tmp_path: Path) -> dict[str, Any]:
    """Two users search for b and d; a third task has nothing but what its user knows."""
    rows = events(
        {"item_id": "a", "user_id": "u", "split": "train"},
        {"item_id": "b", "user_id": "u", "request_id": "r", "task": "search", "country": "DE"},
        {"item_id": "d", "user_id": "v", "request_id": "s", "task": "search"},
        {"item_id": "b", "user_id": "v", "request_id": "t", "task": "similar", "source_item_id": "a"},
        {"item_id": "a", "user_id": "u", "request_id": "x"},
    )
    found = judged(catalogue(*"abcd"), rows, PROTOCOL)
    oracle = read_oracle(write_oracle(tmp_path, r="b", s="d", t="b", x="a"), found, PROTOCOL)
    names = {"unicorn": "bcd", "popularity": "cbd", "bm25": "cdb"}
    contenders = [Contender(name, serving(lambda request, order=order: order)) for name, order in names.items()]
    return judge(contenders, found, PROTOCOL, oracle=oracle)


def read(evaluation: dict[str, Any]) -> Reader:
    return Reader(evaluation_page("A page", Html(), evaluation, {}))


def test_the_page_tells_every_task_of_what_the_judge_returns(evaluation: dict[str, Any]) -> None:
    page = Reader(evaluation_page("A page", element("p", "lead"), evaluation, {"search": element("p", "shown beside")}))
    sections = [attributes.get("id") for tag, attributes in page.seen if tag == "section"]
    assert [name for name in sections if name] == ["recommendation", "search", "similar"]
    for told in (
        "lead",
        "shown beside",
        "item cold",
        "country DE",
        "Slices of search by country (1)",
        "oracle (truth)",
    ):
        assert told in page.told
    assert "0 requests; of 1 more, nothing that may be served was engaged with, so they are not scored." in page.told
    assert "unicorn minus each baseline, NDCG@10 of search" in page.charts


def test_the_best_baseline_and_the_share_are_those_of_the_evaluation(evaluation: dict[str, Any]) -> None:
    share = evaluation["oracle"]["covered"]["search"]["ndcg_at_10"]
    told = read(evaluation).told
    assert f"unicorn covers {round(100 * share['value'])} %".replace("-", "−") in told
    assert f"of the distance from {share['best']}, the best baseline, to the oracle" in told


def test_a_page_without_an_oracle_and_without_baselines(evaluation: dict[str, Any]) -> None:
    del evaluation["oracle"]
    evaluation["rankers"] = {"unicorn": evaluation["rankers"]["unicorn"]}
    evaluation["comparisons"] = []
    page = read(evaluation)
    assert "oracle" not in page.told
    assert "baseline" not in page.told
    assert "p is of no difference" not in page.told
    assert [trace["x"] for trace in page.charts["NDCG@10 of similar"]["data"]] == [[1.0]]


def test_the_page_needs_nothing_from_elsewhere_and_runs_its_own_scripts_alone() -> None:
    page = read(whole_evaluation())
    assert not [tag for tag, _ in page.seen if tag in ("link", "img", "iframe", "object")]
    scripts = [attributes for tag, attributes in page.seen if tag == "script"]
    assert not [attributes for attributes in scripts if "src" in attributes]
    run = [text for text, attributes in zip(page.scripts, scripts, strict=True) if attributes.get("type") is None]
    (policy,) = [a["content"] for _, a in page.seen if a.get("http-equiv") == "Content-Security-Policy"]
    digests = [b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert len(digests) == 2
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy == f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def test_every_part_is_told() -> None:
    told = read(whole_evaluation()).told
    for part in (
        "task best baseline unicorn unicorn minus it oracle (truth) share of the way covered",
        "search 1,200 requests 0.300 0.280 – 0.320 bm25 0.400 0.380 – 0.420 +0.100 +0.070 to +0.130",
        "unicorn covers 17 % (15 % to 19 %) of the distance from bm25",
        "minus difference in NDCG@10 p (Holm) difference in recall@20 p (Holm)",
        "popularity +0.200 +0.170 to +0.230 < 0.001 +0.200 +0.170 to +0.230 < 0.001 bm25",
        "missing source item 40 requests 0.300 0.280 – 0.320 0.400 0.380 – 0.420 0.900 0.880 – 0.920",
        "hidden NDCG@10 told NDCG@10 hidden difference query 1,200 requests 0.400 0.150 −0.250 −0.300 to −0.200",
        "source item 1 request 0.400 0.410 +0.010 −0.010 to +0.030",
        "ranker k = 1 k = 3 k = 10 k = 20 unicorn 0.100 0.200 0.400 0.400 popularity 0.100 0.200 0.200 0.200",
        "unicorn 812 0.800 0.780 – 0.820 0.400 0.380 – 0.420 0.400 0.380 – 0.420",
        "space 200 0.700 0.680 – 0.720 0.250 0.230 – 0.270 similar queries 50 0.300 0.280 – 0.320 0.020 0.000 – 0.040",
        "GAUC ECE normalised entropy unicorn 0.700 0.680 – 0.720 0.050 0.030 – 0.070 0.900 0.880 – 0.920 bm25 0.600",
        "coverage@20 novelty@20 log popularity@20 Gini index@20 popularity 0.500 7.250 7.230 – 7.270 3.500",
        f"query good {NASTY} looking at a source NDCG@10 0.631 engaged with {NASTY} (rank 2); i3 (rank 2)",
        f"i1 score −1.25 {NASTY} engaged with · score −2.5",
        f"(not served); i3 (not served) i1 score −1.25 {NASTY} score −2.5",
        "77 requests whose items have at least two distinct grades",
        "bm25 0.920 0.900 – 0.940 0.920 0.900 – 0.940 0.920 0.900 – 0.940 unicorn 0.930",
        "split test candidates catalogue exclude seen none k 1, 10, 20 seed 7 data d1d1",
        "ranker search similar bm25 k1 1.5, query weight 2 –",
    ):
        assert part in told


def test_what_goes_on_after_the_candidates_is_explained_where_it_is_told() -> None:
    evaluation = whole_evaluation()
    sources = evaluation["rankers"]["unicorn"]["tasks"]["search"]["ceiling"]["sources"]
    assert "Of the source further" not in read(evaluation).told
    sources["further"] = sources["space"]
    assert "Of the source further are the nearest items of the space" in read(evaluation).told


def test_charts_draw_what_the_tables_tell() -> None:
    charts = read(whole_evaluation()).charts
    drawn = {name: [trace["x"] for trace in spec["data"]] for name, spec in charts.items()}
    assert drawn["NDCG@10 of search"] == [[0.2, 0.3], [0.4], [0.9]]
    assert drawn["unicorn minus each baseline, NDCG@10 of search"] == [[0.2, 0.1]]
    assert drawn["NDCG@10 of slices of search"] == [[0.2, 0.4, 0.3], [0.3, 0.5, 0.4]]  # bm25, then unicorn
    assert drawn["NDCG@10 of slices by country of search"] == [[0.4, 0.2], [0.5, 0.3]]
    assert drawn["Change of NDCG@10 of search where a field is hidden"] == [[-0.25, 0.01]]
    assert drawn["NDCG@10 of graded judgments"] == [[0.92], [0.93]]
    recall = charts["Recall over k of search"]["data"]
    assert [trace["y"] for trace in recall] == [
        [0.1, 0.2, 0.2, 0.2],
        [0.1, 0.2, 0.3, 0.3],
        [0.8, 0.8],
        [0.1, 0.2, 0.4, 0.4],
    ]
    (reliability,) = charts["Rate of engagement over probability in search"]["data"]
    assert (reliability["x"], reliability["y"]) == ([0.1, 0.3, 0.6], [0.12, 0.25, 0.5])


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    """Return what takes a key away from the evaluation."""

    def take(evaluation: dict[str, Any]) -> None:
        node = evaluation
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]

    return take


OURS = ("rankers", "unicorn", "tasks", "search")


@pytest.mark.parametrize(
    ("take", "gone"),
    [
        (without("oracle"), "oracle (truth)"),
        (without("examples"), "Served well"),
        (without(*OURS, "ceiling"), "First stage beside ranker"),
        (without(*OURS, "ceiling", "sources"), "Sources of candidates"),
        (without(*OURS, "hidden"), "What a missing field costs"),
        (without(*OURS, "impressions", "calibration"), "Reliability"),
        (without(*OURS, "metrics", "mrr"), "MRR"),
        (without("rankers", "bm25", "settings"), "Settings of the baselines"),
        (lambda evaluation: evaluation.update(comparisons=[]), "minus each baseline"),
        (lambda evaluation: [node.pop("judgments") for node in evaluation["rankers"].values()], "Graded judgments"),
        (
            lambda evaluation: [node["tasks"]["search"].pop("curve") for node in evaluation["rankers"].values()],
            "Recall over k",
        ),
    ],
)
def test_what_the_evaluation_does_not_say_is_left_out(take: Callable[[dict[str, Any]], Any], gone: str) -> None:
    evaluation = whole_evaluation()
    assert gone in read(evaluation).told
    take(evaluation)
    page = read(evaluation)
    assert gone not in page.told
    assert "How it was judged" in page.told


def test_a_page_of_graded_judgments_alone() -> None:
    evaluation = whole_evaluation()
    for name in ("oracle", "examples"):
        del evaluation[name]
    for node in evaluation["rankers"].values():
        node["tasks"] = {}
    page = read(evaluation | {"comparisons": []})
    assert list(page.charts) == ["NDCG@10 of graded judgments"]
    assert "in brief" not in page.told
    assert "The catalogue is ranked" not in page.told


def test_a_ranker_may_know_one_task_alone() -> None:
    evaluation = whole_evaluation()
    evaluation["rankers"]["twin"] = {"tasks": {"similar": evaluation["rankers"]["bm25"]["tasks"]["similar"]}}
    page = read(evaluation)
    assert "twin" not in page.told
    assert len(page.charts["NDCG@10 of search"]["layout"]["annotations"]) == 4


@pytest.mark.parametrize(
    ("cutoffs", "metric"),
    [([1, 10, 20], "ndcg_at_10"), ([5, 20], "ndcg_at_5"), ([5, 15], "ndcg_at_5"), ([100], "ndcg_at_100")],
)
def test_the_drawn_metric_is_the_one_nearest_to_10(cutoffs: list[int], metric: str) -> None:
    assert Reading({"protocol": {"k": cutoffs}, "rankers": {}}).metric == metric


def test_of_equal_baselines_the_first_is_the_best() -> None:
    evaluation = whole_evaluation()
    assert Reading(evaluation).best_baseline("search") == "bm25"
    evaluation["rankers"]["popularity"]["tasks"]["search"]["metrics"]["ndcg_at_10"]["value"] = 0.3
    assert Reading(evaluation).best_baseline("search") == "popularity"
    assert Reading(evaluation).best_baseline("similar") is None
