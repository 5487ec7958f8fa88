"""What a world writes: its bytes, its rows, and whether the program takes them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.check import inspect_data
from features.errors import DataError
from features.simulate import parts, sessions, world
from features.simulate.knobs import Knobs
from features.simulate.world import simulate
from features.tables import open_data
from tests.features.simulate.world_tables import SMALL, Tables, write_world

WRITE = """
import sys
from pathlib import Path
from features.simulate.knobs import Knobs
from features.simulate.world import simulate
simulate(Path(sys.argv[1]), Knobs(items=500, users=200, events=140_000, requests=50))
"""


def bytes_of(root: Path) -> dict[str, str]:
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def written_by_a_process(root: Path, threads: int) -> dict[str, str]:
    limits = {"POLARS_MAX_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, "-c", WRITE, str(root)], check=True, env={**os.environ, **limits})
    return bytes_of(root)


# Bytes


def test_same_seed_same_bytes_on_one_and_on_two_threads(tmp_path: Path) -> None:
    one, two = (written_by_a_process(tmp_path / str(threads), threads) for threads in (1, 2))
    assert one == two
    assert set(one) == {
        "events/part-00000.parquet",
        "items.parquet",
        "requests.parquet",
        "truth/items.parquet",
        "truth/manifest.json",
        "truth/oracle/part-00000.parquet",
        "truth/requests/part-00000.parquet",
        "truth/shown/part-00000.parquet",
        "truth/users.parquet",
        "users.parquet",
    }


def test_another_seed_writes_another_world(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_world(tmp_path / str(seed), seed=seed)
    first, second = bytes_of(tmp_path / "0"), bytes_of(tmp_path / "1")
    assert set(first) == set(second)
    assert not [name for name in first if first[name] == second[name]]


def test_the_number_of_requests_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    few, many = (bytes_of(write_world(tmp_path / str(count), requests=count).root) for count in (5, 500))
    assert {name for name in few if few[name] != many[name]} == {"requests.parquet", "truth/manifest.json"}


# Rows


@pytest.mark.parametrize("events", [1, 7, 12_345])
def test_the_log_has_exactly_the_rows_that_are_asked_for(tmp_path: Path, events: int) -> None:
    tables = write_world(tmp_path / "data", events=events)
    assert len(tables.events) == len(tables.shown) == events
    assert len(tables.requests) == 20


def test_truth_aligns_with_events_row_by_row(market: Tables) -> None:
    assert market.shown.select("request_id", "item_id").equals(market.events.select("request_id", "item_id"))
    assert market.intents["request_id"].is_in(market.asked["request_id"]).mean() > 0.999  # a page may be empty
    stated = market.asked.join(market.intents, on="request_id", how="left", validate="1:1", suffix="_truth")
    for name in ("user_id", "country"):
        known = stated.filter(pl.col(name).is_not_null())
        assert known[name].equals(known[f"{name}_truth"].alias(name))


def test_a_page_is_one_request_with_positions_from_1(market: Tables) -> None:
    pages = market.events.group_by("request_id", maintain_order=True).agg(
        pl.col("position"),
        pl.exclude("position", "item_id", "label").n_unique(),
        pl.col("item_id").is_duplicated().any(),
    )
    assert all(page == list(range(1, len(page) + 1)) for page in pages["position"].to_list())
    assert pages["item_id"].any() is False
    context = ("task", "user_id", "query", "country", "source_item_id", "timestamp")
    assert pages.select(pl.max_horizontal(context).max()).item() == 1


def test_each_task_states_what_it_is_asked_by(market: Tables) -> None:
    stated = market.events.group_by("task").agg(
        pl.col("query").is_not_null().mean(), pl.col("source_item_id").is_not_null().mean()
    )
    assert {task: (query, source) for task, query, source in stated.iter_rows()} == {
        "search": (1.0, 0.0),
        "recommendation": (0.0, 0.0),
        "similar": (0.0, 1.0),
        "presearch": (0.0, 0.0),
    }


def test_the_first_part_of_a_log_comes_before_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BLOCK", 50)
    seconds = write_world(tmp_path / "data", events=20_000, days=2).events["timestamp"].dt.epoch("s")
    assert 0 < (seconds.cum_max() - seconds).max() <= 3_600  # where a session outlasts its block


def test_nothing_is_shown_before_it_arrives_or_where_it_may_not_be(market: Tables) -> None:
    rows = market.events.join(market.items, on="item_id", how="left", validate="m:1")
    assert (rows["created_at"] <= rows["timestamp"]).all()
    home = rows.filter(pl.col("country").is_not_null() & pl.col("countries").is_not_null())
    assert len(home) > 10_000
    assert home.select(pl.col("country").is_in(pl.col("countries")).all()).item()


def test_a_large_table_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_world(tmp_path / "whole")
    monkeypatch.setattr(parts, "PART_ROWS", 500)
    monkeypatch.setattr(sessions, "BLOCK", 10)
    monkeypatch.setattr(world, "_ORACLE_ROWS", 100)
    cut = write_world(tmp_path / "cut")
    assert len(list((cut.root / "events").iterdir())) == len(list((cut.root / "truth" / "shown").iterdir())) == 4
    assert len(cut.events) == len(whole.events)
    assert cut.shown["item_id"].equals(cut.events["item_id"])
    assert 0 < cut.oracle["request_id"].n_unique() < whole.oracle["request_id"].n_unique()


def test_the_manifest_says_which_world_it_is(market: Tables) -> None:
    manifest = json.loads((market.root / "truth" / "manifest.json").read_text())
    assert manifest["world"] == 1
    assert manifest["knobs"] == {
        "items": 10_000,
        "users": 4_000,
        "events": 120_000,
        "seed": 0,
        "days": 180,
        "tasks": ["search", "recommendation", "similar", "presearch"],
        "divergence": 0.3,
        "overlap": 0.75,
        "cold": 0.1,
        "clickbait": 0.03,
        "drift": 0.3,
        "requests": 1_000,
    }
    assert manifest["surfaces"]["similar"]["examination"][3] == pytest.approx(0.5)


# What the program takes

EDGES: list[dict[str, Any]] = [
    {"items": 50},
    {"users": 1},
    {"days": 1},
    {"items": 50, "users": 1, "days": 1},
    {"requests": 0},
    {"tasks": ("search",)},
    {"tasks": ("recommendation",)},
    {"tasks": ("presearch",)},
    {"tasks": ("presearch", "similar")},
    {"tasks": ("similar", "search", "recommendation")},
    {"items": 50, "cold": 1.0, "days": 1},
    *({name: share} for name in ("divergence", "overlap", "cold", "clickbait", "drift") for share in (0.0, 1.0)),
]


@pytest.mark.parametrize("knobs", EDGES, ids=lambda knobs: ",".join(f"{name}={knobs[name]}" for name in knobs))
def test_worlds_at_the_edge_break_no_rule(tmp_path: Path, knobs: dict[str, Any]) -> None:
    tables = write_world(tmp_path / "data", **knobs)
    assert inspect_data(open_data(tables.root)).violations == []
    assert len(tables.events) == 2_000
    assert set(tables.events["task"]) == set(tables.knobs.tasks)
    assert (tables.events["label"] > 0).any()
    assert len(tables.requests) == tables.knobs.requests
    assert tables.requests.columns == ["request_id", "task", "user_id", "query", "country", "source_item_id"]


def test_the_default_world_breaks_no_rule(market: Tables) -> None:
    report = inspect_data(open_data(market.root))
    assert (report.violations, report.notices) == ([], [])


def test_requests_come_after_the_log(market: Tables) -> None:
    assert market.requests["request_id"].is_unique().all()
    assert not market.requests["request_id"].is_in(market.events["request_id"].to_list()).any()
    assert set(market.requests["task"]) == {"search", "recommendation", "similar", "presearch"}


# Where it is written


def test_a_place_in_use_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "data"
    write_world(out)
    before = bytes_of(out)
    with pytest.raises(DataError, match="is in use already"):
        simulate(out, Knobs(**SMALL, seed=1))
    assert bytes_of(out) == before
    simulate(out, Knobs(**SMALL, seed=1), overwrite=True)
    assert bytes_of(out) != before
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r'holds "notes\.txt"'):
        simulate(out, Knobs(**SMALL), overwrite=True)


def test_a_world_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert 0 < done <= total == 2_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "data", Knobs(**SMALL), progress=interrupt)
    assert list(tmp_path.iterdir()) == []
