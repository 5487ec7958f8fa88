from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.item_knn import ItemKnn, neighbours

ITEMS = catalogue("a", "b", "c", "d")


def fitted(world: World, **settings: float) -> ItemKnn:
    baseline = ItemKnn(**settings)
    baseline.fit(world)
    return baseline


def test_the_cosine_is_shrunk() -> None:
    rows = events(
        *({"user_id": user, "item_id": "a"} for user in "uvw"),
        *({"user_id": user, "item_id": "b"} for user in "uv"),
        {"user_id": "w", "item_id": "c"},
        {"user_id": "x", "item_id": "a"},
    )
    found = fitted(World(ITEMS, rows, rows), shrink=1.0).scores(asking(request_id=["1", "2"], user_id=["x", "w"]))
    to_b, to_c = 2 / (math.sqrt(4 * 2) + 1), 1 / (math.sqrt(4 * 1) + 1)
    assert found[0].tolist() == pytest.approx([0, to_b, to_c, 0])
    assert found[1].tolist() == pytest.approx([to_c, to_b, to_c, 0])  # of a and c, and b shares nobody with c


def test_the_latest_items_weigh_more() -> None:
    rows = events(
        *({"user_id": "u", "item_id": item, "order": 1} for item in "ab"),
        *({"user_id": "v", "item_id": item, "order": 1} for item in "cd"),
        {"user_id": "w", "item_id": "a", "order": 1},
        {"user_id": "w", "item_id": "c", "order": 2},
    )
    asked = asking(request_id=["1"], user_id=["w"])
    alike = 1 / math.sqrt(2 * 1)  # a and b, c and d: one user of both, two and one of either
    found = fitted(World(ITEMS, rows, rows), shrink=0.0, decay=0.8).scores(asked)[0]
    assert found[[1, 3]].tolist() == pytest.approx([0.8 * alike, alike])


def test_a_source_item_weighs_three_times_the_history() -> None:
    rows = events(
        *({"user_id": "u", "item_id": item} for item in "ab"),
        *({"user_id": "v", "item_id": item} for item in "cd"),
        {"user_id": "w", "item_id": "a"},
        {"user_id": "w", "item_id": "b"},
    )
    ours = fitted(World(ITEMS, rows, rows), shrink=0.0)
    asked = asking(request_id=["1", "2", "3"], user_id=["w", None, None], source_item_id=["c", "c", "ghost"])
    both, source, unknown = ours.scores(asked).tolist()
    assert both == pytest.approx([1, 1, 0, 3 * 2])  # a and b by each other; d by c, which weighs 3 · (1 + 1)
    assert source == pytest.approx([0, 0, 0, 1])
    assert unknown == [2, 2, 1, 1]  # popularity


def test_only_the_nearest_neighbours_lend() -> None:
    random = np.random.default_rng(0)
    x = sparse.csr_matrix((random.random((30, 12)) < 0.4).astype(np.float32))
    dense = x.toarray()
    both = dense.T @ dense
    cosine = both / (np.sqrt(np.outer(np.diag(both), np.diag(both))) + 2.0)
    np.fill_diagonal(cosine, 0.0)
    np.testing.assert_allclose(neighbours(x, 2.0, 50).toarray(), cosine, rtol=1e-5)
    kept = neighbours(x, 2.0, 3).toarray()
    assert ((kept > 0).sum(axis=1) == 3).all()
    np.testing.assert_allclose(np.sort(kept, axis=1)[:, -3:], np.sort(cosine, axis=1)[:, -3:], rtol=1e-5)
    np.testing.assert_allclose(kept[kept > 0], cosine[kept > 0], rtol=1e-5)
