from __future__ import annotations

from math import log

import numpy as np

from features.blocks.transitions import TransitionBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import (
    FULL,
    NOTHING,
    assert_told,
    events,
    features,
    known,
    matrix,
    request,
    telling,
    world,
)

BLOCK = TransitionBlock(matrix(NOTHING, [0, 0, 0.5, 0.25], [0, 0, 0, 1], NOTHING))


def fitted(*, ordered: bool = True, **columns: list[int]) -> np.ndarray:
    rows = events(len(columns["item"]), **columns)
    return TransitionBlock.fit(block_world.log(rows, ordered=ordered), world()).follows.toarray()


def test_what_follows_what_in_the_order_of_events() -> None:
    """User 2 goes from item 1 to 3 and to 2, which the table holds in another order; nobody else goes anywhere."""
    found = fitted(user=[2, 3, 2, 0, 0, 2], item=[2, 3, 3, 1, 2, 1], rank=[5, 1, 4, 2, 3, 0])
    assert found[3, 2] > found[3, 1] > 0  # what came before counts little
    assert found[1, 3] > found[1, 2] > 0  # and what comes later less
    alone = fitted(user=[2, 2, 2], item=[1, 3, 2])
    np.testing.assert_array_equal(found, alone)


def test_rows_of_one_request_do_not_follow_each_other() -> None:
    found = fitted(user=[2, 2, 2], item=[1, 2, 3], request=[0, 0, 1])
    assert found[1, 2] == found[2, 1] == 0
    assert found[1, 3] > 0 and found[2, 3] > 0


def test_what_was_shown_and_not_engaged_with_follows_nothing() -> None:
    rows = events(3, user=[2, 2, 2], item=[1, 2, 3], label=[1.0, 0.0, 1.0])
    found = TransitionBlock.fit(block_world.log(rows, ordered=True), world()).follows.toarray()
    assert set(zip(*np.nonzero(found), strict=True)) == {(1, 3), (3, 1)}


def test_without_order_nothing_is_learned() -> None:
    assert not fitted(ordered=False, user=[2, 2], item=[1, 2]).any()


def test_features_by_hand() -> None:
    # The user's last item is 2, and item 1, which came before it, counts half.
    weight = [0, 0.5 * 0.5, 1 + 0.5 * 0.25]
    assert_told(BLOCK, {"transition": weight, "transition_log": [0, *(log(value / 0.001) for value in weight[1:])]})


def test_only_a_user_with_an_ordered_history_is_told_of() -> None:
    assert telling(BLOCK, user=2) == set(BLOCK.columns)
    assert not telling(BLOCK, user=3, country=2, query=1, source=3)
    assert not any(map(any, features(BLOCK, reads=known(ordered=False)).values()))


def test_knowledge_ends_where_the_row_says() -> None:
    early = request(**FULL)._replace(end=np.array([1]))  # item 1 alone
    found = features(BLOCK, early)
    np.testing.assert_allclose(found["transition"], [0, 0.5, 0.25])
