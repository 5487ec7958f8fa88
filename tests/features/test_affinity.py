from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from features.affinity import fit_affinity
from features.errors import DataError

L2 = 2.0


def direct(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """EASE, column by column: ridge of item j on all others."""
    items = x.shape[1]
    out = np.zeros((items, items))
    for j in range(items):
        others = [i for i in range(items) if i != j]
        gram = x[:, others].T @ x[:, others] + L2 * np.eye(items - 1)
        out[others, j] = np.linalg.solve(gram, x[:, others].T @ x[:, j])
    return out


def world(users: int, items: int) -> NDArray[np.float64]:
    x = (np.random.default_rng(3).random((users, items)) < 0.4).astype(np.float64)
    x[:, 0] = 0  # padding
    return x


def fitted(x: NDArray[np.float64], keep: int = 100, largest: int = 100) -> NDArray[np.float32]:
    matrix = fit_affinity(sparse.csr_matrix(x), L2, keep, largest, seed=0)
    assert matrix.shape == (x.shape[1], x.shape[1]) and matrix.dtype == np.float32
    dense: NDArray[np.float32] = matrix.toarray()
    return dense


def test_by_hand_of_two_items() -> None:
    # Two of three users engaged with both: XᵀX = [[3, 2], [2, 2]], so that B_12 = 2 / (3 + 2) and B_21 = 2 / (2 + 2).
    found = fitted(np.array([[0, 1, 1], [0, 1, 1], [0, 1, 0]], dtype=np.float64))
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 0, 2 / 5], [0, 2 / 4, 0]], rtol=1e-5)


@pytest.mark.parametrize("users", [5, 12, 40])  # fewer users than items, as many, more
def test_both_sides_give_the_ridge_of_each_item_on_the_others(users: int) -> None:
    x = world(users, 12)
    np.testing.assert_allclose(fitted(x), direct(x), atol=2e-5)


def test_a_block_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = world(5, 12)
    whole = fitted(x)
    monkeypatch.setattr("features.affinity._BLOCK_ELEMENTS", 30)  # two columns a block
    np.testing.assert_allclose(fitted(x), whole, atol=1e-6)


@pytest.mark.parametrize("users", [5, 40])
def test_only_the_strongest_weights_of_a_candidate_are_kept(users: int) -> None:
    x = world(users, 12)
    found, full = fitted(x, keep=3), direct(x)
    for j in range(12):
        strongest = np.sort(np.abs(full[:, j]))[-3:].sum()
        assert np.count_nonzero(found[:, j]) <= 3
        np.testing.assert_allclose(np.abs(found[:, j]).sum(), strongest, atol=5e-5)


@pytest.mark.parametrize("form", [lambda x: fitted(x), lambda x: restricted(x)], ids=["exact", "nearest"])
def test_nobody_engaged_and_one_item(form: Callable[[NDArray[np.float64]], NDArray[np.float32]]) -> None:
    assert not form(np.zeros((3, 4))).any()
    assert not form(np.zeros((0, 4))).any()
    assert not form(np.array([[0.0, 1.0]])).any()
    assert not form(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])).any()


def restricted(x: NDArray[np.float64], keep: int = 100, seed: int = 0, threads: int = 2) -> NDArray[np.float32]:
    """The map of a world that counts as too large to invert."""
    matrix = fit_affinity(sparse.csr_matrix(x), L2, keep, 0, seed, threads=threads)
    assert matrix.shape == (x.shape[1], x.shape[1]) and matrix.dtype == np.float32
    dense: NDArray[np.float32] = matrix.toarray()
    return dense


def test_beyond_the_largest_side_by_hand_of_two_items() -> None:
    # As above: two users of both, a third of the first alone, who says how often it comes without the other.
    found = restricted(np.array([[0, 1, 1], [0, 1, 1], [0, 1, 0]], dtype=np.float64))
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 0, 2 / 5], [0, 2 / 4, 0]], rtol=1e-5)


