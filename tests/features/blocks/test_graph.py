from __future__ import annotations

from math import sqrt

import numpy as np

from features.blocks.graph import GraphBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import (
    FULL,
    NOTHING,
    RESERVED,
    assert_told,
    features,
    known,
    matrix,
    request,
    telling,
    vectors,
    world,
)

BLOCK = GraphBlock(matrix(*RESERVED, [0, 3, 0, 0], NOTHING))
EXPECTED = {  # items 1, 2 and 3 are at (1, 0), (0, 1) and (0.8, 0.6)
    "history_graph": [1 / sqrt(2), 1 / sqrt(2), 1.4 / sqrt(2)],
    "query_graph": [1, 0, 0.8],
    "source_graph": [0.8, 0.6, 1],
}


def test_a_query_is_the_mean_of_its_engagements() -> None:
    found = GraphBlock.fit(block_world.log(), world()).by_query
    np.testing.assert_array_equal(found.toarray(), [*RESERVED, [0, 1, 0, 0], [0, 1, 1, 0]])
    both = GraphBlock(matrix(*RESERVED, [0, 3, 4, 0], NOTHING))
    np.testing.assert_allclose(features(both)["query_graph"], [3 / 5, 4 / 5, (3 * 0.8 + 4 * 0.6) / 5], rtol=1e-6)


def test_features_by_hand() -> None:
    assert_told(BLOCK, EXPECTED)


def test_each_field_is_told_of_on_its_own() -> None:
    assert telling(BLOCK, user=2) == {"history_graph"}
    assert telling(BLOCK, query=1) == {"query_graph"}
    assert telling(BLOCK, source=3) == {"source_graph"}
    assert not telling(BLOCK, user=1, country=2, query=2)


def test_knowledge_ends_where_the_row_says() -> None:
    early = request(**FULL)._replace(end=np.array([1]))  # item 1 alone
    assert_told(BLOCK, EXPECTED | {"history_graph": [1, 0, 0.8]}, rows=early)


def test_without_order_a_hidden_item_is_out() -> None:
    rows = request(**FULL)._replace(hide=np.array([[1]]))
    np.testing.assert_allclose(features(BLOCK, rows, reads=known(ordered=False))["history_graph"], [0, 1, 0.6])


def test_without_vectors_there_is_nothing_to_say() -> None:
    found = features(BLOCK, reads=known(graph=vectors([], [], [], [])))
    assert not any(map(any, found.values()))
