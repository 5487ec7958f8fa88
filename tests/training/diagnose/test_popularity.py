from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.diagnose.popularity import divergence


def _counts(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def test_tasks_without_a_common_item_are_a_bit_apart() -> None:
    found = divergence(_counts(500, 300, 0, 0), _counts(0, 0, 400, 100), np.random.default_rng(0))
    assert found.bits == pytest.approx(1.0)
    assert found.excess == pytest.approx(1.0)
    assert found.apart


def test_bits_in_view() -> None:
    # Shares (1/2, 1/2) and (1, 0): the entropy of their mean (3/4, 1/4), less half of the entropies 1 and 0.
    mean = -(3 / 4 * math.log2(3 / 4) + 1 / 4 * math.log2(1 / 4))
    found = divergence(_counts(50, 50), _counts(80, 0), np.random.default_rng(0))
    assert found.bits == pytest.approx(mean - (1 + 0) / 2)


def test_few_engagements_of_one_popularity_are_apart_by_chance_alone() -> None:
    rng = np.random.default_rng(3)
    a, b = (np.bincount(rng.integers(200, size=200), minlength=200) for _ in range(2))
    found = divergence(a, b, np.random.default_rng(0))
    assert found.bits > 0.3  # 200 engagements of 200 items overlap little
    assert found.excess < 0.05


def test_many_engagements_of_two_popularities_are_more_than_by_chance() -> None:
    found = divergence(_counts(700, 200, 100), _counts(100, 200, 700), np.random.default_rng(0))
    assert found.by_chance < 0.01
    assert found.apart
    assert found.excess == pytest.approx(found.bits, abs=0.01)


def test_the_same_counts_are_not_apart() -> None:
    found = divergence(_counts(5, 3, 2), _counts(5, 3, 2), np.random.default_rng(0))
    assert (found.bits, found.excess, found.apart) == (pytest.approx(0.0), 0.0, False)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_bits_are_symmetric_and_between_0_and_1(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(numbers, dtype=np.int64) for numbers in zip(*[*pairs, (1, 1)], strict=True))
    one, other = (divergence(x, y, np.random.default_rng(0)).bits for x, y in ((a, b), (b, a)))
    assert one == pytest.approx(other)
    assert -1e-12 <= one <= 1 + 1e-12
