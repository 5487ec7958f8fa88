from __future__ import annotations

from math import log1p

import numpy as np

from features.blocks.repeat import RepeatBlock
from features.history import History
from tests.features.blocks.block_world import FULL, assert_told, known, request, telling

BLOCK = RepeatBlock()


def test_features_by_hand() -> None:
    assert_told(BLOCK, {"repeat": [log1p(1), log1p(1), 0]})


def test_engagements_are_counted_where_they_have_an_order_and_a_set_has_each_item_once() -> None:
    user, item = np.array([2, 2, 2]), np.array([1, 2, 1])
    for ordered, count in ((True, 2), (False, 1)):
        history = History.build(user, item, 4, ordered=ordered)
        rows = request(**FULL)._replace(end=history.ends(np.array([2])))
        assert_told(BLOCK, {"repeat": [log1p(count), log1p(1), 0]}, rows=rows, reads=known(history=history))


def test_only_a_user_with_a_history_is_told_of() -> None:
    assert telling(BLOCK, user=2) == {"repeat"}
    assert not telling(BLOCK, user=3, country=2, query=1, source=3)
    assert not telling(BLOCK, user=1)


def test_knowledge_ends_where_the_row_says() -> None:
    assert_told(BLOCK, {"repeat": [log1p(1), 0, 0]}, rows=request(**FULL)._replace(end=np.array([1])))


def test_without_order_a_hidden_item_is_out() -> None:
    rows = request(**FULL)._replace(hide=np.array([[2]]))
    assert_told(BLOCK, {"repeat": [log1p(1), 0, 0]}, rows=rows, reads=known(ordered=False))
