"""``unicorn tune-quality`` on tiny runs: from the command to the answers of the tuned run, and what it refuses."""

from __future__ import annotations

import json
import logging
import random
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from features.errors import DataError
from serving import manifest
from serving.engine import Requests
from serving.ranker import Ranker
from serving.requests import as_requests
from tests.training.worlds import REQUESTS, START, config, with_training, world, write
from training.config import RankerStageConfig, SpaceStageConfig, TrackingConfig
from training.fit import fit
from training.quality.tune import tune_quality

COMPONENTS = ("engagements", "engagement_rate", "trend", "freshness", "rating")
TRIALS = 12


def rated(rows: int = 1500) -> dict[str, pl.DataFrame]:
    """Return a world whose users click on what they are shown, and buy what is rated well; half of it is valid."""
    tables, rng = world(), random.Random(0)
    rating = {f"i{n}": (n * 7 % 40) / 39 for n in range(40)}
    events = [
        {
            "user_id": f"u{rng.randrange(30)}",
            "item_id": item,
            "task": task,
            "query": rng.choice(["red", "blue"]) if task == "search" else None,
            "label": 2.0 if rng.random() < rating[item] ** 2 else 1.0,
            "timestamp": START + timedelta(minutes=n),
            "split": "test" if n >= rows - 20 else "valid" if n > rows // 2 else "train",
        }
        for n in range(rows)
        for item, task in [(rng.choice(list(rating)), rng.choice(["search", "similar"]))]
    ]
    items = tables["items"].with_columns(rating=pl.col("item_id").replace_strict(rating), countries=None)
    return {**tables, "items": items, "events": pl.DataFrame(events, infer_schema_length=None)}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str, store) -> Path:
    """A folder with the data of the rated world, and a tracked run that was refitted."""
    folder = tmp_path_factory.mktemp("rated")
    small = config(tiny_encoder, tracking=TrackingConfig(experiment=store.experiment("rated"), log_model=False))
    small = replace(small, features=replace(small.features, quality=("rating",)))
    small = replace(small, serving=replace(small.serving, exclude_seen=()))
    stages = {
        "space": SpaceStageConfig(batch=64, max_steps=2, uniform=8),
        "ranker": RankerStageConfig(batch=32, max_steps=2, hard=4, uniform=2, zeros=1),
    }
    fit(write(folder / "data", rated()), folder / "run", with_training(small, **stages), quiet=True)
    return folder


@pytest.fixture(scope="module")
def tuned(market: Path, store) -> dict:
    """The verdicts on the run of ``market``, whose weights are installed."""
    return tune_quality(str(market / "run"), market / "data", TRIALS, 0, quiet=True)


def weights_of(folder: Path) -> dict:
    (file,) = (folder / "quality").glob("*/weights.json")
    return json.loads(file.read_text())


def test_what_users_buy_is_weighed_and_served(market, tuned):
    verdict = tuned["search"]
    assert verdict.reason == ""
    rating = verdict.weight[COMPONENTS.index("rating")]
    assert rating > 0.1
    for folder in (market / "run", market / "run" / "selection"):
        ranker = Ranker.load(folder)
        served = ranker.engine.model.space.quality_weight[ranker.tasks.index("search")]
        np.testing.assert_allclose(served.numpy(), verdict.weight, rtol=1e-6)
        file = weights_of(folder)
        assert ranker.model_id.startswith(f"{file['model']}-")
        assert tuple(file["components"]) == COMPONENTS
        assert tuple(file["tasks"]) == ranker.tasks
        assert file["weights"][ranker.tasks.index("search")] == verdict.weight.tolist()
        assert not any(file["weights"][ranker.tasks.index("presearch")])  # nobody asks there
    assert file["study"]["tasks"]["search"]["why_zero"] is None
    assert file["study"]["trials"] == TRIALS
    assert file["study"]["data"] == manifest.read(market / "run")["data_hash"]


def test_more_quality_is_found_than_without_weights(market, tuned):
    ranker = Ranker.load(market / "run")
    engine = ranker.engine
    requests = [{"request_id": f"r{n}", "task": "search", "user_id": f"u{n}", "query": "red"} for n in range(20)]
    read = Requests(*engine.features.read_requests(as_requests(requests, ranker.tasks)))
    means = []
    for weight in (tuned["search"].weight, np.zeros(5)):
        engine.model.space.quality_weight[0] = torch.from_numpy(weight)
        found, _ = engine.retrieve(read, engine.excluded(()), 10)
        means.append(engine.features.statistics.quality.values[found, COMPONENTS.index("rating")].mean())
    assert means[0] > means[1] + 0.1


