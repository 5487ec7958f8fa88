"""What the truth says of the rows, against what happened in them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from features.simulate.surfaces import SURFACES
from tests.features.simulate.world_tables import Tables

DECAYS = {"search": 0.8, "recommendation": 0.5, "similar": 0.5, "presearch": 0.4}


@pytest.mark.parametrize("task", DECAYS)
def test_examination_is_a_power_of_the_position(market: Tables, task: str) -> None:
    rows = market.rows.filter(pl.col("task") == task)
    assert np.allclose(rows["examination"], rows["position"].cast(pl.Float64) ** -DECAYS[task], rtol=1e-6)


def test_a_probability_is_examination_times_engagement_and_both_are_shares(market: Tables) -> None:
    rows = market.shown
    engaged = rows["probability"] / rows["examination"]
    assert rows["examination"].is_between(0, 1, closed="right").all()
    assert engaged.is_between(0, 1, closed="both").all()
    assert 0.05 < engaged.mean() < 0.95
    # The expected label of a look: a click at least, and never more than a purchase.
    assert (rows["value"] >= engaged * 0.999).all()
    assert (rows["value"] <= engaged * 3.001).all()


def test_engagement_is_as_probable_as_the_truth_says(market: Tables) -> None:
    place = pl.col("probability").rank("ordinal")
    deciles = (
        market.rows.with_columns(decile=(place - 1) * 10 // pl.len())
        .group_by("decile")
        .agg(
            seen=(pl.col("label") > 0).mean(),
            said=pl.col("probability").mean(),
            error=(pl.col("probability") * (1 - pl.col("probability"))).sum().sqrt() / pl.len(),
        )
    )
    assert len(deciles) == 10
    assert (((deciles["seen"] - deciles["said"]) / deciles["error"]).abs() < 4).all(), deciles


def test_labels_are_as_large_as_the_truth_says(market: Tables) -> None:
    rows = market.rows.with_columns(said=pl.col("examination") * pl.col("value"))
    by_task = rows.group_by("task").agg(
        error=(pl.col("label") - pl.col("said")).mean() / (pl.col("label").std() / pl.len().sqrt())
    )
    assert (by_task["error"].abs() < 4).all(), by_task


def test_quality_is_the_items_and_standardised(market: Tables) -> None:
    rows = market.shown.join(market.item_truth, on="item_id", how="left", validate="m:1", suffix="_of_item")
    assert rows["quality"].equals(rows["quality_of_item"].alias("quality"))
    assert abs(market.item_truth["quality"].mean()) < 0.01
    assert abs(market.item_truth["quality"].std() - 1) < 0.01


def test_quality_moves_engagement_beyond_relevance(market: Tables) -> None:
    rows = market.rows.with_columns(
        like=(pl.col("relevance").rank("ordinal") * 20 // (pl.len() + 1)).over("task"), good=pl.col("quality") > 0
    )
    rates = rows.group_by("task", "like").agg(
        good=(pl.col("label") > 0).filter("good").sum() / pl.col("examination").filter("good").sum(),
        bad=(pl.col("label") > 0).filter(~pl.col("good")).sum() / pl.col("examination").filter(~pl.col("good")).sum(),
    )
    assert (rates["good"] > rates["bad"]).mean() > 0.9


def test_there_is_a_truth_of_every_item_and_user(market: Tables) -> None:
    assert market.item_truth["item_id"].equals(market.items["item_id"])
    assert market.user_truth["user_id"].equals(market.users["user_id"])
    assert [name for name in market.item_truth.columns if name.startswith("popularity_")] == [
        f"popularity_{surface.name}" for surface in SURFACES
    ]
    home = market.users["country"]
    assert home.drop_nulls().equals(market.user_truth["country"].filter(home.is_not_null()))
    assert 0.03 < home.is_null().mean() < 0.07
    assert np.allclose(market.user_truth["weights"].list.sum(), 1.0)
