from __future__ import annotations

from math import log

import numpy as np

from features.blocks.affinity import AffinityBlock
from features.statistics import fit_statistics
from tests.features.blocks import block_world
from tests.features.blocks.block_world import FULL, NOTHING, assert_told, events, known, request, telling, world

BLOCK = AffinityBlock()


def test_the_map_counts_a_user_and_an_item_once() -> None:
    rows = events(4, user=[2, 2, 2, 0], item=[1, 1, 2, 3])
    np.testing.assert_array_equal(block_world.log(rows).user_items.toarray(), [NOTHING, NOTHING, [0, 1, 1, 0], NOTHING])
    # XᵀX = [[1, 1], [1, 1]] over items 1 and 2, so that B = 1 / (1 + 1) both ways.
    expected = np.zeros((4, 4))
    expected[1, 2] = expected[2, 1] = 1 / 2
    found = fit_statistics(rows, np.ones(4, dtype=bool), world(), ordered=False).item_map
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_features_by_hand() -> None:
    # The user engaged with items 1 and 2, whose rows of the map are 0, 0.5, 0 and 0.2, 0, -0.1.
    expected = {"affinity": [0.2, 0.5, -0.1], "affinity_log": [log(0.2 / 0.001), log(0.5 / 0.001), 0]}
    assert_told(BLOCK, expected)


def test_an_item_of_a_history_counts_once() -> None:
    reads = known()
    twice = type(reads.history).build(np.array([2, 2, 2]), np.array([1, 2, 2]), 4, ordered=True)
    rows = request(**FULL)._replace(end=twice.ends(np.array([2])))
    expected = {"affinity": [0.2, 0.5, -0.1], "affinity_log": [log(0.2 / 0.001), log(0.5 / 0.001), 0]}
    assert_told(BLOCK, expected, rows=rows, reads=known(history=twice))


def test_only_a_user_with_a_history_is_told_of() -> None:
    assert telling(BLOCK, user=2) == set(BLOCK.columns)
    assert not telling(BLOCK, user=3, country=2, query=1, source=3)
    assert not telling(BLOCK, user=1)


def test_knowledge_ends_where_the_row_says() -> None:
    early = request(**FULL)._replace(end=np.array([1]))  # item 1 alone
    assert_told(BLOCK, {"affinity": [0, 0.5, 0], "affinity_log": [0, log(0.5 / 0.001), 0]}, rows=early)


def test_without_order_a_hidden_item_is_out() -> None:
    rows = request(**FULL)._replace(hide=np.array([[2]]))
    expected = {"affinity": [0, 0.5, 0], "affinity_log": [0, log(0.5 / 0.001), 0]}
    assert_told(BLOCK, expected, rows=rows, reads=known(ordered=False))
