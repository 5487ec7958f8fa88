from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from features.errors import DataError
from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines import ease_map as ease_map_module
from training.evaluation.baselines.base import World
from training.evaluation.baselines.ease import Ease
from training.evaluation.baselines.ease_map import ease_map
from training.evaluation.baselines.ease_queries import EaseQueries

ITEMS = catalogue("a", "b", "c", "d", "never")


def closed_form(x: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """The item-item weights as in the paper, from a dense matrix."""
    precision = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    return weights


@settings(max_examples=40)
@given(
    rows=st.integers(1, 40),
    items=st.integers(1, 25),
    density=st.sampled_from([0.0, 0.05, 0.2, 0.6]),
    l2=st.sampled_from([0.5, 20.0, 500.0]),
    seed=st.integers(0, 99),
)
def test_the_map_is_the_closed_form_on_either_side(rows: int, items: int, density: float, l2: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = (random.random((rows, items)) < density).astype(np.float32)  # with rows of one item, and of none
    history = random.random((7, items)) * (random.random((7, items)) < 0.3)
    found = ease_map(sparse.csr_matrix(x), l2).apply(sparse.csr_matrix(history, dtype=np.float32))
    np.testing.assert_allclose(found, history @ closed_form(x.astype(np.float64), l2), rtol=1e-3, atol=2e-5)


def test_a_history_that_nobody_shares_is_served_by_popularity() -> None:
    rows = events(
        *({"user_id": user, "item_id": item} for user in "uv" for item in "ab"),
        {"user_id": "alone", "item_id": "c"},
        {"item_id": "d"},
    )
    baseline = Ease(l2=1.0)
    late = events({"user_id": "late", "item_id": "never"})
    baseline.fit(World(ITEMS, rows, rows.vstack(late)))
    asked = asking(request_id=["1", "2", "3", "4"], user_id=["u", "alone", "late", None])
    found = baseline.scores(asked).tolist()
    assert found[0][0] > 0 and found[0][2:] == [0, 0, 0]
    assert found[1] == found[2] == found[3] == [2, 2, 1, 1, 0]


def test_recency_weighs_the_history() -> None:
    rows = events(
        *({"user_id": f"{user}", "item_id": item, "order": 1} for user in range(5) for item in "ab"),
        *({"user_id": f"{user}", "item_id": item, "order": 1} for user in range(5, 10) for item in "cd"),
    )
    late = events(
        {"user_id": "w", "item_id": "c", "order": 2},
        {"user_id": "w", "item_id": "a", "order": 3},
    )
    baseline = Ease(l2=1.0, recency=1.0)
    baseline.fit(World(ITEMS, rows, rows.vstack(late)))
    found = baseline.scores(asking(request_id=["1"], user_id=["w"]))[0]
    # Two items of the same five users: XᵀX + 1 = [[6, 5], [5, 6]], so either lends the other 5 / 6.
    assert found[[1, 3]].tolist() == pytest.approx([5 / 6, 5 / 6 / 2], rel=1e-5)


def test_more_than_can_be_inverted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_map_module, "LARGEST_SIDE", 3)
    x = sparse.csr_matrix(np.ones((4, 5), dtype=np.float32))
    with pytest.raises(DataError, match=r"ease-queries: there are 4 rows and 5 items .* may be at most 3\. Leave"):
        ease_map(x, 1.0, "ease-queries")
    ease_map(x[:3], 1.0)


def test_queries_are_rows_beside_the_users_and_history_and_query_are_added() -> None:
    rows = events(
        *(
            {"user_id": user, "item_id": item, "query": " Red  LAMP" if item == "c" else None}
            for user in "uv"
            for item in "abc"
        ),
        {"user_id": "w", "item_id": "a"},
        {"item_id": "d", "query": "red lamp"},
        {"item_id": "d", "query": "chair"},
    )
    baseline = EaseQueries(l2=2.0)
    baseline.fit(World(ITEMS, rows, rows))
    red = [0, 0, 1, 1]
    x = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0], red, [0, 0, 0, 1]], dtype=np.float64)
    weights = closed_form(x, 2.0)
    asked = asking(
        request_id=["both", "query", "user", "unknown"],
        user_id=["w", None, "w", "w"],
        query=["red lamp", "RED LAMP", None, "sofa"],
    )
    both, query, user, unknown = baseline.scores(asked)[:, :4]
    np.testing.assert_allclose(both, (np.array([1, 0, 0, 0]) + red) @ weights, atol=1e-6)
    np.testing.assert_allclose(query, red @ weights, atol=1e-6)
    np.testing.assert_allclose(user, np.array([1, 0, 0, 0]) @ weights, atol=1e-6)
    np.testing.assert_array_equal(unknown, user)
