from __future__ import annotations

from math import log

import numpy as np

from features.blocks.words import WordBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import SIZES, assert_told, events, matrix, telling, world

BLOCK = WordBlock(matrix([0, 0.5, 0.25, 0], [0, 0, 0, 0.1]))


def test_shares_by_hand() -> None:
    # Word "a" led to item 1 twice and to item 2 once, word "b" once to each; 5 engagements with nothing come on top.
    found = WordBlock.fit(block_world.log(), world()).by_word
    expected = [[0, 2 / (3 + 5), 1 / (3 + 5), 0], [0, 1 / (2 + 5), 1 / (2 + 5), 0]]
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_nothing_to_count() -> None:
    found = WordBlock.fit(block_world.log(events(0)), world()).by_word
    assert found.shape == (2, SIZES.items) and found.nnz == 0
    assert np.isfinite(found.toarray()).all()


def test_features_by_hand() -> None:
    # Means over the two words of the query: 0.25, 0.125 and 0.05.
    assert_told(BLOCK, {"word_share": [log(0.25 / 0.001), log(0.125 / 0.001), log(0.05 / 0.001)]})


def test_only_a_query_of_known_words_is_told_of() -> None:
    assert telling(BLOCK, query=1) == {"word_share"}
    assert not telling(BLOCK, query=2)
    assert not telling(BLOCK, user=2, country=2, source=3)
