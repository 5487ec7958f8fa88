from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from features.config import TextConfig
from features.encoder import StaticEncoder, TextEncoder
from features.queries import build_query_table, normal_queries, query_forms, text_vocabulary
from features.text import word_hash
from features.vocabulary import Vocabulary
from tests.features.feature_world import events
from tests.tiny_encoder import WIDTH

TEXT = TextConfig(buckets=64, query_tokens=8)


@pytest.fixture(scope="module")
def static(tiny_encoder: str) -> StaticEncoder:
    return TextEncoder(tiny_encoder).distil()


def strings(*values: str | None) -> pl.Series:
    return pl.Series("query", values, dtype=pl.String)


def test_normal_queries() -> None:
    found = normal_queries(strings(" Red ", None, "", "  ", "red", "RED  Chair"))
    assert found.name == "query"
    assert found.to_list() == ["red", None, None, None, "red", "red chair"]
    assert normal_queries(strings()).to_list() == []
    assert normal_queries(strings(None)).to_list() == [None]


def test_the_forms_of_queries() -> None:
    """Each distinct query once; some row engaged with "Red", none with the others."""
    frame = events(item_id=["i1"] * 6, label=[0.0, 0.0, 1.0, 0.0, 2.0, 0.0])
    frame = frame.with_columns(strings("Red", "red ", None, "!", "Red", "  "))
    assert query_forms(frame.lazy()).rows() == [
        ("  ", False, None),
        ("!", False, "!"),
        ("Red", True, "red"),
        ("red ", False, "red"),
    ]
    assert query_forms(frame.head(0).lazy()).height == 0


def test_a_table_by_hand(static: StaticEncoder) -> None:
    texts = Vocabulary.fit(strings("red chair", "lamp"), first=1)
    table = build_query_table(texts, Vocabulary.fit(strings("red chair")), TEXT, 32, static)
    np.testing.assert_array_equal(table.known, [0, 1, 2])
    np.testing.assert_array_equal(table.length, [0, 1, 2])
    assert not table.tokens[0].any() and table.tokens[1:].any(axis=1).all() and table.tokens.shape == (3, 8)
    assert not table.static[0].any() and table.static.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(table.static[1:].astype(np.float32), axis=1), 1, atol=1e-3)
    assert table.words[2, word_hash("chair", 32)] == 1


def test_a_table_of_no_texts(static: StaticEncoder) -> None:
    table = build_query_table(Vocabulary.fit(strings(), first=1), Vocabulary.fit(strings()), TEXT, 32, static)
    assert table.known.shape == (1,) and table.tokens.shape == (1, 8)
    assert table.static.shape == (1, WIDTH) and table.words.shape == (1, 32)


def test_titles_join_the_texts() -> None:
    titles = pl.Series("title", ["Lamp", None, "red"])
    texts, title_row = text_vocabulary(strings("red", None), titles, np.array([0, 1, 2, 3]))
    assert texts.values.to_list() == ["lamp", "red"]
    np.testing.assert_array_equal(title_row, [0, 1, 0, 2])
    _, some = text_vocabulary(strings("red"), titles, np.array([0, 2]))
    np.testing.assert_array_equal(some, [0, 0, 0, 0])
    none, _ = text_vocabulary(strings(None), titles, np.array([], dtype=np.int64))
    assert none.size == 1