def test_the_ranker_says_the_same_of_a_candidate(market, tuned):
    """What was learned does not move with w."""
    named = [request | {"candidates": ["i1", "i2", "i3"]} for request in REQUESTS]
    run = Ranker.load(market / "run")
    scores = run.score(named)
    run.engine.model.space.quality_weight.zero_()
    assert run.score(named).equals(scores)


def test_the_sweep_and_the_plot_lie_beside_the_weights(market, tuned):
    (place,) = (market / "run" / "quality").iterdir()
    found = json.loads((place / "sweep.json").read_text())
    assert found.keys() == tuned.keys()
    rating = [point for point in found["search"] if point["component"] == "rating"]
    assert [point["weight"] for point in rating] == sorted(point["weight"] for point in rating)
    means = [point["quality"]["rating"] for point in rating]
    assert means == sorted(means)
    assert (place / "sweep.png").read_bytes().startswith(b"\x89PNG")
    listed = manifest.verify(market / "run")["files"]
    assert {f"quality/{place.name}/{name}" for name in ("weights.json", "sweep.json", "sweep.png")} <= listed.keys()


def test_the_study_is_tracked(market, tuned, store, tmp_path):
    (run,) = (run for run in store.runs("rated") if run.data.tags.get("kind") == "tune-quality")
    assert run.info.status == "FINISHED"
    assert run.data.params["trials"] == str(TRIALS)
    told = store.client.get_metric_history(run.info.run_id, "search/engagement")
    trials = [trial for half in tuned["search"].trials for trial in half]
    assert [(entry.step, entry.value) for entry in told] == [(n, trial.engagement) for n, trial in enumerate(trials)]
    rating = store.client.get_metric_history(run.info.run_id, "search/weight/rating")
    assert [entry.value for entry in rating] == [trial.weight[4] for trial in trials]
    assert run.data.metrics["tuned/search/weight/rating"] == tuned["search"].weight[4]
    assert run.data.metrics["tuned/search/lead_low"] == tuned["search"].lead.low
    (dataset,) = run.inputs.dataset_inputs
    assert {tag.value for tag in dataset.tags} == {"tune-quality"}
    folder = Path(store.client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert {path.name for path in folder.iterdir()} == {"weights.json", "sweep.json", "sweep.png"}
    assert json.loads((folder / "weights.json").read_text()) == weights_of(market / "run" / "selection")


def test_again_it_replaces_and_the_same_seed_finds_the_same(market, tuned, tmp_path):
    run = Path(shutil.copytree(market / "run", tmp_path / "run"))
    (before,) = (run / "quality").iterdir()
    again = tune_quality(str(run), market / "data", TRIALS, 0, quiet=True)
    assert again["search"].weight.tolist() == tuned["search"].weight.tolist()
    assert [path.name for path in (run / "quality").iterdir()] == [before.name]
    other = tune_quality(str(run), market / "data", 4, 1, quiet=True)
    (after,) = (run / "quality").iterdir()
    assert after.name != before.name
    served = Ranker.load(run).engine.model.space.quality_weight[0]
    np.testing.assert_allclose(served.numpy(), other["search"].weight, rtol=1e-6)


def test_the_command_prints_tables(market, tuned, unicorn, tmp_path):
    run = Path(shutil.copytree(market / "run", tmp_path / "run"))
    code, out, err = unicorn("tune-quality", run, "--data", market / "data", "--trials", 4, "--seed", 2)
    assert (code, err) == (0, [])
    for words in ("Where it was not chosen", "recall_at_100", "all tasks together", "Quality weights", "as tuned"):
        assert words in out
    code, out, err = unicorn("tune-quality", run, "--data", market / "data", "--trials", 4, "--quiet")
    assert (code, out, err) == (0, "", [])


def test_with_no_gain_w_stays_zero_and_it_says_so(fitted, data, unicorn, tmp_path):
    """In the tiny world users like a kind of item, whatever its quality."""
    run = Path(shutil.copytree(fitted, tmp_path / "run"))
    code, out, _ = unicorn("tune-quality", run, "--data", data, "--trials", 4)
    assert code == 0
    engine = Ranker.load(run).engine
    for number, task in enumerate(engine.features.tasks[:3]):
        assert engine.model.space.quality_weight[number].any() != (f"{task}: w stays 0: " in out)
    assert "w stays 0" in out


def test_a_run_that_was_fitted_on_train_alone_is_tuned_itself(tracked_run, store, tmp_path):
    run = Path(shutil.copytree(tracked_run, tmp_path / "run"))
    tune_quality(str(run), tracked_run.parent / "data", 2, 0, quiet=True)
    assert Ranker.load(run).model_id.startswith(f"{weights_of(run)['model']}-")


def refused(run: Path | str, data: Path, message: str, trials: int = 4) -> None:
    """Check that nothing is written, and that the reason is one line."""
    folder = Path(run)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")} if folder.is_dir() else {}
    with pytest.raises(DataError, match=message) as error:
        tune_quality(str(run), data, trials, 0, quiet=True)
    assert "\n" not in str(error.value)
    assert before == ({path: path.stat().st_mtime_ns for path in folder.rglob("*")} if folder.is_dir() else {})


def test_a_refitted_run_without_its_selection_is_refused(fitted, data, tmp_path):
    run = Path(shutil.copytree(fitted, tmp_path / "run"))
    shutil.rmtree(run / "selection")
    refused(run, data, r"was fitted on train and valid and holds no selection .* Fit it again")


def test_other_data_is_refused(fitted, tmp_path):
    refused(fitted, write(tmp_path / "other", world(seed=1)), r"was fitted on other data than .*other")


def test_a_run_in_mlflow_is_refused(data):
    refused("runs:/0123", data, r"runs:/0123: is kept by MLflow, where nothing is changed")


def test_a_single_trial_is_refused(fitted, data):
    refused(fitted, data, r"trials: 1 is below 2", trials=1)


def shortest(encoder: str, **changes):
    """Return settings of one round a stage, fitted on train alone."""
    stages = {
        "space": SpaceStageConfig(batch=64, max_steps=2, uniform=8),
        "ranker": RankerStageConfig(batch=32, max_steps=2, hard=4, uniform=2, zeros=1),
    }
    return with_training(config(encoder, refit=False, **changes), valid_requests=10, **stages)


def test_a_split_without_valid_rows_is_refused(tiny_encoder, tmp_path, caplog):
    tables = world()
    split = pl.when(pl.int_range(pl.len()) < 500).then(pl.lit("train")).otherwise(pl.lit("test"))
    events = tables["events"].with_columns(request_id=None, split=split)
    data = write(tmp_path / "data", {**tables, "events": events})
    with caplog.at_level(logging.ERROR):
        fit(data, tmp_path / "run", shortest(tiny_encoder), quiet=True)
    refused(tmp_path / "run", data, r"split 'valid' has no row with label > 0")


def test_a_run_without_quality_is_refused(tiny_encoder, tmp_path, data):
    settings = shortest(tiny_encoder)
    use = replace(settings.features.use, quality=False)
    fit(data, tmp_path / "run", replace(settings, features=replace(settings.features, use=use)), quiet=True)
    refused(tmp_path / "run", data, r"no quality component differs between its items")


def test_a_task_with_one_request_keeps_no_weight_and_says_why(tiny_encoder, tmp_path, unicorn):
    tables = world()
    events = tables["events"].filter(pl.col("task") != "search")
    searched = tables["events"].filter(pl.col("task") == "search", pl.col("label") > 0).head(41)
    split = pl.when(pl.int_range(pl.len()) < 40).then(pl.lit("train")).otherwise(pl.lit("valid"))
    late = pl.when(pl.col("timestamp") < START + timedelta(days=3)).then(pl.lit("train")).otherwise(pl.lit("valid"))
    events = pl.concat(
        [events.with_columns(split=late, request_id=pl.lit(None, pl.String)), searched.with_columns(split=split)]
    )
    data = write(tmp_path / "data", {**tables, "events": events})
    fit(data, tmp_path / "run", shortest(tiny_encoder), quiet=True)
    code, out, _ = unicorn("tune-quality", tmp_path / "run", "--data", data, "--trials", 2)
    assert code == 0
    assert "search: w stays 0: 1 and 0 requests are too few to choose by and to confirm it." in out


def test_tasks_that_were_not_trained_keep_no_weight(tiny_encoder, tmp_path, data):
    fit(data, tmp_path / "run", shortest(tiny_encoder, train_tasks=("similar",)), quiet=True)
    found = tune_quality(str(tmp_path / "run"), data, 3, 0, quiet=True)
    assert found.keys() == {"similar"}
    ranker = Ranker.load(tmp_path / "run")
    others = [number for number, task in enumerate(ranker.tasks) if task != "similar"]
    assert not ranker.engine.model.space.quality_weight[others].any()
