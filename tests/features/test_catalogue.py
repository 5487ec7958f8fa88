from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.catalogue import Catalogue, build_catalogue, category_levels, load_catalogue, save_catalogue
from features.encoder import TextEncoder
from features.errors import DataError
from features.known import Vocabularies
from features.lexical import Lexicon, bm25_weights
from features.queries import query_forms
from features.text import NgramHasher, bag_of_words, split_words, word_hash
from tests.features.feature_world import assert_same, config, events, items
from tests.tiny_encoder import WIDTH


def build(frame: pl.DataFrame, encoder: str, **changes: Any) -> tuple[Catalogue, Vocabularies]:
    settings = config(encoder, **changes)
    nothing = events(item_id=["i1"]).lazy()
    known = Vocabularies.fit(frame, None, nothing, query_forms(nothing))
    hasher = NgramHasher(settings.text.buckets)
    found = build_catalogue(
        frame.sort("item_id"), known.categories, known.countries, settings, TextEncoder(encoder), hasher
    )
    return found, known


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("Home > Kitchen > Knives", ["Home", "Home > Kitchen", "Home > Kitchen > Knives"]),
        ("Home>Kitchen", ["Home", "Home > Kitchen"]),
        (" > Home >  > Kitchen > ", ["Home", "Home > Kitchen"]),
        ("Home", ["Home"]),
        (" > ", []),
        ("", []),
        (None, None),
    ],
)
def test_levels_of_a_category_path(path: str | None, levels: list[str] | None) -> None:
    found = category_levels(pl.Series([path], dtype=pl.String))
    assert found.to_list() == [levels]


def test_category_rows_are_those_of_the_levels(tiny_encoder: str) -> None:
    frame = items("i1", "i2", "i3", "i4", category=["A > B > C", "A>B", None, " > "])
    catalogue, known = build(frame, tiny_encoder, category_depth=2)
    assert known.categories.values.to_list() == ["A", "A > B", "A > B > C"]
    np.testing.assert_array_equal(catalogue.category, [[0, 0], [2, 3], [2, 3], [0, 0], [0, 0]])


def test_where_an_item_may_be_shown(tiny_encoder: str) -> None:
    frame = items("i1", "i2", "i3", "i4", countries=[["DE", "KR"], None, [], ["KR", None]])
    catalogue, known = build(frame, tiny_encoder, item_countries=1)
    assert known.countries.values.to_list() == ["DE", "KR"]
    np.testing.assert_array_equal(catalogue.countries, [[0], [2], [0], [0], [3]])  # cut for the tower, not the filter
    np.testing.assert_array_equal(catalogue.shown_in(2)[1:], [True, True, False, False])
    np.testing.assert_array_equal(catalogue.shown_in(3)[1:], [True, True, False, True])
    np.testing.assert_array_equal(catalogue.shown_in(1)[1:], [False, True, False, False])  # a country nobody named


def test_without_countries_everything_may_be_shown(tiny_encoder: str) -> None:
    catalogue, _ = build(items("i1", "i2"), tiny_encoder)
    assert catalogue.shown_in(2).all() and not catalogue.restricted.any()


def test_text_is_title_and_text(tiny_encoder: str) -> None:
    frame = items("i1", "i2", "i3", "i4", title=["red", " ", None, "lamp"], text=["chair", "jazz", None, None])
    catalogue, _ = build(frame, tiny_encoder)
    encoder, hasher = TextEncoder(tiny_encoder), NgramHasher(512)
    np.testing.assert_array_equal(catalogue.text[[1, 2, 4]], encoder.encode(["red chair", "jazz", "lamp"]))
    assert not catalogue.text[[0, 3]].any()
    np.testing.assert_array_equal(catalogue.tokens[1:], hasher.matrix(split_words(["red", "jazz", None, "lamp"]), 16))
    assert not catalogue.tokens[0].any()
    np.testing.assert_array_equal(catalogue.lexical[word_hash("chair", 256)].toarray() > 0, [[0, 1, 0, 0, 0]])


