from __future__ import annotations

from math import log1p

import numpy as np

from features.blocks.popularity import PopularityBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import assert_told, request

BLOCK = PopularityBlock()


def test_engagements_are_counted_by_task() -> None:
    found = block_world.log().by_task
    np.testing.assert_array_equal(found, [[0, 2, 1, 0], [0, 1, 0, 0]])
    assert found.dtype == np.float32


def test_features_by_hand() -> None:
    # 4 and 1 engagements, all in task 0, on twice the scale.
    popular = [log1p(8), log1p(2), 0]
    assert_told(BLOCK, {"popularity": popular, "task_popularity": popular}, rows=request())
    assert_told(BLOCK, {"popularity": popular, "task_popularity": [0, 0, 0]}, rows=request(task=1))
