from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.columns import Table
from features.errors import DataError
from features.quality import scale
from features.quality_settings import Signal
from features.quality_signals import named_signal
from features.schema import SCHEMAS
from features.tables import conform


def catalogue(**columns: Any) -> pl.DataFrame:
    """Return items i1, i2, ... with the columns."""
    count = len(next(iter(columns.values())))
    frame = pl.DataFrame({"item_id": [f"i{n + 1}" for n in range(count)], **columns})
    return conform(frame.lazy(), SCHEMAS[Table.ITEMS], "items").collect(engine="in-memory")


def raw(entry: str, end: float = np.nan, span: float = np.nan, **columns: Any) -> NDArray[np.float64]:
    return named_signal(catalogue(**columns), Signal.parse(entry), end, span)


def same(found: NDArray[np.float64], expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_a_number_is_as_it_is_and_null_is_not_known() -> None:
    same(raw("stock", stock=[3, None, -7]), [3, np.nan, -7])
    same(raw("stock direction=down", stock=[3, None, -7]), [-3, np.nan, 7])


def test_a_column_of_nothing_is_not_known() -> None:
    for entry in ("x", "x kind=count", "x kind=price", "x kind=rating by=x", "x kind=rate by=x", "x kind=freshness"):
        assert np.isnan(raw(entry, end=9.0, span=9.0, x=[None, None])).all()


def test_a_count_is_its_logarithm() -> None:
    same(raw("sold kind=count", sold=[0, None, 9]), [np.log(1 + 0), np.nan, np.log(1 + 9)])


def test_a_rating_is_shrunk_to_the_mean_of_the_rated_items() -> None:
    # Items 1 and 2 have ratings that count: their mean is 4. Nobody rated item 3, so it is what items are on average.
    rating, ratings = [5.0, 3.0, 1.0, None, 2.0], [1, 7, 0, 4, None]
    expected = [(1 * 5 + 3 * 4) / (1 + 3), (7 * 3 + 3 * 4) / (7 + 3), (0 * 1 + 3 * 4) / (0 + 3), np.nan, np.nan]
    same(raw("rating kind=rating by=ratings", rating=rating, ratings=ratings), expected)


def test_without_a_prior_a_rating_is_itself_and_not_known_where_nobody_rated() -> None:
    found = raw("rating kind=rating by=ratings prior=0", rating=[5.0, 3.0, 1.0], ratings=[1, 7, 0])
    same(found, [5, 3, np.nan])


def test_where_nobody_rated_anything_no_rating_is_known() -> None:
    assert np.isnan(raw("rating kind=rating by=ratings", rating=[5.0, 3.0], ratings=[0, 0])).all()


def test_a_rate_is_shrunk_to_the_mean_rate() -> None:
    # 6 of 40 were engaged with; item 3 is not counted, for nobody knows how often it was shown.
    found = raw("bought kind=rate by=seen prior=10", bought=[6, 0, 5, 0], seen=[10, 30, None, 0])
    mean = 6 / 40
    same(found, [(6 + 10 * mean) / (10 + 10), (0 + 10 * mean) / (30 + 10), np.nan, mean])


def test_a_rate_of_nothing_shown_is_not_known() -> None:
    assert np.isnan(raw("bought kind=rate by=seen", bought=[0, 0], seen=[0, 0])).all()
    same(raw("bought kind=rate by=seen prior=0", bought=[1, 0], seen=[4, 0]), [1 / 4, np.nan])


def test_freshness_halves_with_the_half_life_before_the_last_event() -> None:
    born = [date(1970, 1, 11), date(1970, 1, 8), None, date(1970, 3, 1)]  # days 10, 7, -, 59
    found = raw("born kind=freshness half_life=1.5", end=10.0, span=0.0, born=born)
    same(found, [1, 0.5 ** (3 / 1.5), np.nan, 1])


def test_freshness_reads_times_in_their_zone() -> None:
    born = pl.Series([datetime(1970, 1, 2, 1)]).dt.replace_time_zone("Europe/Berlin")  # midnight in UTC, day 1
    same(raw("born kind=freshness half_life=1", end=2.0, span=1.0, born=born), [0.5])


def test_freshness_without_a_half_life_halves_with_a_quarter_of_the_span() -> None:
    born = [datetime(1970, 1, 2, 12)]  # day 1.5
    same(raw("born kind=freshness", end=11.5, span=20.0, born=born), [0.5 ** (10 / 5)])
    same(raw("born kind=freshness", end=3.5, span=2.0, born=born), [0.5 ** (2 / 1)])  # a day at least
    assert np.isnan(raw("born kind=freshness", born=born)).all()


def test_without_times_of_events_freshness_looks_back_from_the_newest_item() -> None:
    born = [date(1970, 1, 11), None, date(1970, 1, 8)]
    same(raw("born kind=freshness half_life=3", born=born), [1, np.nan, 0.5])


def test_the_items_own_time_can_be_named() -> None:
    found = raw("created_at kind=freshness half_life=2 name=new", end=4.0, span=1.0, created_at=[date(1970, 1, 3)])
    same(found, [0.5])


def test_a_price_is_placed_among_those_of_its_category() -> None:
    # Five knives are enough; the two pots are placed among all seven of the kitchen, the lamp among all eight.
    category = ["Kitchen > Knives"] * 5 + ["Kitchen > Pots", "Kitchen>Pots", "Lamps"]
    price = [1.0, 2.0, 2.0, 4.0, 5.0, 3.0, 100.0, 2.5]
    knives = [(2 * rank - 1) / 5 - 1 for rank in (1, 2.5, 2.5, 4, 5)]
    pots = [(2 * rank - 1) / 7 - 1 for rank in (4, 7)]
    same(raw("price kind=price", category=category, price=price), [*knives, *pots, (2 * 4 - 1) / 8 - 1])


def test_an_item_without_a_category_is_placed_among_all_and_one_without_a_price_is_not() -> None:
    found = raw("price kind=price", category=["A", None, "", None], price=[1.0, 2.0, 3.0, None])
    same(found, [(2 * rank - 1) / 3 - 1 for rank in (1, 2, 3)] + [np.nan])


def test_items_without_a_price_do_not_make_a_category_large_enough() -> None:
    found = raw("price kind=price", category=["A"] * 5 + ["B"], price=[1.0, 2.0, 3.0, 4.0, None, 0.0])
    same(found, [*((2 * rank - 1) / 5 - 1 for rank in (2, 3, 4, 5)), np.nan, (2 * 1 - 1) / 5 - 1])


BAD = {
    "nan": [1.0, float("nan"), 3.0, None],
    "infinite": [1.0, 2.0, float("-inf"), float("inf")],
    "large": [1.0, None, 1e39, 3.0],
    "negative": [1.0, 0.0, None, -2.0],
    "four": [4.0, 4.0, 4.0, 4.0],
    "five": [4.0, 5.0, None, 5.0],
    "word": ["a", "b", "c", "d"],
    "flag": [True, False, True, True],
    "day": [date(2024, 1, 1)] * 4,
}
NOT_FINITE = "values are not finite in 32 bits, e.g."
MEND = "Mend them, or leave what is not known null."


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nan", f"items.nan: 1 of 4 {NOT_FINITE} nan of item 'i2'. {MEND}"),
        ("infinite kind=count", f"items.infinite: 2 of 4 {NOT_FINITE} -inf of item 'i3'. {MEND}"),
        ("large kind=price", f"items.large: 1 of 4 {NOT_FINITE} 1e+39 of item 'i3'. {MEND}"),
        ("four kind=rating by=nan", f"items.nan: 1 of 4 {NOT_FINITE} nan of item 'i2'. {MEND}"),
        ("negative kind=count", f"items.negative: 1 of 4 values are not 0 or more, e.g. -2 of item 'i4'. {MEND}"),
        (
            "four kind=rating by=negative",
            f"items.negative: 1 of 4 values are not 0 or more, e.g. -2 of item 'i4'. {MEND}",
        ),
        (
            "negative kind=rate by=four",
            f"items.negative: 1 of 4 values are not 0 or more, e.g. -2 of item 'i4'. {MEND}",
        ),
        (
            "five kind=rate by=four",
            "items.five: 2 of 4 values are not at most items.four, e.g. 5 of item 'i2'. "
            "Count in 'five' only what 'four' counts.",
        ),
        ("word", "features.quality: items.word is String, it must be a number. Cast it."),
        ("flag", "features.quality: items.flag is Boolean, it must be a number. Cast it."),
        ("day", "features.quality: items.day is Date, it must be a number. Cast it."),
        ("four kind=rate by=word", "features.quality: items.word is String, it must be a number. Cast it."),
        ("four kind=freshness", "features.quality: items.four is Float64, it must be Date or Datetime. Cast it."),
    ],
)
def test_a_column_that_cannot_be_used_is_one_line(entry: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        raw(entry, **BAD)
    assert str(error.value) == message


@pytest.mark.parametrize("entry", ["rating", "four kind=rating by=rating", "rating kind=freshness"])
def test_a_column_that_is_absent_is_named_with_those_that_are_there(entry: str) -> None:
    with pytest.raises(DataError, match=r"^features.quality: items has no column 'rating'\. It has item_id, .*four\.$"):
        raw(entry, four=BAD["four"])


Numbers = list[float | None]
KINDS: dict[str, Callable[[Numbers], dict[str, Any]]] = {
    "x": lambda values: {"x": values},
    "x kind=count": lambda values: {"x": values},
    "x kind=rating by=n": lambda values: {"x": values, "n": [7] * len(values)},
    "x kind=rate by=n": lambda values: {"x": values, "n": [1000] * len(values)},
    "x kind=price": lambda values: {"x": values, "category": ["A > B"] * len(values)},
    "x kind=freshness half_life=30": lambda values: {
        "x": pl.Series(
            [None if v is None else date(2024, 1, 1) + timedelta(days=int(v)) for v in values], dtype=pl.Date
        )
    },
}
"""Every kind, and the columns in which a larger ``x`` is more of it."""


def component(entry: str, columns: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    found = scale({"x": np.concatenate([[np.nan], raw(entry, end=20_000.0, span=100.0, **columns)])})
    return found.values[1:, 0], found.missing[1:, 0]


@pytest.mark.parametrize("entry", KINDS)
@settings(deadline=None, max_examples=40)
@given(values=st.lists(st.none() | st.integers(0, 1000).map(float), min_size=1, max_size=30))
def test_a_higher_value_is_never_a_lower_component_and_down_turns_it_round(entry: str, values: Numbers) -> None:
    columns = KINDS[entry]([0.0, 1000.0, *values])
    x = np.array([0.0, 1000.0, *(np.nan if value is None else value for value in values)])
    up, missing = component(entry, columns)
    down, _ = component(f"{entry} direction=down", columns)
    np.testing.assert_array_equal(missing, np.isnan(x))
    assert not up[np.isnan(x)].any()
    known = np.argsort(x)[: np.isfinite(x).sum()]
    assert (np.diff(up[known]) >= 0).all()
    assert up[1] > up[0]
    assert (np.abs(up) <= 1).all()
    np.testing.assert_allclose(down, -up, atol=1e-6)


@pytest.mark.parametrize("entry", KINDS)
@settings(deadline=None, max_examples=40)
@given(values=st.permutations([3.0, None, 900.0, 14.0, 14.0, 0.0, 77.0, 250.0]))
def test_the_order_of_the_rows_means_nothing(entry: str, values: Numbers) -> None:
    order = sorted(range(len(values)), key=lambda row: (values[row] is None, values[row] or 0.0))
    shuffled, _ = component(entry, KINDS[entry](values))
    sorted_up, _ = component(entry, KINDS[entry]([values[row] for row in order]))
    np.testing.assert_allclose(shuffled[order], sorted_up, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(order=st.permutations(range(12)))
def test_the_order_of_the_rows_means_nothing_to_categories(order: list[int]) -> None:
    category = [["A > B", "A > C", None, "D"][row % 4] for row in range(12)]
    price = [None if row == 5 else float(row * row % 7) for row in range(12)]
    found = raw("price kind=price", category=category, price=price)
    turned = raw("price kind=price", category=[category[row] for row in order], price=[price[row] for row in order])
    np.testing.assert_array_equal(turned, found[order])
