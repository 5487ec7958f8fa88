from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.dynamics import Dynamics, fit_dynamics

ITEMS, COUNTRIES = 6, 5
NAMES = (
    *("decayed", "latest_4", "latest_16", "latest_64"),
    *("percentile", "percentile_4", "percentile_16", "percentile_64"),
)


def fitted(item: Sequence[int], time: Sequence[float], country: Sequence[int] | None = None) -> Dynamics:
    """What is fitted on these engagements, by default of a country each that is not known."""
    countries = np.ones(len(item), dtype=np.int64) if country is None else np.array(country, dtype=np.int64)
    return fit_dynamics(np.array(item, dtype=np.int64), np.array(time, dtype=float), countries, ITEMS, COUNTRIES)


def column(found: Dynamics, name: str) -> list[float]:
    """The column of every item, counts without their logarithm."""
    values = found.columns(np.arange(ITEMS)[None, :])[0, :, found.names.index(name)].astype(np.float64)
    return list(values if name.startswith("percentile") else np.expm1(values))


def test_the_columns_are_named() -> None:
    assert fitted([], []).names == NAMES
    assert fitted([1], [0.0]).columns(np.zeros((2, 3), dtype=np.int64)).shape == (2, 3, len(NAMES))


def test_an_engagement_halves_with_each_sixteenth_that_comes_after_it() -> None:
    # Sixteen engagements a day apart: that of item 2 came last, that of 1 before two others, those of 3 before.
    found = fitted([3] * 13 + [1, 4, 2], np.arange(16.0))
    old = sum(0.5**age for age in range(3, 16))
    np.testing.assert_allclose(column(found, "decayed"), [0, 0.5**2, 1, old, 0.5, 0], rtol=1e-5)


def test_windows_are_the_latest_shares_of_the_engagements() -> None:
    # Of 64 engagements: item 1 is the last, 2 the three before it, 3 the twelve before these, 4 the rest.
    found = fitted([4] * 48 + [3] * 12 + [2] * 3 + [1], np.arange(64.0))
    np.testing.assert_allclose(column(found, "latest_64"), [0, 1, 0, 0, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(column(found, "latest_16"), [0, 1, 3, 0, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(column(found, "latest_4"), [0, 1, 3, 12, 0, 0], rtol=1e-5)


def test_percentiles_are_mean_ranks_among_the_engaged_and_ties_share_theirs() -> None:
    found = fitted([4] * 46 + [1, 1, 2, 2, 4, 4] + [3] * 12, np.arange(64.0))
    shared = (1 + 2) / 2
    # In all: 4 has 48, 3 has 12, 1 and 2 have 2 each. In the latest fourth: 3 has 12, 2 and 4 two each. Then 3 alone.
    np.testing.assert_allclose(column(found, "percentile"), [0, shared / 4, shared / 4, 3 / 4, 4 / 4, 0])
    np.testing.assert_allclose(column(found, "percentile_4"), [0, 0, shared / 3, 3 / 3, shared / 3, 0])
    np.testing.assert_allclose(column(found, "percentile_16"), [0, 0, 0, 1, 0, 0])


def test_engagements_of_one_moment_are_in_a_window_together() -> None:
    # Eight engagements, the last four at once: each came before (4 - 1) / 2 others of 8, less than a fourth of them.
    found = fitted([1, 1, 1, 1, 2, 3, 4, 5], [0, 1, 2, 3, 9, 9, 9, 9])
    np.testing.assert_allclose(column(found, "latest_4"), [0, 0, 1, 1, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(column(found, "decayed")[2:], [0.5 ** (16 * 1.5 / 8)] * 4, rtol=1e-5)
    # All eight at once: 3.5 of 8 came later, on average, and no share of a fourth is the latest.
    found = fitted([1, 1, 1, 1, 2, 3, 4, 5], [7.0] * 8)
    assert not any(column(found, "latest_4"))
    np.testing.assert_allclose(column(found, "decayed")[1], 4 * 0.5 ** (16 * 3.5 / 8), rtol=1e-5)


def test_countries_count_for_themselves() -> None:
    # Country 2 saw items 1 and 2, country 3 item 2; rows 0 and 1 are no country, though they count in all.
    found = fitted([1, 2, 2, 1, 2], [0, 1, 2, 3, 4], [2, 2, 3, 0, 1])
    ages = np.array([4, 3, 2, 1, 0]) / 5
    weight = 0.5 ** (16 * ages)
    answer = np.zeros((COUNTRIES, ITEMS))
    answer[2, 1], answer[2, 2], answer[3, 2] = weight[0], weight[1], weight[2]
    np.testing.assert_allclose(found.by_country.toarray(), answer, rtol=1e-5)
    np.testing.assert_allclose(column(found, "decayed")[2], weight[1] + weight[2] + weight[4], rtol=1e-5)


def test_counts_of_a_part_are_scaled_and_percentiles_are_not() -> None:
    found = fitted([1, 1, 2], [0.0, 1.0, 2.0])
    twice = found.columns(np.array([[1, 2]]), scale=2.0)[0]
    decayed = 0.5 ** (16 * 2 / 3) + 0.5 ** (16 / 3)
    np.testing.assert_allclose(twice[0, 0], math.log(1 + 2 * decayed), rtol=1e-5)
    np.testing.assert_allclose(twice[:, NAMES.index("percentile")], [1, 1 / 2])


@pytest.mark.parametrize("time", [[], [math.nan, math.nan]])
def test_without_times_everything_is_zero(time: list[float]) -> None:
    found = fitted([1, 2][: len(time)], time, [2, 2][: len(time)])
    assert not found.columns(np.arange(ITEMS)[None, :]).any()
    assert found.by_country.shape == (COUNTRIES, ITEMS) and found.by_country.nnz == 0


logs = st.lists(
    st.tuples(
        st.integers(0, ITEMS - 1), st.sampled_from([0.0, 1.0, 2.0, 5.0, math.nan]), st.integers(0, COUNTRIES - 1)
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows=logs, seed=st.integers(0, 99))
def test_the_order_of_rows_and_the_unit_of_time_and_rows_that_do_not_count_change_nothing(
    rows: list[tuple[int, float, int]], seed: int
) -> None:
    found = fitted(*zip(*rows, strict=True)) if rows else fitted([], [])
    shuffled = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))]
    counted = [(item, 7 * time + 100, country) for item, time, country in shuffled if item and not math.isnan(time)]
    other = fitted(*zip(*counted, strict=True)) if counted else fitted([], [])
    np.testing.assert_allclose(other.counts, found.counts, rtol=1e-5)
    np.testing.assert_array_equal(other.percentiles, found.percentiles)
    np.testing.assert_allclose(other.by_country.toarray(), found.by_country.toarray(), rtol=1e-5)
    assert ((found.percentiles >= 0) & (found.percentiles <= 1)).all()
    assert ((found.percentiles[:, 0] > 0) == np.isin(np.arange(ITEMS), [item for item, *_ in counted])).all()
    assert not found.counts[0].any() and not found.percentiles[0].any()
