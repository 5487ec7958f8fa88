"""Whether the default world looks like a log: stated ranges for what such logs are known by."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from features.text import words
from tests.features.simulate.world_tables import Tables

HEAD = 1_000
"""The most frequent queries, or items, whose counts show the exponent."""


def zipf_exponent(values: pl.Series) -> float:
    """Slope of the logarithm of the count over the logarithm of the rank, among the head, with its sign turned."""
    counts = values.value_counts(sort=True)["count"].head(HEAD)
    return -float(np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)[0])


def test_zipf_exponent_by_hand() -> None:
    values = pl.Series(np.repeat(np.arange(50), 10_000 // np.arange(1, 51)))  # the count is 10,000 over the rank
    assert zipf_exponent(values) == pytest.approx(1.0, abs=0.01)


def engaged(market: Tables) -> pl.DataFrame:
    return market.events.filter(pl.col("label") > 0)


def queries(market: Tables) -> pl.Series:
    return market.asked["query"].drop_nulls()


# Queries


def test_queries_have_a_zipf_head_and_a_long_tail(market: Tables) -> None:
    assert 0.6 <= zipf_exponent(queries(market)) <= 1.1
    once = queries(market).value_counts()["count"] == 1
    assert 0.6 <= once.sum() / len(queries(market)) <= 0.8  # of the searches; they are nine in ten distinct queries


def test_queries_have_two_or_three_words(market: Tables) -> None:
    lengths = [len(words(query)) for query in queries(market)]
    assert 1.8 <= np.mean(lengths) <= 3.2
    assert min(lengths) == 1


# Items


def test_engaged_items_have_a_zipf_head(market: Tables) -> None:
    assert 0.4 <= zipf_exponent(engaged(market)["item_id"]) <= 1.1


def test_a_tenth_of_the_items_is_cold(market: Tables) -> None:
    late = (market.items["created_at"] >= datetime(2025, 6, 12)).sum()  # day 162 of 180
    assert abs(late - 1_000) <= 1


def test_cold_items_are_among_the_targets(market: Tables) -> None:
    rows = market.events.with_row_index().filter(pl.col("label") > 0)
    first = rows.group_by("item_id").agg(first=pl.col("timestamp").min())
    late = rows.filter(pl.col("index") >= 108_000).join(first, on="item_id", how="left", validate="m:1")
    assert 0.05 <= (late["timestamp"] == late["first"]).mean() <= 0.3


def test_users_come_back_to_the_same_items(market: Tables) -> None:
    pairs = engaged(market).filter(pl.col("user_id").is_not_null()).select("user_id", "item_id")
    assert 0.05 <= 1 - pairs.n_unique() / len(pairs) <= 0.25


def test_what_goes_with_an_item_often_shares_no_word_with_it(market: Tables) -> None:
    title = {item: set(words(text)) for item, text in market.items.select("item_id", "title").iter_rows()}
    pairs = engaged(market).filter(pl.col("task") == "similar").select("item_id", "source_item_id")
    strangers = [not title[item] & title[source] for item, source in pairs.iter_rows()]
    assert np.mean(strangers) > 0.2


# Pages


@pytest.mark.parametrize(
    ("task", "decay"), [("search", 0.8), ("recommendation", 0.5), ("similar", 0.5), ("presearch", 0.4)]
)
def test_engagement_falls_with_the_position_as_examination_does(market: Tables, task: str, decay: float) -> None:
    rows = market.rows.filter(pl.col("task") == task)
    exponent, exact = _exponents(rows)
    assert abs(exact - decay) < 0.08
    # Items as relevant are still more popular further up, so that the plain curve is a little steeper.
    assert decay - 0.05 < exponent < decay + 0.2


def _exponents(rows: pl.DataFrame) -> tuple[float, float]:
    """Return how engagement falls with the position among items as relevant, and among items as engaging."""
    place = pl.col("relevance").rank("ordinal")
    cells = (
        rows.with_columns(decile=(place - 1) * 10 // pl.len())
        .group_by("decile", "position")
        .agg(clicks=(pl.col("label") > 0).sum(), rows=pl.len())
        .filter(pl.col("clicks") > 0)
    )
    deciles = cells["decile"].to_dummies().to_numpy()
    like = _slope(cells["position"], cells["clicks"] / cells["rows"], cells["clicks"], deciles)
    exact = rows.group_by("position").agg(
        clicks=(pl.col("label") > 0).sum(), expected=(pl.col("probability") / pl.col("examination")).sum()
    )
    everything = np.ones((len(exact), 1))
    return like, _slope(exact["position"], exact["clicks"] / exact["expected"], exact["clicks"], everything)


def _slope(position: pl.Series, rate: pl.Series, weight: pl.Series, groups: NDArray[np.generic]) -> float:
    """Return the weighted slope of the logarithms with a level per group, with its sign turned."""
    root = np.sqrt(weight.to_numpy())[:, None]
    columns = np.column_stack([np.log(position.to_numpy()), groups]) * root
    return -float(np.linalg.lstsq(columns, np.log(rate.to_numpy()) * root[:, 0])[0][0])


def test_engagement_rates(market: Tables) -> None:
    rates = dict(market.events.group_by("task").agg((pl.col("label") > 0).mean()).iter_rows())
    assert len(rates) == 4
    assert all(0.08 <= rate <= 0.35 for rate in rates.values()), rates


def test_some_clicks_become_carts_and_purchases(market: Tables) -> None:
    levels = dict(engaged(market)["label"].value_counts(normalize=True).iter_rows())
    assert set(levels) == {1.0, 2.0, 3.0}
    assert 0.5 <= levels[1.0] <= 0.8
    assert 0.1 <= levels[3.0] <= 0.3


def test_all_surfaces_are_in_use(market: Tables) -> None:
    shares = dict(market.events["task"].value_counts(normalize=True).iter_rows())
    assert all(shares[task] >= 0.05 for task in ("search", "recommendation", "similar", "presearch")), shares


# Gaps


def test_context_is_missing_at_realistic_rates(market: Tables) -> None:
    assert 0.05 <= market.events["user_id"].is_null().mean() <= 0.12
    assert 0.03 <= market.events["country"].is_null().mean() <= 0.08
    for column, most in (("title", 0.0), ("text", 0.1), ("category", 0.04), ("price", 0.05), ("created_at", 0.0)):
        assert market.items[column].is_null().mean() <= most, column
    assert market.items.select(pl.col("text", "category", "price").is_null().any()).row(0) == (True, True, True)


def test_the_log_spans_its_days(market: Tables) -> None:
    time = market.events["timestamp"]
    assert time.min().date().isoformat() == "2025-01-01"
    assert 170 <= (time.max() - time.min()).days <= 190
