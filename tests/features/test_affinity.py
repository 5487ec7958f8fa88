from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from features.affinity import fit_affinity

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


def test_nobody_engaged_and_one_item() -> None:
    assert not fitted(np.zeros((3, 4))).any()
    assert not fitted(np.zeros((0, 4))).any()
    assert not fitted(np.array([[0.0, 1.0]])).any()


def test_beyond_the_largest_side_a_seeded_sample_of_users_stands_for_all() -> None:
    x = world(40, 12)
    one = fit_affinity(sparse.csr_matrix(x), L2, 100, 8, seed=1).toarray()
    again = fit_affinity(sparse.csr_matrix(x), L2, 100, 8, seed=1).toarray()
    other = fit_affinity(sparse.csr_matrix(x), L2, 100, 8, seed=2).toarray()
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    chosen = np.sort(np.random.default_rng(1).choice(40, 8, replace=False))
    np.testing.assert_allclose(one, direct(x[chosen]), atol=2e-5)


def test_users_without_engagements_change_nothing() -> None:
    x = world(10, 12)
    np.testing.assert_allclose(fitted(np.vstack([x, np.zeros((30, 12))])), fitted(x), atol=1e-6)
