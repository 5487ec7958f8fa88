from __future__ import annotations

from features.blocks.lexical import LexicalBlock
from tests.features.blocks.block_world import assert_told, telling

BLOCK = LexicalBlock()


def test_features_by_hand() -> None:
    assert_told(BLOCK, {"lexical": [0.15, 0, 0.3], "lexical_of_best": [0.5, 0, 1]})  # weights 1.5, 0 and 3


def test_only_a_query_with_words_of_the_catalogue_is_told_of() -> None:
    assert telling(BLOCK, query=1) == set(BLOCK.columns)
    assert not telling(BLOCK, query=2)
    assert not telling(BLOCK, user=2, country=2, source=3)
