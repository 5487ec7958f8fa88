"""Worlds in which it is known what quality is worth: w is found where it helps, and stays 0 where it does not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.training.space_world import sample, space_engine
from training.evaluation.intervals import Estimate
from training.quality.sample import Sample, gains, halves
from training.quality.study import Verdict, decide, lead_of, tune_task
from training.quality.sweep import sweep

NAMES = ("good", "noise")


def market(worth: float, requests: int = 600, items: int = 150, seed: int = 0) -> tuple[Sample, Sample]:
    """Return both halves of a world in which users see relevance, and ``worth`` times the first quality component."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(items, 4))
    quality = rng.uniform(-1, 1, size=(items, 2))
    engine = space_engine(vectors, quality)
    asked = rng.normal(size=(requests, 4))
    drawn = asked @ vectors.T + worth * quality[:, 0] + rng.gumbel(size=(requests, items))
    target = drawn.argmax(axis=1) + 1
    one, other = np.arange(0, requests, 2), np.arange(1, requests, 2)
    first, second = sample(engine, asked[one], target[one]), sample(engine, asked[other], target[other])
    return first, replace(second, cluster=second.cluster + requests)


def tuned(worth: float, seed: int = 0, trials: int = 30) -> tuple[Verdict, tuple[Sample, Sample]]:
    both = market(worth, seed=seed)
    return judged(both, trials), both


def judged(both: tuple[Sample, Sample], trials: int) -> Verdict:
    """Return the verdict on the only task that there is."""
    ((verdict,), together) = decide([tune_task("search", *both, NAMES, trials, 0)], 0)
    assert together == verdict.lead or not verdict.trials
    return verdict


def test_quality_that_users_want_gets_weight_and_what_they_ignore_gets_less():
    verdict, both = tuned(worth=2.0)
    assert verdict.reason == ""
    good, noise = verdict.weight
    assert 0.8 < good < 4.0
    assert noise < good / 3
    assert verdict.lead.low > 0
    without, with_it = (np.concatenate([half.found(w).quality for half in both]).mean(axis=0)
                        for w in (np.zeros(2), verdict.weight))  # fmt: skip
    assert with_it[0] > without[0] + 0.2


def test_quality_that_nobody_wants_stays_at_zero_and_the_verdict_says_why():
    for seed in range(3):
        verdict, _ = tuned(worth=0.0, seed=seed)
        assert not verdict.weight.any()
        assert "not confirmed" in verdict.reason or verdict.reason == "no trial found more than w = 0"


def test_quality_that_users_avoid_is_not_turned_into_a_reward_for_being_bad():
    verdict, _ = tuned(worth=-2.0)
    assert all((trial.weight >= 0).all() for half in verdict.trials for trial in half)
    assert verdict.weight[0] < 0.1


def test_each_half_begins_with_no_weight_and_the_same_seed_repeats():
    first, _ = tuned(worth=1.0, trials=12)
    again, _ = tuned(worth=1.0, trials=12)
    assert [len(half) for half in first.trials] == [12, 12]
    assert not any(half[0].weight.any() for half in first.trials)
    for one, other in zip(first.trials, again.trials, strict=True):
        assert all((a.weight == b.weight).all() for a, b in zip(one, other, strict=True))


def test_what_is_chosen_keeps_the_recall_of_the_half_that_chooses():
    """Gain sits on a few requests; the others would lose their targets, were quality all that counts."""
    rng = np.random.default_rng(0)
    items = 300
    quality = np.linspace(-1, 1, items)[:, None]
    vectors = np.eye(items)  # request n asks for item n, and finds the others by quality alone
    engine = space_engine(vectors, np.hstack([quality, np.zeros((items, 1))]))
    target = rng.permutation(items) + 1
    asked = 0.01 * vectors[target - 1]
    gain = np.where(target > items - 30, 1.0, 0.0)  # the best items
    both = (sample(engine, asked[::2], target[::2], gain[::2]), sample(engine, asked[1::2], target[1::2], gain[1::2]))
    verdict = judged(both, 20)
    for half in verdict.trials:
        assert min(trial.recall for trial in half) < 0.99 * half[0].recall  # some trials go too far
    assert verdict.recall[1] >= 0.99 * verdict.recall[0] or not verdict.weight.any()


