from __future__ import annotations

import pytest

from training.diagnose.gain import Gain
from training.diagnose.overlap import Direction, Pair, Share, Shared
from training.diagnose.popularity import Divergence
from training.diagnose.tasks import TaskSize
from training.diagnose.words import reasons, sign, verdict
from training.evaluation.intervals import Estimate

SIZE = TaskSize("similar", 900, 300, 200, 100, 80, 0, 3.0, 0.25)
NOTHING = Share(0.01, 0.01, 50)


def _gain(low: float, high: float, pooling: tuple[float, float] = (-1.0, 1.0)) -> Gain:
    return Gain(60, 0.2, 0.3, 0.25, Estimate((low + high) / 2, low, high), Estimate(sum(pooling) / 2, *pooling))


def _pair(a: str, b: str, users: int, excess: float, *, apart: bool = True) -> Pair:
    return Pair(a, b, Shared(users, 0.5, 0.8), Shared(3, 0.5, 0.8), Divergence(0.4, 0.3, excess, apart))


def _direction(source: str, again: Share, near: Share) -> Direction:
    return Direction(source, "similar", again, near, None)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.02, "helps"),
        (-0.02, -0.01, "hurts"),
        (-0.01, 0.02, "no difference"),
        (0.0, 0.0, "no difference"),
        (0.0, 0.1, "no difference"),
    ],
)
def test_a_verdict_is_on_which_side_of_0_the_interval_lies(low: float, high: float, said: str) -> None:
    assert verdict(_gain(low, high)) == said
    assert sign(Estimate(0.0, low, high)) == said


def test_too_few_rows_have_no_verdict() -> None:
    assert verdict(None) == "unknown"
    assert "too few" in reasons(SIZE, None, [], [])[0]


def test_the_reasons_name_the_task_that_tells_most() -> None:
    pairs = [_pair("recommendation", "similar", 20, 0.3), _pair("search", "similar", 81, 0.08)]
    directions = [
        _direction("recommendation", NOTHING, NOTHING),
        _direction("search", Share(0.22, 0.01, 50), Share(0.1, 0.02, 50)),
        Direction("similar", "search", Share(0.9, 0.0, 50), None, None),  # says nothing about similar
    ]
    found = reasons(SIZE, _gain(0.01, 0.02), pairs, directions)
    assert found[0].startswith("it has 300 engagements of its own, 0.25 for an item of the catalogue and 3 for a user")
    assert "81% of its users are also in search" in found[1]
    assert "8% of the way from the same to no item in common" in found[1]
    assert "22% (1% by chance)" in found[2]
    assert len(found) == 3


def test_a_popularity_that_chance_explains_is_called_the_same() -> None:
    pairs = [_pair("search", "similar", 81, 0.01, apart=False)]
    found = reasons(SIZE, _gain(0.01, 0.02), pairs, [Direction("search", "similar", None, None, None)])
    assert "the same as far as can be told" in found[1]
    assert len(found) == 2  # nothing is said of targets where valid has none


def test_what_pooling_costs_is_said() -> None:
    pairs, directions = [_pair("search", "similar", 81, 0.4)], [_direction("search", NOTHING, NOTHING)]
    said = reasons(SIZE, _gain(-0.01, 0.01, pooling=(-0.03, -0.01)), pairs, directions)[-1]
    assert said == "treated as one task, all rows would cost 0.0200: the tasks have to be told apart"
