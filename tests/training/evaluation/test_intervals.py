from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from training.evaluation.intervals import bootstrap, holm, mean_by_cluster, sign_flip_p


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_agrees_with_scipy_where_each_row_is_a_cluster() -> None:
    values = np.random.default_rng(1).random(200) ** 3
    ours = bootstrap([mean_by_cluster(np.arange(200), values[:, None])], 200, 4000, generator())[0][0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.004)
    assert ours.high == pytest.approx(theirs.high, abs=0.004)


def test_rows_of_a_cluster_stay_together() -> None:
    """Ten users with a hundred equal requests each know no more than ten requests do."""
    by_user = np.arange(10) / 10.0
    one = bootstrap([mean_by_cluster(np.arange(10), by_user[:, None])], 10, 2000, generator())[0][0]
    many = bootstrap(
        [mean_by_cluster(np.repeat(np.arange(10), 100), np.repeat(by_user, 100)[:, None])], 10, 2000, generator()
    )
    assert many[0][0] == pytest.approx(one)


def test_the_same_resamples_for_every_sample() -> None:
    values = np.random.default_rng(1).random((50, 1))
    first = mean_by_cluster(np.arange(50), values)
    found = bootstrap([first, mean_by_cluster(np.arange(25), values[:25]), first], 50, 500, generator())
    assert found[0] == found[2]
    assert found[0] == bootstrap([first], 50, 500, generator())[0]


def test_one_cluster_has_an_interval_of_no_width() -> None:
    found = bootstrap(
        [mean_by_cluster(np.zeros(3, dtype=np.int64), np.array([[0.1], [0.2], [0.3]]))], 1, 100, generator()
    )
    assert found[0][0] == pytest.approx((0.2, 0.2, 0.2))


def test_a_sample_of_few_clusters_is_judged_where_it_was_drawn() -> None:
    found = bootstrap([mean_by_cluster(np.array([7]), np.array([[0.5]]))], 20, 100, generator())
    assert found[0][0] == (0.5, 0.5, 0.5)


def test_a_sample_without_rows_is_undefined() -> None:
    empty = mean_by_cluster(np.empty(0, dtype=np.int64), np.empty((0, 2)))
    for clusters in (0, 5):
        assert np.isnan(bootstrap([empty], clusters, 10, generator())[0][1].value)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_interval_holds_the_value(rows: list[tuple[int, float]]) -> None:
    cluster = np.array([row[0] for row in rows])
    found = bootstrap([mean_by_cluster(cluster, np.array([[row[1]] for row in rows]))], 6, 50, generator())[0][0]
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_sign_flips_of_three_equal_differences() -> None:
    """Of the 8 ways to sign them, 2 are as far from zero as the one that was seen."""
    assert sign_flip_p(np.array([1.0, 1.0, 1.0, 0.0]), 20_000, generator()) == pytest.approx(2 / 8, abs=0.01)


def test_no_difference_has_p_one() -> None:
    assert sign_flip_p(np.zeros(4), 100, generator()) == 1.0


def test_holm_multiplies_the_smallest_by_the_number_and_never_falls() -> None:
    assert holm([0.04, 0.01, 0.03, 0.5]) == pytest.approx([3 * 0.03 + 0.0, 4 * 0.01, 3 * 0.03, 0.5])
    assert holm([]) == []