def test_a_component_that_is_the_same_for_all_items_is_never_tried():
    both = market(worth=1.0, requests=80, items=30)
    engine = both[0].engine
    engine.side.indexed[1:, -1] = 0.5
    verdict = judged(both, 8)
    assert not any(trial.weight[1] for half in verdict.trials for trial in half)


def test_a_half_without_a_gain_decides_nothing():
    first, second = market(worth=1.0, requests=40, items=30)
    verdict = judged((first, replace(second, gain=np.zeros(20))), 8)
    assert verdict.reason == "20 and 20 requests are too few to choose by and to confirm it"
    assert not verdict.weight.any()
    assert verdict.trials == ()
    assert verdict.as_json(NAMES)["lead"] == {"value": None, "low": None, "high": None}


def test_found_engagement_is_gain_over_the_logarithm_of_the_rank():
    """Items 1 to 4 at scores 4, 3, 2, 1; one request of three targets, one of them blocked."""
    engine = space_engine(np.array([[4.0], [3.0], [2.0], [1.0]]), np.array([[0.0], [1.0], [-1.0], [0.5]]))
    blocked = np.array([[True, True, False, False, False]])  # padding, and item 1
    one = replace(
        sample(engine, np.array([[1.0]]), np.array([2])),
        blocked=[np.packbits(blocked, axis=1)],
        context=np.array([0, 0, 0]),
        request=np.array([0, 0, 0]),
        item=np.array([1, 2, 4]),
        gain=np.array([1.0, 2.0, 3.0]),
    )
    found = one.found(np.zeros(1))
    assert found.engagement == pytest.approx([2.0 / math.log2(2) + 3.0 / math.log2(4)])
    assert one.ideal() == pytest.approx([3.0 / math.log2(2) + 2.0 / math.log2(3) + 1.0 / math.log2(4)])
    assert found.recall == pytest.approx([2 / 3])
    assert found.quality == pytest.approx(np.array([[(1.0 - 1.0 + 0.5) / 3]]))
    assert one.spread() == pytest.approx(3.0 - 1.0)
    up = one.found(np.array([4.0]))  # 3 + 4, 2 - 4 and 1 + 2
    assert up.engagement == pytest.approx([2.0 / math.log2(2) + 3.0 / math.log2(3)])


def made(task: str, ahead: list[float], ideal: list[float], cluster: list[int], **changes) -> Verdict:
    """Return a verdict on which is not decided yet."""
    facts = {"lead": Estimate(0.0, 0.0, 0.0), "recall": (0.5, 0.5), "chosen": np.array([1.0, 0.0])} | changes
    parts = (np.array(part, dtype=kind) for part, kind in ((ahead, float), (ideal, float), (cluster, int)))
    verdict = Verdict(task, (1, 1), 2.0, ((object(),),), facts["chosen"], facts["lead"], facts["recall"], *parts)
    return replace(verdict, lead=changes.get("lead", lead_of([verdict], 0)))


def test_the_lead_is_the_gained_share_of_the_ideal_and_the_mean_over_tasks():
    one = made("search", [0.5, -0.1], [1.0, 3.0], [0, 1])
    other = made("similar", [0.0, 0.2], [1.0, 1.0], [1, 2])
    assert one.lead.value == pytest.approx(0.4 / 4)
    assert lead_of([one, other], 0).value == pytest.approx((0.4 / 4 + 0.2 / 2) / 2)


