from __future__ import annotations

from math import sqrt

import numpy as np

from features.blocks.text import TextBlock
from tests.features.blocks.block_world import FULL, assert_told, features, known, request, telling

BLOCK = TextBlock()
EXPECTED = {
    "text_cosine": [1, 0, 0.6],
    "history_text": [1 / sqrt(2), 1 / sqrt(2), 1.4 / sqrt(2)],  # items 1 and 2: (1, 0) and (0, 1)
    "source_text": [0.6, 0.8, 1],
}


def test_features_by_hand() -> None:
    assert_told(BLOCK, EXPECTED)


def test_each_field_is_told_of_on_its_own() -> None:
    assert telling(BLOCK, query=1) == telling(BLOCK, query=2) == {"text_cosine"}  # a new query has a text, too
    assert telling(BLOCK, user=2) == {"history_text"}
    assert telling(BLOCK, source=3) == {"source_text"}
    assert not telling(BLOCK, user=1, country=2)


def test_knowledge_ends_where_the_row_says() -> None:
    early = request(**FULL)._replace(end=np.array([1]))  # item 1 alone
    assert_told(BLOCK, EXPECTED | {"history_text": [1, 0, 0.6]}, rows=early)


def test_without_order_a_hidden_item_is_out() -> None:
    rows = request(**FULL)._replace(hide=np.array([[1]]))
    np.testing.assert_allclose(features(BLOCK, rows, reads=known(ordered=False))["history_text"], [0, 1, 0.8])
