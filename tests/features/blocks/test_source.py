from __future__ import annotations

from math import log, log1p

import numpy as np

from features.blocks.source import SourceBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import NOTHING, assert_told, matrix, telling, world

BLOCK = SourceBlock(matrix(NOTHING, NOTHING, NOTHING, [0, 1, 0, 0]))


def test_engagements_are_counted_by_source_item() -> None:
    found = SourceBlock.fit(block_world.log(), world()).by_source
    np.testing.assert_array_equal(found.toarray(), [NOTHING, NOTHING, NOTHING, [0, 1, 1, 0]])


def test_features_by_hand() -> None:
    # The source item's row of the map is 0.3, 0, 0; it was engaged next to item 1 once, on twice the scale.
    assert_told(BLOCK, {"source_affinity": [log(0.3 / 0.001), 0, 0], "source_count": [log1p(2), 0, 0]})


def test_only_a_source_item_is_told_of() -> None:
    assert telling(BLOCK, source=3) == set(BLOCK.columns)
    assert not telling(BLOCK, user=2, country=2, query=1)
