"""Whatever optional column is missing: fit, evaluate and rank work all the same."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from serving.ranker import Ranker
from tests.training.worlds import REQUESTS, config, with_training, world, write
from training.config import FitConfig, RankerStageConfig, SpaceStageConfig
from training.evaluate import evaluate
from training.fit import fit

ITEM_COLUMNS = ("title", "text", "category", "countries", "created_at")
EVENT_COLUMNS = ("user_id", "query", "country", "source_item_id", "timestamp", "request_id", "position")
ANONYMOUS = {"request_id": "anonymous", "task": "search"}


def shortest(encoder: str) -> FitConfig:
    """Return settings of one round a stage."""
    stages = {
        "space": SpaceStageConfig(batch=64, max_steps=2, uniform=8),
        "ranker": RankerStageConfig(batch=32, max_steps=2, hard=4, uniform=2, zeros=1),
    }
    return with_training(config(encoder), valid_requests=10, **stages)


def without(table: str, *columns: str) -> dict[str, pl.DataFrame]:
    """Return the world with ``columns`` dropped; a split by the place of the row where there is no time."""
    tables = world()
    tables[table] = tables[table].drop(columns)
    if "timestamp" not in tables["events"].columns:
        page = pl.coalesce("request_id", pl.int_range(pl.len()).cast(pl.String)).hash(0) % 10
        part = pl.when(page == 9).then(pl.lit("test")).when(page == 8).then(pl.lit("valid")).otherwise(pl.lit("train"))
        tables["events"] = tables["events"].with_columns(split=part)
    return tables


def empty(table: str, *columns: str) -> dict[str, pl.DataFrame]:
    """Return the world with nothing but nulls in ``columns``."""
    tables = world()
    tables[table] = tables[table].with_columns(pl.lit(None).alias(name) for name in columns)
    return tables


def no_users(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {name: table for name, table in tables.items() if name != "users"}


def bare() -> dict[str, pl.DataFrame]:
    tables = without("events", *EVENT_COLUMNS[:-2], "position")
    return {"items": tables["items"].select("item_id"), "events": tables["events"].drop("request_id")}


WORLDS = {
    "no users": lambda: no_users(world()),
    **{f"no {name} of items": lambda name=name: without("items", name) for name in ITEM_COLUMNS},
    **{f"no {name} of events": lambda name=name: without("events", name) for name in EVENT_COLUMNS},
    "no country of users": lambda: without("users", "country"),
    "no text at all": lambda: without("items", "title", "text", "category"),
    "nulls for all of items": lambda: empty("items", *ITEM_COLUMNS),
    "nulls for all of events": lambda: empty("events", "user_id", "query", "country", "source_item_id", "request_id"),
    "no users and no user": lambda: {
        name: table for name, table in without("events", "user_id").items() if name != "users"
    },
    "the required columns and a split": bare,
}


@pytest.fixture(scope="module", params=WORLDS)
def gap(request, tmp_path_factory, tiny_encoder) -> tuple[Path, Path]:
    """A data folder with something missing, and a run that was fitted on it."""
    folder = tmp_path_factory.mktemp("gap")
    data = write(folder / "data", WORLDS[request.param]())
    return data, fit(data, folder / "run", shortest(tiny_encoder), quiet=True)


def test_what_is_missing_is_no_reason_not_to_fit_evaluate_and_rank(gap):
    data, run = gap
    found = evaluate(str(run), data, "test", "5,20", "popularity,bm25,ease", None, None, 0, quiet=True)
    for task in ("search", "recommendation", "similar"):
        judged = found["rankers"]["unicorn"]["tasks"][task]
        assert judged["requests"] > 0
        assert 0 <= judged["metrics"]["recall_at_20"]["value"] <= 1
    answer = Ranker.load(run).rank([*REQUESTS, ANONYMOUS], 5)
    assert answer.group_by("request_id").len()["len"].to_list() == [5] * (len(REQUESTS) + 1)
    assert answer["score"].is_finite().all()
    assert answer.filter(request_id="anonymous")["score"].n_unique() > 1  # an order, not a tie
