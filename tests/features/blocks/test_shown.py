from __future__ import annotations

from dataclasses import replace
from math import log1p

import numpy as np

from features.blocks.shown import ShownBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import (
    NOTHING,
    RESERVED,
    ROWS,
    assert_told,
    matrix,
    request,
    telling,
    vectors,
    world,
)

BLOCK = ShownBlock(
    by_task=vectors([0, 9, 4, 2], [0, 1, 0, 0]),
    by_query=matrix(*RESERVED, [0, 6, 0, 2], NOTHING),
    by_source=matrix(NOTHING, NOTHING, NOTHING, [0, 4, 3, 0]),
)
ANYWHERE = {"shown": [log1p(20), log1p(8), log1p(4)], "task_shown": [log1p(18), log1p(8), log1p(4)]}


def test_rows_are_counted_engaged_or_not() -> None:
    found = ShownBlock.fit(block_world.log(), world())
    np.testing.assert_array_equal(found.by_task, [[0, 2, 1, 2], [0, 1, 0, 0]])
    np.testing.assert_array_equal(found.by_query.toarray(), [*RESERVED, [0, 1, 0, 0], [0, 1, 1, 2]])
    np.testing.assert_array_equal(found.by_source.toarray(), [NOTHING, NOTHING, NOTHING, [0, 1, 1, 1]])


def test_where_every_row_is_an_engagement_there_is_nothing_to_say() -> None:
    log = block_world.log(ROWS._replace(label=np.ones(6)))
    found = ShownBlock.fit(log, world())
    assert not found.by_task.any() and found.by_query.nnz == found.by_source.nnz == 0
    assert found.by_task.shape == (2, 4)


def test_zeros_among_rows_that_may_not_be_counted_say_that_rows_were_pages() -> None:
    kept = np.array([True] * 4 + [False] * 2)
    log = block_world.Log.of(ROWS, kept, world().home, block_world.SIZES, ordered=False)
    np.testing.assert_array_equal(ShownBlock.fit(log, world()).by_task, [[0, 2, 1, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(ShownBlock.fit(replace(log, pages=log.shown), world()).by_task, log.by_task)


def test_features_by_hand() -> None:
    # Twice what was counted.
    expected = {"query_shown": [log1p(12), 0, log1p(4)], "source_shown": [log1p(8), log1p(6), 0]}
    assert_told(BLOCK, expected | ANYWHERE)


def test_a_task_has_rows_of_its_own() -> None:
    nothing = {"query_shown": [0, 0, 0], "source_shown": [0, 0, 0]}
    assert_told(BLOCK, nothing | ANYWHERE | {"task_shown": [log1p(2), 0, 0]}, rows=request(task=1))


def test_a_query_and_a_source_item_are_told_of_each_on_its_own() -> None:
    assert telling(BLOCK, query=1) == {"query_shown", *ANYWHERE}
    assert telling(BLOCK, source=3) == {"source_shown", *ANYWHERE}
    assert telling(BLOCK, user=2, country=2, query=2) == set(ANYWHERE)
