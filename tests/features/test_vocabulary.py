from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from features.vocabulary import Vocabulary


def test_rows_by_hand() -> None:
    vocabulary = Vocabulary.fit(pl.Series(["b", None, "a", "b"]))
    assert vocabulary.size == 4  # missing, unknown, a, b
    np.testing.assert_array_equal(vocabulary.rows(pl.Series(["a", "b", "c", None])), [2, 3, 1, 0])


def test_without_a_row_for_unknown_an_unknown_value_is_missing() -> None:
    vocabulary = Vocabulary.fit(pl.Series(["b", "a"]), first=1)
    np.testing.assert_array_equal(vocabulary.rows(pl.Series(["a", "b", "c", None])), [1, 2, 0, 0])


@pytest.mark.parametrize("values", [pl.Series([], dtype=pl.String), pl.Series([None, None])])
def test_nothing_to_fit(values: pl.Series) -> None:
    vocabulary = Vocabulary.fit(values)
    assert vocabulary.size == 2
    np.testing.assert_array_equal(vocabulary.rows(pl.Series(["a", None])), [1, 0])
    assert vocabulary.rows(pl.Series([], dtype=pl.String)).shape == (0,)


@given(st.lists(st.one_of(st.none(), st.text(max_size=3))), st.randoms(use_true_random=False))
def test_the_order_of_the_values_does_not_matter(values: list[str | None], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    one, two = (Vocabulary.fit(pl.Series(part, dtype=pl.String)) for part in (values, shuffled))
    assert one.values.to_list() == two.values.to_list()


def test_rows_may_become_tensors_without_a_warning() -> None:
    torch.from_numpy(Vocabulary.fit(pl.Series(["a"])).rows(pl.Series(["a", "b"])))


@pytest.mark.parametrize("first", [1, 2])
def test_saved_is_loaded(tmp_path: Path, first: int) -> None:
    vocabulary = Vocabulary.fit(pl.Series(["빨간", "a > b", ""]), first)
    vocabulary.save(tmp_path / "v.parquet")
    loaded = Vocabulary.load(tmp_path / "v.parquet", first)
    assert loaded.values.to_list() == ["", "a > b", "빨간"]
    np.testing.assert_array_equal(loaded.rows(pl.Series(["빨간", ""])), [first + 2, first])


def test_an_extended_vocabulary_keeps_its_rows() -> None:
    known = Vocabulary.fit(pl.Series(["b", "d"]))
    more = known.extended(pl.Series(["d", "a", None, "c", "a"]))
    assert more.rows(pl.Series(["b", "d", "a", "c", "e", None])).tolist() == [2, 3, 4, 5, 1, 0]
    assert more.size == 6
    assert known.extended(pl.Series(["b", None])) is known


STRINGS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=4)


@given(
    known=st.lists(STRINGS, max_size=30, unique=True),
    later=st.lists(STRINGS, max_size=5, unique=True),
    asked=st.lists(STRINGS | st.none(), max_size=20),
    first=st.sampled_from([1, 2]),
)
def test_few_values_are_found_as_many_are(
    known: list[str], later: list[str], asked: list[str | None], first: int
) -> None:
    """By a search or by a join, in an order that is ascending or not."""
    vocabulary = Vocabulary.fit(pl.Series("value", known, dtype=pl.String), first).extended(
        pl.Series("value", later, dtype=pl.String)
    )
    values = pl.Series([*asked, *known, *later], dtype=pl.String)
    few = vocabulary.rows(values)
    with mock.patch("features.vocabulary._FEW", -1):
        many = vocabulary.rows(values)
    assert few.dtype == many.dtype == np.int64 and few.flags.writeable
    np.testing.assert_array_equal(few, many)
    everything = vocabulary.values.to_list()
    unknown = 0 if first == 1 else 1
    expected = [0 if one is None else everything.index(one) + first if one in everything else unknown for one in values]
    assert few.tolist() == expected