@pytest.mark.parametrize("users", [25, 60])  # fewer users than items, more
def test_beyond_the_largest_side_the_ridge_is_that_of_the_nearest(users: int) -> None:
    x = world(users, 30)  # no more items than factors, which are exact then
    n, found, compared = x.sum(axis=0), restricted(x, keep=5), 0
    for j in range(1, 30):
        alone = x.T @ x[:, j] / np.sqrt(n + L2)
        alone[j] = 0
        order = np.argsort(-alone)
        near = order[:5]
        if alone[order[4]] < 1.01 * alone[order[5]]:
            continue  # a tie, in which either may be kept
        gram = x[:, near].T @ x[:, near] + L2 * np.eye(5)
        answer = np.zeros(30)
        answer[near] = np.linalg.solve(gram, x[:, near].T @ x[:, j])
        np.testing.assert_allclose(found[:, j], answer, atol=2e-5)
        compared += 1
    assert compared >= 10


def test_with_all_neighbours_both_forms_are_one() -> None:
    x = world(60, 20)
    np.testing.assert_allclose(restricted(x), fitted(x), atol=2e-5)


def test_of_neighbours_that_share_nobody_there_is_no_weight() -> None:
    # Nobody of the first pair engaged with one of the second; within each, as by hand: 2 / (2 + 2).
    pairs = np.array([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]], dtype=np.float64)
    half = np.zeros((5, 5))
    half[[1, 2, 3, 4], [2, 1, 4, 3]] = 2 / 4
    np.testing.assert_allclose(restricted(pairs), half, atol=1e-6)


def test_more_tastes_than_factors_are_told_apart() -> None:
    # 50 tastes of four items; a user has one taste and knows three of its items, and a few of anywhere.
    rng = np.random.default_rng(5)
    x = np.zeros((1000, 201))
    for user in range(1000):
        taste = 1 + 4 * (user % 50)
        x[user, taste + rng.choice(4, 3, replace=False)] = 1
        x[user, rng.integers(1, 201, 2)] = 1
    found = restricted(x)
    best = found[:, 1:].argmax(axis=0)  # the history item that says most of each candidate
    np.testing.assert_array_equal((best - 1) // 4, np.arange(200) // 4)
    assert np.isfinite(found).all() and not found.diagonal().any() and not found[0].any() and not found[:, 0].any()


def test_the_order_of_users_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = world(80, 50)
    whole = restricted(x, keep=7)
    np.testing.assert_array_equal(restricted(x, keep=7, threads=1), whole)
    np.testing.assert_allclose(restricted(x[np.random.default_rng(2).permutation(80)], keep=7), whole, atol=1e-5)
    monkeypatch.setattr("features.affinity._BLOCK_ELEMENTS", 150)  # two candidates a block
    monkeypatch.setattr("features.affinity._SOLVED", 3)
    np.testing.assert_allclose(restricted(x, keep=7), whole, atol=1e-6)


def test_a_sample_stands_for_a_history_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.affinity.LONGEST", 3)
    x = np.zeros((12, 12))
    x[:11, 1:4] = 1  # three items are not too many
    x[11, 4:12] = 1  # eight are
    one, again, other = restricted(x), restricted(x), restricted(x, seed=1)
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(one[1:4, 1:4], 11 / (11 + 11 + L2) * (1 - np.eye(3)), rtol=1e-4)
    some, others = (set(np.flatnonzero(found.any(axis=0))) for found in (one, other))
    assert len(some) == len(others) == 3 + 3 and some != others


def test_a_ridge_that_is_lost_in_rounding_is_refused() -> None:
    together = sparse.csr_matrix(np.ones((300_000, 2)))
    with pytest.raises(DataError, match=r"features.counts.affinity_l2 is 0.01, too small .* Raise it."):
        fit_affinity(together, 0.01, 10, 100, seed=0)


def test_users_without_engagements_change_nothing() -> None:
    x = world(10, 12)
    padded = np.vstack([x, np.zeros((30, 12))])
    np.testing.assert_allclose(fitted(padded), fitted(x), atol=1e-6)
    np.testing.assert_allclose(restricted(padded), restricted(x), atol=1e-6)
