from __future__ import annotations

from math import log, log1p

import numpy as np

from features.blocks.query import QueryBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import NOTHING, RESERVED, assert_told, matrix, telling, world

BLOCK = QueryBlock(matrix(*RESERVED, [0, 3, 0, 0], NOTHING))


def test_engagements_are_counted_by_known_query() -> None:
    found = QueryBlock.fit(block_world.log(), world()).by_query
    np.testing.assert_array_equal(found.toarray(), [*RESERVED, [0, 1, 0, 0], [0, 1, 1, 0]])


def test_features_by_hand() -> None:
    # Counts are on twice their scale: 6 for the query; popularity is 8, 2 and 0 of 10.
    expected = {
        "query_ratio": [log((6 + 0.1) / (8 + 10)), log(0.1 / (2 + 10)), log(0.1 / 10)],
        "query_count": [log1p(6), 0, 0],
        "query_share": [6 / (6 + 1), 0, 0],
    }
    assert_told(BLOCK, expected)


def test_only_a_known_query_is_told_of() -> None:
    assert telling(BLOCK, query=1) == set(BLOCK.columns)
    assert not telling(BLOCK, user=2, country=2, source=3)
    assert not telling(BLOCK, query=2)