def test_a_catalogue_of_one_item_without_any_text(tiny_encoder: str) -> None:
    catalogue, _ = build(items("i1"), tiny_encoder)
    assert catalogue.rows == 2
    assert catalogue.text.shape == (2, WIDTH) and not catalogue.text.any()
    assert catalogue.vectors.shape == (2, 0)
    assert catalogue.lexical.shape == (256, 2) and catalogue.lexical.nnz == 0


def test_rows_are_those_of_the_ids_whatever_the_order_of_the_table(tiny_encoder: str) -> None:
    frame = items("b", "c", "a", title=["red", "blue", "lamp"], countries=[["DE"], None, []], category=["x", "y", "x"])
    one, two = build(frame, tiny_encoder)[0], build(frame.reverse(), tiny_encoder)[0]
    assert_same(one, two)
    np.testing.assert_array_equal(one.ids.rows(pl.Series(["a", "b", "c", "d", None])), [1, 2, 3, 0, 0])


def vector(*values: list[float | None] | None, kind: Any = pl.Float32) -> pl.DataFrame:
    column = pl.Series("vector_image", values, dtype=pl.Array(kind, 2))
    return items(*(f"i{row + 1}" for row in range(len(values)))).with_columns(column)


def test_ready_vectors_have_unit_norm(tiny_encoder: str) -> None:
    catalogue, _ = build(vector([3.0, 4.0], None, [0.0, 0.0]), tiny_encoder, vectors=("image",))
    np.testing.assert_allclose(catalogue.vectors, [[0, 0], [0.6, 0.8], [0, 0], [0, 0]], rtol=1e-6)
    all_null, _ = build(vector(None, None), tiny_encoder, vectors=("image",))
    assert not all_null.vectors.any() and all_null.vectors.shape == (3, 2)


@pytest.mark.parametrize("broken", [[math.nan, 1.0], [math.inf, 1.0], [None, 1.0]])
def test_a_broken_vector_is_named(tiny_encoder: str, broken: list[float | None]) -> None:
    with pytest.raises(DataError, match=r"items.vector_image: 1 of 2 vectors hold NaN, .* e.g. of item 'i2'"):
        build(vector([1.0, 2.0], broken), tiny_encoder, vectors=("image",))


@pytest.mark.parametrize(
    ("frame", "found"),
    [(items("i1"), "absent"), (items("i1").with_columns(vector_image=pl.lit("x")), "of type String")],
)
def test_a_column_that_is_no_vector_is_named(tiny_encoder: str, frame: pl.DataFrame, found: str) -> None:
    with pytest.raises(DataError, match=rf"items.vector_image is {found}, it must be an Array\(Float32, d\)"):
        build(frame, tiny_encoder, vectors=("image",))


def test_bm25_by_the_formula() -> None:
    texts = [None, "red chair", "red red lamp", "blue"]
    bags = bag_of_words(split_words(texts), 256)
    weights = bm25_weights(bags, Lexicon.of(bags), k1=1.5, b=0.5)
    mean = (2 + 3 + 1) / 3
    rarity = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))  # "red" is in two of three texts
    once = rarity * 1 * (1.5 + 1) / (1 + 1.5 * (1 - 0.5 + 0.5 * 2 / mean))
    twice = rarity * 2 * (1.5 + 1) / (2 + 1.5 * (1 - 0.5 + 0.5 * 3 / mean))
    np.testing.assert_allclose(weights[word_hash("red", 256)].toarray()[0], [0, once, twice, 0], rtol=1e-5)
    blue = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5)) * (1.5 + 1) / (1 + 1.5 * (1 - 0.5 + 0.5 * 1 / mean))
    np.testing.assert_allclose(weights[word_hash("blue", 256)].toarray()[0], [0, 0, 0, blue], rtol=1e-5)


def test_saved_is_loaded(tiny_encoder: str, tmp_path: Path) -> None:
    frame = items("i1", "i2", title=["red", None], countries=[["DE"], None], category=["A > B", None])
    catalogue, _ = build(frame, tiny_encoder)
    save_catalogue(catalogue, tmp_path)
    assert_same(load_catalogue(tmp_path), catalogue)
