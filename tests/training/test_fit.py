"""A fit from tables to a run folder: what it is fitted on, what it refuses, and what it needs at the least."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.errors import DataError
from features.split import with_split
from features.tables import open_data
from serving import manifest
from serving.config import ServingConfig
from serving.engine import Requests
from serving.ranker import Ranker
from serving.requests import as_requests
from tests.features.feature_world import EVERYTHING
from tests.training.worlds import COLOURS, KINDS, REQUESTS, config, read_yaml, with_training, world, write
from training.config import FitConfig, RankerStageConfig, SpaceStageConfig
from training.evaluate import evaluate
from training.fit import fit


def judge(run: Path, data: Path, split: str = "test", **options):
    settings = {"k": "1,20", "baselines": "none", "exclude_seen": None, "json": None, "seed": 0} | options
    return evaluate(str(run), data, split, quiet=True, **settings)


def fit_world(folder: Path, tables, settings: FitConfig) -> Path:
    return fit(write(folder / "data", tables), folder / "run", settings, quiet=True)


def names_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# Refit


def test_a_refitted_run_keeps_the_one_it_was_chosen_with(fitted):
    assert Ranker.load(fitted).facts.fitted_on == ("train", "valid")
    assert Ranker.load(fitted / "selection").facts.fitted_on == ("train",)
    assert manifest.verify(fitted / "selection")["data_hash"] == manifest.verify(fitted)["data_hash"]


def test_a_refitted_run_trains_for_the_steps_that_were_chosen(fitted):
    assert json.loads((fitted / "metrics.json").read_text()) == (
        json.loads((fitted / "selection" / "metrics.json").read_text())
    )
    assert read_yaml(fitted / "config.yaml") == read_yaml(fitted / "selection" / "config.yaml")


def test_a_refitted_run_knows_what_is_new_in_valid(fitted, data):
    whole, selection = Ranker.load(fitted), Ranker.load(fitted / "selection")
    counted = [float(one.engine.features.statistics.by_task.sum()) for one in (whole, selection)]
    events = pl.read_parquet(data / "events.parquet").sort("timestamp")
    engaged = (events["label"] > 0).cum_sum()
    assert counted[1] == pytest.approx(engaged[int(0.8 * len(events)) - 1], abs=2)  # whole requests stay together
    assert counted[0] == pytest.approx(engaged[int(0.9 * len(events)) - 1], abs=2)


def test_a_refitted_run_is_not_judged_on_valid(fitted, data):
    with pytest.raises(
        DataError, match=r"was fitted on train and valid, so it cannot be judged on valid\. Judge it on test"
    ):
        judge(fitted, data, "valid")
    with pytest.raises(DataError, match="cannot be judged on train"):
        judge(fitted, data, "train")


def test_what_it_was_chosen_with_is(fitted, data):
    found = judge(fitted / "selection", data, "valid")
    assert set(found["rankers"]["unicorn"]["tasks"]) == {"search", "recommendation", "similar"}


def test_without_refit_the_run_is_fitted_on_train_alone(tracked_run):
    assert Ranker.load(tracked_run).facts.fitted_on == ("train",)
    assert not (tracked_run / "selection").exists()
    judge(tracked_run, tracked_run.parent / "data", "valid")
    judge(tracked_run, tracked_run.parent / "data", "test")


def test_selection_is_the_run_without_refit(fitted, tracked_run):
    weights = "model.safetensors"
    assert (fitted / "selection" / weights).read_bytes() == (tracked_run / weights).read_bytes()


def test_without_valid_rows_there_is_nothing_to_refit(tmp_path, tiny_encoder, caplog):
    tables = world()
    split = ["test" if row % 9 == 0 else "train" for row in range(len(tables["events"]))]
    tables["events"] = tables["events"].drop("request_id").with_columns(split=pl.Series(split))
    run = fit_world(tmp_path, tables, config(tiny_encoder))
    assert Ranker.load(run).facts.fitted_on == ("train",)
    assert "valid has nothing to choose on" in caplog.text
    assert json.loads((run / "metrics.json").read_text()) == {"space_steps": 20.0, "ranker_steps": 20.0}
    judge(run, tmp_path / "data")


def test_where_every_target_of_valid_was_seen_nothing_is_chosen(tmp_path, tiny_encoder):
    events = pl.DataFrame(
        {
            "item_id": ["i1", "i2", "i1", "i2"],
            "user_id": ["a"] * 4,
            "task": ["recommendation"] * 4,
            "label": [1.0] * 4,
            "order": [1, 2, 3, 4],
            "split": ["train", "train", "valid", "valid"],
        }
    )
    run = fit_world(tmp_path, {"items": world()["items"], "events": events}, config(tiny_encoder))
    assert Ranker.load(run).facts.fitted_on == ("train", "valid")


# What is read


def test_the_test_split_decides_nothing(fitted, tmp_path, tiny_encoder):
    tables = world()
    count = len(tables["events"])
    last = pl.int_range(pl.len()) >= int(0.9 * count) + 2  # requests stay together: leave the border alone
    shuffled = tables["events"].select("item_id", "label", "user_id").sample(fraction=1.0, shuffle=True, seed=1)
    changed = [pl.when(last).then(shuffled[name]).otherwise(pl.col(name)).alias(name) for name in shuffled.columns]
    tables["events"] = tables["events"].with_columns(changed)
    run = fit_world(tmp_path, tables, config(tiny_encoder))
    told = manifest.read(run)["data_hash"], manifest.read(fitted)["data_hash"]
    assert told[0] != told[1]
    for path in sorted(path for path in fitted.rglob("*") if path.is_file()):
        name = path.relative_to(fitted)
        if name.name not in ("model.json", "manifest.json", "index.json"):  # which tell the hash of the data
            assert path.read_bytes() == (run / name).read_bytes(), name


def test_some_tasks_can_be_trained_on_alone(tmp_path, tiny_encoder):
    tables = world()
    settings = replace(config(tiny_encoder), train_tasks=("search",), refit=False)
    run = fit_world(tmp_path / "one", tables, settings)
    others = pl.col("task") != "search"
    # Timestamps split the rows before tasks are chosen, so rows of other tasks stay where they are, and change.
    tables["events"] = tables["events"].with_columns(item_id=pl.when(others).then(pl.lit("i0")).otherwise("item_id"))
    again = fit_world(tmp_path / "other", tables, settings)
    assert (run / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()
    counts = Ranker.load(run).engine.features.statistics.by_task.sum(axis=1)
    assert counts[0] > 0
    assert counts[1:].tolist() == [0, 0, 0]
    answer = Ranker.load(run).rank(REQUESTS, 5)
    assert answer["request_id"].n_unique() == len(REQUESTS)
    found = judge(run, tmp_path / "one" / "data")
    assert set(found["rankers"]["unicorn"]["tasks"]) == {"search", "recommendation", "similar"}


def test_who_was_trained_on_one_task_is_told_of_it_alone_and_leaves_out_what_was_seen_in_all(tmp_path, tiny_encoder):
    tables = world()
    run = fit_world(tmp_path, tables, replace(config(tiny_encoder), train_tasks=("recommendation",)))
    ranker = Ranker.load(run)
    log = (
        with_split(open_data(tmp_path / "data").events).filter(pl.col("split") != "test", pl.col("label") > 0).collect()
    )
    user = log.filter(pl.col("task") == "search")["user_id"].drop_nulls().mode().sort()[0]
    own = log.filter(pl.col("user_id") == user)
    request = [{"task": "recommendation", "user_id": user}]
    for one in (ranker, ranker.knowing(log)):
        answer = set(one.rank(request, 40)["item_id"])
        assert answer.isdisjoint(own["item_id"])
        assert len(answer | set(own["item_id"])) == 40
        rows, _, _ = one.engine.features.read_requests(as_requests(request, one.tasks))
        told = one.engine.features.history.ends(rows.owner) - one.engine.features.history.start[rows.owner]
        assert told[0] == len(own.filter(pl.col("task") == "recommendation"))


def test_a_new_task_is_a_name(tmp_path, tiny_encoder):
    tables = world()
    tables["events"] = tables["events"].with_columns(pl.col("task").replace("similar", "video"))
    run = fit_world(tmp_path, tables, replace(config(tiny_encoder), task_names=("search", "recommendation", "video")))
    ranker = Ranker.load(run)
    assert ranker.tasks == ("search", "recommendation", "video")
    assert ranker.exclude_seen == ("recommendation", "video")
    assert len(ranker.rank([{"task": "video", "source_item_id": "i3"}], 5)) == 5


def test_signals_vectors_and_scores_are_used(tmp_path, tiny_encoder):
    tables = world()
    opinions = {"user_id": ["u1", "u2", "new"], "item_id": ["i1", "i2", "i3"], "score": [1.0, 2.0, 3.0]}
    tables["scores"] = pl.DataFrame(opinions)
    rng = np.random.default_rng(0)
    vectors = pl.Series(rng.normal(size=(40, 3)).astype(np.float32), dtype=pl.Array(pl.Float32, 3))
    tables["items"] = tables["items"].with_columns(rating=pl.int_range(pl.len()) % 5, vector_image=vectors)
    settings = config(tiny_encoder)
    named = replace(settings.features, quality=("rating",), vectors=("image",), use=EVERYTHING)
    settings = replace(settings, features=named)
    ranker = Ranker.load(fit_world(tmp_path, tables, settings))
    assert "rating" in ranker.engine.features.statistics.quality.names
    assert ranker.engine.model.sizes.vectors == 3
    assert ranker.engine.features.statistics.blocks["external"].scores.nnz == 3
    assert len(ranker.rank(REQUESTS, 2)) == 2 * len(REQUESTS)


@pytest.mark.parametrize("codes", [1, 3])
def test_it_learns(tmp_path, tiny_encoder, codes):
    """Users like chairs or lamps, and a query names a colour: chance finds a half and a quarter."""
    settings = config(tiny_encoder)
    space = replace(settings.model.space, codes=codes)
    settings = replace(settings, model=replace(settings.model, space=space))
    stages = {
        "space": SpaceStageConfig(batch=64, max_steps=200, uniform=40, learning_rate=0.02),
        "ranker": RankerStageConfig(batch=64, max_steps=200, learning_rate=0.02),
    }
    settings = replace(with_training(settings, **stages), serving=ServingConfig())
    ranker = Ranker.load(fit_world(tmp_path, world(), settings))
    asked = ranker.engine.features.read_requests(as_requests(REQUESTS, ranker.tasks))
    vector = ranker.engine.encode(ranker.engine.contexts(Requests(*asked))[0]).vector
    assert len(vector.unique(dim=1)[0]) == codes

    def share(word, **request):
        answer = ranker.rank([request], 8, exclude_seen=())
        titles = answer.join(ranker.items, on="item_id", how="left", validate="m:1")["title"]
        return titles.str.contains(word).mean()

    searches = [share(colour, task="search", query=colour) for colour in COLOURS]
    homes = [share(KINDS[user % 2], task="recommendation", user_id=f"u{user}") for user in range(30)]
    similar = [share(KINDS[item % 2], task="similar", source_item_id=f"i{item}") for item in range(30)]
    assert np.mean(searches) > 0.75
    assert np.mean(homes) > 0.75
    assert np.mean(similar) > 0.75


# The least that can be fitted


def engaged(**columns):
    count = len(columns["item_id"])
    return pl.DataFrame(
        {"task": ["recommendation"] * count, "label": [1.0] * count, "split": ["train"] * count} | columns
    )


SMALL = {
    "one row": engaged(item_id=["i1"]),
    "two rows": engaged(item_id=["i1", "i2"]),
    "one page": engaged(item_id=["i1", "i2", "i3"], request_id=["p"] * 3, user_id=["a"] * 3),
    "a row a user": engaged(item_id=["i1", "i2", "i3", "i4"], user_id=["a", "b", "c", "d"], order=[1, 1, 1, 1]),
    "one item": engaged(item_id=["i1"] * 6, user_id=["a", "a", "b", "b", "c", "c"]),
    "one engagement, many zeros": engaged(item_id=[f"i{n}" for n in range(8)], label=[1.0] + [0.0] * 7),
    "valid without engagements": engaged(
        item_id=["i1", "i2", "i3"], split=["train", "train", "valid"], label=[1.0, 1.0, 0.0], user_id=["a", "b", "a"]
    ),
    "a valid row of a new user and a new query": engaged(
        item_id=["i1", "i2", "i3"],
        split=["train", "train", "valid"],
        user_id=["a", "b", "c"],
        query=["red", "blue", "green"],
        task=["search"] * 3,
    ),
    "weights of zero": engaged(item_id=["i1", "i2", "i3", "i4"], weight=[0.0, 1.0, 1.0, 0.0], user_id=["a"] * 4),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_smallest_data_is_fitted(tmp_path, tiny_encoder, name):
    tables = {"items": pl.DataFrame({"item_id": [f"i{n}" for n in range(8)]}), "events": SMALL[name]}
    ranker = Ranker.load(fit_world(tmp_path, tables, config(tiny_encoder)))
    answer = ranker.rank([{"task": "recommendation"}, {"task": "search", "query": "red", "user_id": "a"}], 3)
    assert len(answer) == 6
    assert answer["score"].is_finite().all()


def test_a_catalogue_of_one_item_is_fitted(tmp_path, tiny_encoder):
    tables = {"items": pl.DataFrame({"item_id": ["i1"]}), "events": engaged(item_id=["i1"] * 4)}
    ranker = Ranker.load(fit_world(tmp_path, tables, config(tiny_encoder)))
    assert ranker.rank([{"task": "recommendation"}], 5)["item_id"].to_list() == ["i1"]


# What it says


def test_progress_is_shown_on_standard_error(data, tmp_path, tiny_encoder, capfd):
    fit(data, tmp_path / "run", config(tiny_encoder, refit=False), progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "ranker_loss" in shown.err
    assert "litlogger" not in shown.err


# What it refuses


def broken_tables():
    good = world()
    rows = len(good["events"])
    other = pl.int_range(pl.len()) == 5

    def events(**columns):
        return good | {"events": good["events"].with_columns(**columns)}

    return {
        "no items": ({"events": good["events"]}, r'the table "items" is missing'),
        "no events": ({"items": good["items"]}, r'the table "events" is missing'),
        "duplicate item": (good | {"items": pl.concat([good["items"], good["items"].head(1)])}, "items"),
        "unknown item": (events(item_id=pl.when(other).then(pl.lit("ghost")).otherwise("item_id")), "ghost"),
        "NaN label": (events(label=pl.lit(float("nan"))), "label"),
        "text label": (events(label=pl.lit("yes")), r'column "label" is String'),
        "no label": (good | {"events": good["events"].drop("label")}, r'column "label" is missing'),
        "unknown task": (events(task=pl.lit("levitation")), "levitation"),
        "no split and no time": (
            good | {"events": good["events"].drop("timestamp")},
            "neither a split nor a timestamp",
        ),
        "all test": (events(split=pl.lit("test")), "no train rows"),
        "nothing engaged with": (events(label=pl.lit(0.0)), "no train rows"),
        "numeric ids": (events(item_id=pl.Series(range(rows))), r'column "item_id" is Int64'),
    }


@pytest.mark.parametrize("name", broken_tables())
def test_broken_tables_are_one_line_and_nothing_is_written(tmp_path, tiny_encoder, name):
    tables, message = broken_tables()[name]
    with pytest.raises(DataError, match=message) as error:
        fit_world(tmp_path, tables, config(tiny_encoder))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_tasks": ("levitation",)},
            r"tasks: 'levitation' is not a task of the configuration\. Give some of search",
        ),
        ({"train_tasks": ("presearch",)}, r"no row of train with label and weight above 0 in the tasks presearch"),
        ({"serving": {"exclude_seen": ("levitation",)}}, "'levitation' is not a task"),
        ({"features": {"quality": ("no_such_column",)}}, "no_such_column"),
        ({"features": {"quality": ("title",)}}, "title"),
        ({"features": {"vectors": ("image",)}}, "vector_image"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_one_line_and_nothing_is_left(
    data, tmp_path, tiny_encoder, changes, message
):
    settings = config(tiny_encoder)
    changes = {
        name: replace(getattr(settings, name), **value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    with pytest.raises(DataError, match=message) as error:
        fit(data, tmp_path / "run", replace(settings, **changes), quiet=True)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_wrong_data_folder_does_not_cost_the_run_that_is_to_be_replaced(fitted, tmp_path, tiny_encoder):
    out = tmp_path / "run"
    out.mkdir()
    manifest.write(out, {})
    before = names_of(out)
    with pytest.raises(DataError, match="no such data folder"):
        fit(tmp_path / "nowhere", out, config(tiny_encoder), overwrite=True, quiet=True)
    with pytest.raises(DataError, match="no row of train"):
        settings = replace(config(tiny_encoder), train_tasks=("presearch",))
        fit(fitted.parent / "data", out, settings, overwrite=True, quiet=True)
    assert names_of(out) == before


def test_a_complete_run_is_not_fitted_again(fitted, data, tiny_encoder):
    before = {path: path.stat().st_mtime_ns for path in fitted.rglob("*")}
    with pytest.raises(DataError, match="holds a complete run"):
        fit(data, fitted, config(tiny_encoder), quiet=True)
    assert {path: path.stat().st_mtime_ns for path in fitted.rglob("*")} == before


def test_a_complete_run_can_be_replaced(fitted, data, tmp_path, tiny_encoder):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    manifest.write(tmp_path / "run", {})
    fit(data, tmp_path / "run", config(tiny_encoder), overwrite=True, quiet=True)
    assert names_of(tmp_path / "run") == names_of(fitted)


def test_nothing_of_the_training_is_left_in_a_complete_run(fitted):
    assert not any(name.startswith(".") or name.endswith((".ckpt", ".pt", ".pkl")) for name in names_of(fitted))