def test_a_task_keeps_its_weights_where_its_own_lead_is_sure():
    """What all tasks gain together may be sure where one of them is not."""
    sure = made("search", [0.1] * 50, [1.0] * 50, list(range(50)))
    unsure = made("similar", [0.5, -0.4] * 8, [1.0] * 16, list(range(16)))
    found, together = decide([sure, unsure], 0)
    assert together.value == pytest.approx((0.1 + 0.05) / 2)
    assert found[0].reason == ""
    assert "not confirmed where it was not chosen: +0.0500 of the engagement, -" in found[1].reason
    assert found[0].weight.tolist() == [1.0, 0.0]
    assert found[1].weight.tolist() == [0.0, 0.0]


def test_a_lead_that_costs_recall_is_not_kept():
    for after, kept in ((0.4951, True), (0.4949, False)):
        ((verdict,), _) = decide([made("search", [0.1] * 9, [1.0] * 9, list(range(9)), recall=(0.5, after))], 0)
        assert (verdict.reason == "") is kept
        assert verdict.weight.any() == kept


def test_a_label_is_worth_what_it_is_above_the_lowest():
    known = np.array([1.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(gains(np.array([1.0, 2.0, 3.0, 0.5]), known), [0.0, 1.0, 2.0, 0.0])
    np.testing.assert_array_equal(gains(np.array([5.0, 5.0]), np.array([5.0])), [1.0, 1.0])
    np.testing.assert_array_equal(gains(np.array([2.0]), np.array([])), [1.0])


WEIGHTS = st.integers(0, 40).map(lambda n: n / 8)
QUALITIES = arrays(np.int64, (25, 2), elements=st.integers(-8, 8)).map(lambda values: values / 8)
SCORES = arrays(np.int64, (25, 2), elements=st.integers(-24, 24)).map(lambda values: values / 8)


@given(SCORES, QUALITIES, WEIGHTS, st.lists(WEIGHTS, min_size=2, max_size=5))
def test_more_weight_on_a_component_never_lowers_its_mean_in_the_top(vectors, quality, other, weights):
    """Eighths are exact in float32, so that a tie is a tie."""
    one = sample(space_engine(vectors, quality), np.array([[1.0, 0.0], [-1.0, 2.0], [0.0, 0.0]]), np.array([1, 2, 3]))
    means = [one.found(np.array([weight, other])).quality[:, 0] for weight in sorted(weights)]
    assert (np.diff(means, axis=0) >= -1e-12).all()


def test_the_sweep_begins_with_the_tuned_weights_and_moves_one_at_a_time():
    verdict, both = tuned(worth=2.0)
    points = sweep(verdict, both, NAMES)
    assert [point.component for point in points] == ["", *["good"] * 6, *["noise"] * 6]
    assert points[0].recall == pytest.approx(np.mean([half.found(verdict.weight).recall.mean() for half in both]))
    good = points[1:7]
    assert [point.weight for point in good] == pytest.approx(
        [0, *(verdict.bound * np.array([0.05, 0.1, 0.25, 0.5, 1.0]))]
    )
    means = [point.quality["good"] for point in good]
    assert means == sorted(means)
    assert means[-1] > means[0]


class Rows:
    """What ``halves`` reads of a judged split."""

    def __init__(self, cluster: list[int]) -> None:
        count = len(cluster)
        self.requests = pl.DataFrame(
            {"request": range(count), "task": ["search"] * (count - 1) + ["similar"], "cluster": cluster}
        )
        self.targets = pl.DataFrame({"request": range(1, count)})  # the first request has none


def test_all_requests_of_a_user_are_in_one_half():
    rows = Rows([n // 3 for n in range(61)])
    first, second = halves(rows, "search", 1000, 0)
    assert not set(first["cluster"]) & set(second["cluster"])
    assert sorted([*first["request"], *second["request"]]) == list(range(1, 60))
    assert min(first.height, second.height) > 20
    other = halves(rows, "search", 1000, 1)[0]
    assert other["request"].to_list() != first["request"].to_list()
    assert sum(part.height for part in halves(rows, "search", 10, 0)) == 10
