from __future__ import annotations

from math import log

import numpy as np
import pytest

from features.blocks import similar_queries
from features.blocks.similar_queries import SimilarQueryBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import assert_told, events, features, matrix, request, telling, world

BLOCK = SimilarQueryBlock(  # queries 2 and 3; numbers that half precision holds
    row=np.array([2, 3]),
    vector=np.array([[1, 0], [0.75, 0.625]], dtype=np.float16),
    shares=matrix([0, 0.9, 0, 0], [0, 0.25, 0.5, 0]),
)


def test_shares_by_hand() -> None:
    # Query 2 has one engagement, query 3 two; two with nothing come on top of each.
    found = SimilarQueryBlock.fit(block_world.log(), world())
    np.testing.assert_array_equal(found.row, [2, 3])
    np.testing.assert_array_equal(found.vector, np.array([[1, 0], [0.75, 0.625]], dtype=np.float16))
    expected = [[0, 1 / (1 + 2), 0, 0], [0, 1 / (2 + 2), 1 / (2 + 2), 0]]
    np.testing.assert_allclose(found.shares.toarray(), expected, rtol=1e-6)


def test_the_most_engaged_queries_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar_queries, "MOST", 1)
    found = SimilarQueryBlock.fit(block_world.log(), world())
    assert found.row.tolist() == [3] and found.vector.shape == (1, 2) and found.shares.shape == (1, 4)


def test_the_query_itself_is_left_out() -> None:
    # Query 3 is at a cosine of 0.75 from query 2: it weighs (0.75 - 0.4)², of (1 - 0.4)² at most.
    weight = 0.35**2 / 0.6**2
    share = [log(weight * 0.25 / 0.001), log(weight * 0.5 / 0.001), 0]
    assert_told(BLOCK, {"similar_share": share, "similar_weight": [weight * 0.75] * 3})


def test_a_query_that_is_not_known_is_like_those_that_are() -> None:
    # The new text is at (0, 1): a cosine of 0.625 from query 3, and none from query 2.
    weight = 0.225**2 / 0.6**2
    share = [log(weight * 0.25 / 0.001), log(weight * 0.5 / 0.001), 0]
    assert_told(BLOCK, {"similar_share": share, "similar_weight": [weight * 0.75] * 3}, rows=request(query=2))


def test_several_near_queries_are_averaged() -> None:
    both = SimilarQueryBlock(BLOCK.row, np.array([[0, 1], [0, 1]], dtype=np.float16), BLOCK.shares)
    share = [log((0.9 + 0.25) / 2 / 0.001), log(0.5 / 2 / 0.001), 0]
    assert_told(both, {"similar_share": share, "similar_weight": [(0.9 + 0.75) / 2] * 3}, rows=request(query=2))


def test_only_the_nearest_speak() -> None:
    """Twenty queries are at a cosine of 1, and one more at 0.9 that would speak for item 2."""
    vector = np.array([[0, 1]] * 20 + [[0.436, 0.9]], dtype=np.float16)
    many = SimilarQueryBlock(np.arange(2, 23), vector, matrix(*[[0, 0.5, 0, 0]] * 20, [0, 0, 0.5, 0]))
    found = features(many, request(query=2))["similar_share"]
    np.testing.assert_allclose(found, [log(0.5 / 0.001), 0, 0], rtol=1e-4)


def test_only_a_query_is_told_of() -> None:
    assert telling(BLOCK, query=1) == telling(BLOCK, query=2) == set(BLOCK.columns)
    assert not telling(BLOCK, user=2, country=2, source=3)


def test_no_query_was_engaged_with() -> None:
    nothing = SimilarQueryBlock.fit(block_world.log(events(0)), world())
    assert nothing.row.shape == (0,) and nothing.vector.shape == (0, 2) and nothing.shares.shape == (0, 4)
    assert not telling(nothing, query=1)
