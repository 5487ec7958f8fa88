from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.errors import DataError
from features.quality import ItemEvents, scale, signals
from tests.features.feature_world import items

NAMES = ("engagements", "engagement_rate", "trend", "freshness")


def counted(**changes: Any) -> ItemEvents:
    zeros = np.zeros(3, dtype=np.float32)
    facts = {"engaged": zeros, "shown": zeros, "timed": zeros, "recent": zeros, "end": np.nan, "span": np.nan}
    return ItemEvents(**(facts | {name: np.asarray(value, dtype=np.float32) for name, value in changes.items()}))


CATALOGUE = items("i1", "i2")


def test_engagements_and_their_rate() -> None:
    found = signals(CATALOGUE, counted(engaged=[0, 3, 0], shown=[0, 4, 6]), ())
    np.testing.assert_allclose(found["engagements"], [0, np.log(1 + 3), 0])
    mean = 3 / 10
    expected = [(3 + mean * 20) / (4 + 20), (0 + mean * 20) / (6 + 20)]
    np.testing.assert_allclose(found["engagement_rate"][1:], expected, rtol=1e-6)


def test_without_zeros_the_rate_is_not_known() -> None:
    assert np.isnan(signals(CATALOGUE, counted(engaged=[0, 3, 1], shown=[0, 3, 1]), ())["engagement_rate"]).all()


def test_the_trend_compares_the_latest_quarter_with_an_even_spread() -> None:
    events = counted(engaged=[0, 9, 4], timed=[0, 8, 4], recent=[0, 8, 0], end=100, span=40)
    found = signals(CATALOGUE, events, ())["trend"]
    np.testing.assert_allclose(found[1:], [np.log((8 + 1) / (0.25 * 8 + 1)), np.log((0 + 1) / (0.25 * 4 + 1))])


def test_freshness_halves_with_a_quarter_of_the_span() -> None:
    created = [datetime(1970, 3, 22), datetime(1970, 5, 1)]  # days 80 and 120; the last event is on day 100
    found = signals(items("i1", "i2", created_at=created), counted(end=100, span=40), ())["freshness"]
    np.testing.assert_allclose(found, [np.nan, 0.5 ** (20 / 10), 1.0])


def test_the_names_do_not_depend_on_what_the_events_hold() -> None:
    for events in (counted(), counted(engaged=[0, 1, 0], shown=[0, 2, 0], end=10, span=0), counted(end=10, span=5)):
        found = scale(signals(CATALOGUE, events, ()))
        assert found.names == NAMES
        assert found.values.shape == found.missing.shape == (3, 4)
        assert np.isfinite(found.values).all()


def test_named_columns_follow_in_the_order_of_their_names_and_padding_is_not_known() -> None:
    frame = items("i1", "i2").with_columns(rating=pl.Series([4.5, None]), stock=pl.Series([3, 7]))
    found = signals(frame, counted(), ("stock", "rating", "stock kind=count name=stocked"))
    assert tuple(found) == (*NAMES, "stock", "rating", "stocked")
    np.testing.assert_array_equal(found["rating"], [np.nan, 4.5, np.nan])
    np.testing.assert_array_equal(found["stock"], [np.nan, 3, 7])
    np.testing.assert_allclose(found["stocked"], [np.nan, np.log(1 + 3), np.log(1 + 7)])


def test_named_freshness_is_that_of_the_last_event() -> None:
    frame = items("i1", "i2").with_columns(edited=pl.Series([datetime(1970, 3, 22), datetime(1970, 4, 11)]))
    found = signals(
        frame, counted(end=100, span=40), ("edited kind=freshness", "edited kind=freshness half_life=5 name=e")
    )
    np.testing.assert_allclose(found["edited"], [np.nan, 0.5 ** (20 / 10), 1.0])  # day 80
    np.testing.assert_allclose(found["e"], [np.nan, 0.5 ** (20 / 5), 1.0])


def test_a_catalogue_of_nothing_has_the_names_all_the_same() -> None:
    zeros = np.zeros(1, dtype=np.float32)
    nothing = ItemEvents(zeros, zeros, zeros, zeros, np.nan, np.nan)
    frame = items("i1").with_columns(n=pl.lit(1), day=pl.lit(datetime(2024, 1, 1))).clear()
    named = ("n", "n kind=rating by=n name=b", "n kind=rate by=n name=c", "n kind=price name=d", "day kind=freshness")
    found = scale(signals(frame, nothing, named))
    assert found.names == (*NAMES, "n", "b", "c", "d", "day")
    np.testing.assert_array_equal(found.values, np.zeros((1, 9)))
    assert found.missing[0, 4:].all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rating", "features.quality: items has no column 'rating'. It has item_id, title, "),
        ("title", "features.quality: items.title is String, it must be a number. Cast it."),
        ("trend", "features.quality: 'trend' is there already (engagements, "),
        ("title name=freshness", "features.quality: 'freshness' is there already (engagements, "),
    ],
)
def test_a_column_that_is_no_signal_is_named(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        signals(CATALOGUE, counted(), (name,))


def test_scaling_by_hand() -> None:
    raw = np.array([np.nan, 0.0, 1.0, 2.0, 3.0, 100.0])  # quartiles 1, 2, 3: a unit is three spreads of 2
    found = scale({"rating": raw})
    expected = [0, (0 - 2) / 6, (1 - 2) / 6, 0, (3 - 2) / 6, 1]  # what is beyond is cut
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(found.missing[:, 0], [1, 0, 0, 0, 0, 0])


def test_what_is_missing_is_in_the_middle_and_flagged() -> None:
    found = scale({"rating": np.array([7.0, np.nan, 5.0, np.inf, 5.0])})
    np.testing.assert_array_equal(found.values[:, 0], [0] * 5)  # no spread, and padding is never known
    np.testing.assert_array_equal(found.missing[:, 0], [1, 1, 0, 1, 0])


def test_where_most_items_are_alike_the_deviation_is_the_unit() -> None:
    raw = np.array([np.nan, 0, 0, 0, 0, 0, 0, 1.0])
    found = scale({"engagements": raw}).values[:, 0]
    np.testing.assert_allclose(found[-1], 1 / (3 * np.std([0] * 6 + [1])), rtol=1e-6)
    assert not found[:-1].any()
