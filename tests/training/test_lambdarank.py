"""LightGBM in the place of the ranker: the same candidates, the same features, other scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.errors import DataError
from features.tables import open_data
from serving.ranker import Ranker
from tests.training.worlds import config, world, write
from training.evaluate import evaluate
from training.evaluation.judged import read_judged
from training.evaluation.protocol import Contender, Protocol
from training.fit import fit
from training.judging import known_before, open_run
from training.lambdarank import GRID, MOST_TREES, lambdarank, valid_rows

REQUESTS = pl.DataFrame(
    {
        "request_id": ["a", "b", "c"],
        "task": ["search", "recommendation", "similar"],
        "user_id": ["u1", "u2", None],
        "query": ["red", None, None],
        "country": [None, "DE", None],
        "source_item_id": [None, None, "i3"],
    },
    schema_overrides=dict.fromkeys(("user_id", "query", "country", "source_item_id"), pl.String),
)


def made(run: Path, data: Path, split: str) -> Contender:
    opened, folder = open_run(str(run), split), open_data(data)
    protocol = Protocol(split=split, refit=opened.refitted, exclude_seen=opened.ranker.exclude_seen, resamples=10)
    return lambdarank(opened, folder, known_before(folder, protocol), read_judged(folder, protocol), protocol)


@pytest.fixture(scope="module")
def trees(fitted: Path, data: Path) -> Contender:
    return made(fitted, data, "test")


def test_it_orders_what_the_first_stage_of_the_run_finds(trees, fitted):
    ours = Ranker.load(fitted)
    answer = trees.rank(REQUESTS, 100)
    listed = ours.candidates(REQUESTS, 100)
    for request in REQUESTS["request_id"]:
        found, expected = (frame.filter(pl.col("request_id") == request) for frame in (answer, listed))
        assert sorted(found["item_id"]) == sorted(expected["item_id"])
        assert found["score"].is_sorted(descending=True)
    assert not np.allclose(answer["score"], ours.rank(REQUESTS, 100)["score"])


def test_what_it_scores_is_what_it_ranks(trees):
    ranked = trees.rank(REQUESTS, 5)
    lists = ranked.group_by("request_id", maintain_order=True).agg(candidates="item_id")
    scored = trees.score(REQUESTS.join(lists, on="request_id", maintain_order="left"))
    both = ranked.join(scored, on=["request_id", "item_id"], validate="1:1")
    assert both["score"].to_list() == pytest.approx(both["score_right"].to_list(), abs=1e-5)


def test_its_settings_are_of_the_grid_and_told(trees):
    (settings,) = {tuple(sorted(found.items())) for found in trees.settings.values()}
    chosen = dict(settings)
    assert {"num_leaves": chosen["num_leaves"]} in GRID
    assert 1 <= chosen["trees"] <= MOST_TREES


def test_it_finds_what_the_world_is_made_of(fitted, data, tmp_path):
    """Searches look for a colour: who learned anything is far above popularity."""
    found = evaluate(str(fitted), data, "test", "10,20", "popularity,lambdarank", None, None, 0, quiet=True)
    value = {name: node["tasks"]["search"]["metrics"]["ndcg_at_10"]["value"] for name, node in found["rankers"].items()}
    assert value["lambdarank"] > 1.5 * value["popularity"]
    assert found["rankers"]["lambdarank"]["settings"]["search"]["trees"] >= 1


def test_test_rows_change_nothing(tmp_path, tiny_encoder):
    answers = []
    for name in ("one", "other"):
        tables = world()
        last = pl.int_range(pl.len()) >= 0.92 * pl.len()  # the last tenth in time is test
        if name == "other":
            tables["events"] = tables["events"].with_columns(
                item_id=pl.when(last).then(pl.lit("i0")).otherwise("item_id")
            )
        data = write(tmp_path / name / "data", tables)
        run = fit(data, tmp_path / name / "run", config(tiny_encoder, refit=False), quiet=True)
        answers.append(made(run, data, "test").rank(REQUESTS, 10))
    assert answers[0].equals(answers[1])


def test_what_it_cannot_learn_from_is_named(fitted, data, tmp_path, tiny_encoder):
    with pytest.raises(DataError, match="was fitted on other data than"):
        made(fitted, write(tmp_path / "data", world(seed=4)), "test")
    settings = replace(config(tiny_encoder), train_tasks=("search",), refit=False)
    run = fit(data, tmp_path / "run", settings, quiet=True)
    with pytest.raises(DataError, match=r"was trained on search alone\. Leave out lambdarank"):
        made(run, data, "test")


def test_it_is_chosen_by_what_will_be_judged(fitted, data):
    """With seen items left out, the lists of valid are shorter by them."""
    opened, folder = open_run(str(fitted / "selection"), "valid"), open_data(data)
    engine = opened.ranker.engine
    whole = replace(engine.config, candidates=replace(engine.config.candidates, everything=1000))
    engine, sizes = replace(engine, config=whole), []
    for exclude_seen in ((), ("search", "recommendation", "similar")):
        protocol = Protocol(split="valid", exclude_seen=exclude_seen)
        judged = read_judged(folder, replace(protocol, exclude_seen=("search", "recommendation", "similar")))
        found = valid_rows(engine, opened.config, judged, protocol)
        sizes.append(found.group.sum())
    assert sizes[1] < sizes[0]


def test_valid_that_says_nothing_is_no_reason_to_fail(tmp_path, tiny_encoder):
    """Every valid target was seen before, and is no candidate."""
    tables = world()
    rows = tables["events"].filter(pl.col("task") == "recommendation").drop_nulls("user_id")
    split = pl.when(pl.int_range(pl.len()) < pl.len() / 2).then(pl.lit("train")).otherwise(pl.lit("test"))
    rows = rows.with_columns(split=split, request_id=pl.lit(None, dtype=pl.String))
    again = rows.filter(pl.col("split") == "train", pl.col("label") > 0).head(10).with_columns(split=pl.lit("valid"))
    tables["events"] = pl.concat([rows, again.with_columns(timestamp=rows["timestamp"].max())])
    data = write(tmp_path / "data", tables)
    run = fit(data, tmp_path / "run", config(tiny_encoder, refit=False), quiet=True)
    assert set(made(run, data, "test").settings["recommendation"]) == {"num_leaves", "trees"}
