from __future__ import annotations

import math

import polars as pl
import pytest

from features.errors import DataError
from tests.training.evaluation.small_world import catalogue, events, judged, scoring, serving
from training.evaluation.impressions import judge_impressions
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue(*"abcdef")
PAGES = events(
    # request r: two engaged, two not; q: one of each; z: nothing engaged; e: all engaged
    *(
        {"item_id": item, "request_id": "r", "label": label}
        for item, label in zip("abcd", (1.0, 0.0, 2.0, 0.0), strict=True)
    ),
    *({"item_id": item, "request_id": "q", "label": label} for item, label in zip("ab", (0.0, 1.0), strict=True)),
    {"item_id": "f", "request_id": "z", "label": 0.0},
    {"item_id": "f", "request_id": "e", "label": 1.0},
)
SCORE = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 2.0, "e": 0.0, "f": -1.0}


def contender(**changes: object) -> Contender:
    return Contender("ours", serving(lambda request: ""), scoring(SCORE.__getitem__))._replace(**changes)


def entry(name: str, **changes: object) -> dict[str, float]:
    found = judge_impressions(contender(**changes), judged(ITEMS, PAGES), Protocol(resamples=50))
    value: dict[str, float] = found["recommendation"]["metrics"][name]
    return value


def test_gauc_weighs_requests_by_their_rows() -> None:
    # r: a over b and d, c under b and equal to d: (1 + 1 + 0 + 1/2) / 4; q: the engaged one is below
    gauc = entry("gauc")
    assert gauc["value"] == pytest.approx((4 * (2.5 / 4) + 2 * 0) / (4 + 2))
    assert gauc["low"] <= gauc["value"] <= gauc["high"]


def test_only_requests_that_hold_a_zero_count() -> None:
    found = judge_impressions(contender(), judged(ITEMS, PAGES), Protocol(resamples=50))
    assert found["recommendation"]["rows"] == 7


def test_normalised_entropy_of_the_base_rate_is_one() -> None:
    rate = 3 / 7
    constant = scoring(lambda item: math.log(rate / (1 - rate)))
    assert entry("normalised_entropy", score=constant)["value"] == pytest.approx(1.0)
    assert entry("ece", score=constant)["value"] == pytest.approx(0.0, abs=1e-6)


def test_calibration_error_of_a_constant_is_its_distance_from_the_rate() -> None:
    assert entry("ece", score=scoring(lambda item: math.log(0.9 / 0.1)))["value"] == pytest.approx(0.9 - 3 / 7)


def test_a_calibrated_probability_goes_before_the_sigmoid() -> None:
    def score(requests: pl.DataFrame) -> pl.DataFrame:
        return scoring(SCORE.__getitem__)(requests).with_columns(calibrated_probability=pl.lit(0.5))

    assert entry("ece", score=score)["value"] == pytest.approx(0.5 - 3 / 7)
    assert entry("ece", score=score, logits=False)["value"] == pytest.approx(0.5 - 3 / 7)


def test_scores_that_are_no_logits_are_judged_by_their_order_alone() -> None:
    found = judge_impressions(contender(logits=False), judged(ITEMS, PAGES), Protocol(resamples=50))
    assert list(found["recommendation"]["metrics"]) == ["gauc"]


def test_nothing_is_made_up_where_a_figure_is_undefined() -> None:
    zeros = events({"item_id": "a"}, {"item_id": "a", "task": "search", "label": 0.0})
    found = judge_impressions(contender(), judged(ITEMS, zeros), Protocol(resamples=50))
    assert list(found) == ["search"]
    assert list(found["search"]["metrics"]) == ["ece"]  # one class: neither an order nor an entropy
    assert judge_impressions(contender(score=None), judged(ITEMS, zeros), Protocol()) == {}


def test_a_candidate_without_a_score_is_refused() -> None:
    with pytest.raises(DataError, match="ranker 'ours' leaves a candidate without a score: 1 of 7 rows"):
        entry("gauc", score=lambda requests: scoring(SCORE.__getitem__)(requests).filter(pl.col("item_id") != "c"))


def test_each_bin_tells_what_was_promised_and_what_came_of_it() -> None:
    """One probability for all is one bin: of its seven rows three were engaged with."""
    found = judge_impressions(
        contender(score=scoring(lambda item: math.log(0.9 / 0.1))), judged(ITEMS, PAGES), Protocol(resamples=5)
    )["recommendation"]["calibration"]
    assert found["probability"] == pytest.approx([0.9])
    assert found["rate"] == pytest.approx([3 / 7])
    assert found["rows"] == [7]
    unlike = judge_impressions(contender(), judged(ITEMS, PAGES), Protocol(resamples=5))["recommendation"][
        "calibration"
    ]
    assert sum(unlike["rows"]) == 7
    assert unlike["probability"] == sorted(unlike["probability"])
    assert (
        "calibration"
        not in judge_impressions(contender(logits=False), judged(ITEMS, PAGES), Protocol(resamples=5))["recommendation"]
    )
