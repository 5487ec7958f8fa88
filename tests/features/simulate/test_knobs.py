"""What knobs refuse, and that each moves what it names."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from features.errors import DataError
from features.simulate.knobs import Knobs
from tests.features.simulate.world_tables import Tables, write_world

CROWD: dict[str, Any] = {"items": 1_500, "users": 400, "events": 40_000, "requests": 0}


@pytest.mark.parametrize(
    ("knob", "value", "says"),
    [
        ("items", 49, r"^items: 49 is out of range\. Pass a number from 50 to 10,000,000\.$"),
        ("items", -5_000, r"^items: -5,000 is out of range"),
        ("users", 0, r"^users: 0 is out of range\. Pass a number from 1 "),
        ("events", 0, r"^events: 0 is out of range\. Pass a number from 1 "),
        ("days", 100_000, r"^days: 100,000 is out of range\. Pass a number from 1 to 36,500\.$"),
        ("seed", -1, r"^seed: -1 is out of range\. Pass a number from 0 "),
        ("seed", 2**64, r"^seed: .* is out of range"),
        ("requests", -1, r"^requests: -1 is out of range"),
        ("divergence", 1.01, r"^divergence: 1\.01 is no share\. Pass a number from 0 to 1\.$"),
        ("overlap", -0.1, r"^overlap: -0\.1 is no share"),
        ("cold", math.nan, r"^cold: nan is no share"),
        ("clickbait", math.inf, r"^clickbait: inf is no share"),
        ("drift", 2, r"^drift: 2 is no share"),
        ("tasks", ("search", "feed"), r'^tasks: "feed" is no task\. Choose from search, recommendation, similar, pres'),
        ("tasks", ("search", "search"), r'^tasks: "search,search" names a task twice'),
        ("tasks", (), r"^tasks: none is named"),
        ("tasks", ("similar",), r'^tasks: "similar" alone has no page that leads to it'),
    ],
)
def test_a_bad_knob_is_one_clear_line(knob: str, value: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        Knobs(**{knob: value})
    assert "\n" not in str(caught.value)


def test_defaults_are_the_demo_world() -> None:
    assert Knobs().as_json() | {"tasks": None} == {
        "items": 20_000,
        "users": 10_000,
        "events": 500_000,
        "seed": 0,
        "days": 180,
        "tasks": None,
        "divergence": 0.3,
        "overlap": 0.75,
        "cold": 0.1,
        "clickbait": 0.03,
        "drift": 0.3,
        "requests": 1_000,
    }


def test_divergence_parts_the_popular_items_of_the_tasks(tmp_path: Path) -> None:
    def agreement(tables: Tables) -> float:
        counts = tables.events.filter(pl.col("label") > 0).group_by("item_id", "task").len()
        wide = counts.pivot("task", index="item_id", values="len").fill_null(0)
        every = tables.items.select("item_id").join(wide, on="item_id", how="left").fill_null(0)
        return float(spearmanr(every["search"], every["recommendation"])[0])

    same, own = (agreement(write_world(tmp_path / str(d), divergence=d, **CROWD)) for d in (0.0, 1.0))
    assert own < same - 0.1


def test_overlap_is_the_share_of_searches_for_an_interest(tmp_path: Path) -> None:
    def share(tables: Tables) -> float:
        searches = tables.asked.filter(pl.col("task") == "search").select("request_id", "timestamp")
        rows = (
            tables.intents.join(searches, on="request_id", how="inner", validate="1:1")
            .join(tables.user_truth.drop("country"), on="user_id", how="left", validate="m:1")
            .with_columns(day=(pl.col("timestamp") - pl.datetime(2025, 1, 1)).dt.total_seconds() / 86_400)
        )
        found = [
            mission
            in (new if moved is not None and moved <= day else old for old, new, moved in zip(*lists, strict=True))
            for mission, day, *lists in rows.select(
                "mission", "day", "interests", "later_interests", "move_day"
            ).iter_rows()
        ]
        return float(np.mean(found))

    none, half, all_of_them = (share(write_world(tmp_path / str(o), overlap=o, **CROWD)) for o in (0.0, 0.5, 1.0))
    assert none < 0.25
    assert none + 0.3 < half < 0.7
    assert all_of_them > 0.999


@pytest.mark.parametrize("cold", [0.0, 0.25, 1.0])
def test_cold_is_the_share_of_items_of_the_last_tenth(tmp_path: Path, cold: float) -> None:
    tables = write_world(tmp_path / "data", items=1_000, cold=cold)
    late = (tables.items["created_at"] >= datetime(2025, 6, 12)).sum()  # day 162 of 180
    assert abs(late - cold * 1_000) <= 1


def test_clickbait_draws_clicks_and_disappoints(tmp_path: Path) -> None:
    tables = write_world(tmp_path / "data", clickbait=0.3, **CROWD)
    assert tables.item_truth["clickbait"].sum() == 450
    rows = tables.rows.join(
        tables.item_truth.select("item_id", "clickbait"), on="item_id", how="left", validate="m:1"
    ).with_columns(like=(pl.col("relevance").rank("ordinal") * 20 // (pl.len() + 1)).over("task"))
    looks = rows.group_by("task", "like", "clickbait").agg(
        clicks=(pl.col("label") > 0).sum(), looks=pl.col("examination").sum()
    )
    pairs = looks.filter("clickbait").join(
        looks.filter(~pl.col("clickbait")), on=["task", "like"], suffix="_of_others", validate="1:1"
    )
    expected = pairs["looks"] * pairs["clicks_of_others"] / pairs["looks_of_others"]
    assert pairs["clicks"].sum() > 1.1 * expected.sum()  # than items as relevant at positions as good

    engaged = rows.filter(pl.col("label") > 0)
    bought = dict(engaged.group_by("clickbait").agg((pl.col("label") == 3).mean()).iter_rows())
    assert bought[True] < 0.2 * bought[False]

    rated = tables.items.join(tables.item_truth, on="item_id", validate="1:1").filter(pl.col("n_ratings") > 0)
    stars = dict(rated.group_by("clickbait").agg(pl.col("rating").mean()).iter_rows())
    assert stars[True] < stars[False] - 0.4


def test_without_clickbait_there_is_none(tmp_path: Path) -> None:
    assert write_world(tmp_path / "data", clickbait=0.0).item_truth["clickbait"].sum() == 0


def test_drift_moves_what_users_engage_with(tmp_path: Path) -> None:
    def constancy(tables: Tables) -> float:
        """Cosine of the types of a user's engagements in the first and in the last quarter."""
        rows = tables.events.with_row_index().filter((pl.col("label") > 0) & pl.col("user_id").is_not_null())
        kinds = rows.join(tables.item_truth.select("item_id", "type"), on="item_id", how="left", validate="m:1")
        first = kinds.filter(pl.col("index") < 10_000).group_by("user_id", "type").len("first")
        last = kinds.filter(pl.col("index") >= 30_000).group_by("user_id", "type").len("last")
        both = first.join(last, on=["user_id", "type"], how="full", coalesce=True).fill_null(0)
        users = both.group_by("user_id").agg(
            pl.col("first").dot("last") / (pl.col("first").pow(2).sum() * pl.col("last").pow(2).sum()).sqrt(),
            least=pl.min_horizontal(pl.col("first").sum(), pl.col("last").sum()),
        )
        return float(users.filter(pl.col("least") > 10)["first"].mean())

    worlds = {d: write_world(tmp_path / str(d), drift=d, **{**CROWD, "users": 60}) for d in (0.0, 0.5, 1.0)}
    still, half, gone = (constancy(tables) for tables in worlds.values())
    assert still > half + 0.1 > gone + 0.3
    moves = [tables.user_truth["move_day"].explode().is_not_null().mean() for tables in worlds.values()]
    assert moves[0] == 0.0
    assert 0.4 < moves[1] < 0.6
    assert moves[2] == 1.0
