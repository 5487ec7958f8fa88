from __future__ import annotations

import math

import pytest

from training.config import StageConfig
from training.schedule import Outcome, Schedule, schedule

CONFIG = StageConfig(batch=100, max_epochs=3, max_steps=1000, rounds_per_epoch=2, min_round=4, max_rounds=24)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # 2,000 rows are 20 steps of 100; 3 passes are 60; half a pass is a round of 10; 60 / 10 = 6 rounds.
        (2000, Schedule(batch=100, round=10, rounds=6, fixed=False)),
        # 200 rows: a batch of 200 / 4 = 50, a pass of 4, 12 steps; a round of 2 is less than 4 steps: 12 / 4 = 3.
        (200, Schedule(batch=50, round=4, rounds=3, fixed=False)),
        # One row: a batch of 1, a pass of 1, 3 steps, fewer than the shortest round: one round of 3.
        (1, Schedule(batch=1, round=3, rounds=1, fixed=False)),
        # 80,000 rows: a pass of 800, 2,400 steps cut at 1,000; half a pass is 400; 1,000 // 400 = 2.
        (80_000, Schedule(batch=100, round=400, rounds=2, fixed=False)),
    ],
)
def test_a_stage_is_sized_by_its_rows(rows, expected):
    assert schedule(CONFIG, rows) == expected


def test_a_stage_has_no_more_than_so_many_rounds():
    config = StageConfig(batch=10, max_epochs=1000, max_steps=1000, rounds_per_epoch=100, min_round=1, max_rounds=8)
    assert schedule(config, 1000) == Schedule(batch=10, round=125, rounds=8, fixed=False)


def test_what_was_chosen_is_trained_for_the_same_steps_on_more_rows():
    chosen = Outcome(rounds=3, round=10, metrics={"a": 1.0})
    assert chosen.steps == 30
    assert schedule(CONFIG, 2500, chosen) == Schedule(batch=100, round=10, rounds=3, fixed=True)


def test_an_outcome_comes_back_from_its_json():
    outcome = Outcome(rounds=2, round=5, metrics={"ndcg": 0.5})
    assert Outcome(**outcome.as_json()) == outcome


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 1 / 4), (1, 2 / 4), (3, 1.0), (16, 1.0), (64, math.sqrt(16 / 64))],
)
def test_the_rate_rises_then_falls(step, share):
    assert StageConfig(warmup=4, decay_after=16).rate_at(step) == pytest.approx(share)


def test_a_rate_may_start_at_its_largest():
    assert StageConfig(warmup=0).rate_at(0) == 1.0
