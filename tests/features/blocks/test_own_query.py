from __future__ import annotations

from math import log, log1p

import numpy as np

from features.blocks.own_query import OwnQueryBlock
from tests.features.blocks.block_world import FULL, assert_told, features, known, request, telling

BLOCK = OwnQueryBlock()
EXPECTED = {  # for the query the user engaged with item 2, whose row of the map is 0.2, 0, -0.1
    "query_affinity": [0.2, 0, -0.1],
    "query_affinity_log": [log(0.2 / 0.001), 0, 0],
    "query_repeat": [0, log1p(1), 0],
}


def test_features_by_hand() -> None:
    assert_told(BLOCK, EXPECTED)
    assert_told(BLOCK, EXPECTED, reads=known(ordered=False))


def test_only_what_this_user_did_for_this_query_is_told_of() -> None:
    assert telling(BLOCK, user=2, query=1) == set(BLOCK.columns)
    for other in ({"user": 2}, {"query": 1}, {"user": 3, "query": 1}, {"user": 2, "query": 2}, {"user": 1, "query": 1}):
        assert not telling(BLOCK, **other, country=2, source=3)


def test_knowledge_ends_where_the_row_says() -> None:
    none = {name: [0, 0, 0] for name in BLOCK.columns}
    assert_told(BLOCK, none, rows=request(**FULL)._replace(query_end=np.array([0])))
    assert_told(BLOCK, EXPECTED, rows=request(**FULL)._replace(query_end=np.array([1])))


def test_without_order_a_hidden_item_is_out() -> None:
    rows = request(**FULL)._replace(hide=np.array([[2]]))
    assert not any(map(any, features(BLOCK, rows, reads=known(ordered=False)).values()))


def test_a_query_that_stands_in_for_none_was_never_the_users() -> None:
    rows = request(user=2, source=3)
    found = features(BLOCK, rows, filled=rows._replace(query=np.array([1])))
    assert not any(map(any, found.values()))
