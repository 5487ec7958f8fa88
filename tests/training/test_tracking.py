"""A fit in MLflow: settings, data, curves, metrics by task, and one run however often it is interrupted."""

from __future__ import annotations

import json
from dataclasses import replace

import mlflow
import numpy as np
import pytest

from serving.ranker import Ranker
from tests.training.overhearing import Failing
from tests.training.worlds import config, with_training
from training.config import TrackingConfig
from training.fit import fit
from training.tracking import Tracking, flat


def test_a_run_has_its_settings_and_its_data(store, tracked_run):
    found = store.run()
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "run"
    assert found.data.params["model.space.width"] == "16"
    assert found.data.params["training.seed"] == "0"
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.name == "data"
    told = json.loads((tracked_run / "manifest.json").read_text())["data_hash"]
    assert told.startswith(dataset.dataset.digest)


def test_a_run_has_its_curves(store, tracked_run):
    for name in ("space_loss", "ranker_loss", "space_valid_ndcg_at_20", "ranker_valid_ndcg_at_20/search"):
        history = store.client.get_metric_history(store.run().info.run_id, name)
        assert len({point.step for point in history}) > 2, name
        assert np.isfinite([point.value for point in history]).all()


def test_a_run_has_the_metrics_by_task_of_the_weights_that_were_kept(store, tracked_run):
    metrics = store.run().data.metrics
    for name, value in json.loads((tracked_run / "metrics.json").read_text()).items():
        assert metrics[f"best/{name}"] == pytest.approx(value), name
    for task in ("search", "recommendation", "similar"):
        assert f"best/ranker_valid_recall_at_20/{task}" in metrics


def test_tracking_decides_nothing(tracked_run, tmp_path, tiny_encoder):
    fit(tracked_run.parent / "data", tmp_path / "run", config(tiny_encoder, refit=False), quiet=True)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (tracked_run / "model.safetensors").read_bytes()
    assert Ranker.load(tmp_path / "run").model_id == Ranker.load(tracked_run).model_id


def test_a_fit_may_run_inside_a_run_of_the_callers(store, data, tmp_path, tiny_encoder):
    settings = config(tiny_encoder, refit=False, tracking=TrackingConfig(experiment=store.experiment("inside")))
    short = replace(settings.training.space, max_steps=5)
    with mlflow.start_run(experiment_id=store.client.get_experiment_by_name("inside").experiment_id) as own:
        fit(data, tmp_path / "run", with_training(settings, space=short), quiet=True)
        assert mlflow.active_run().info.run_id == own.info.run_id
        mlflow.log_metric("mine", 1.0)


def test_a_failed_fit_is_marked_and_resumed_in_its_run(store, data, tmp_path, tiny_encoder):
    tracking = TrackingConfig(experiment=store.experiment("failing"), log_model=False)
    settings = config(tiny_encoder, tracking=tracking)
    with pytest.raises(Failing.Error):
        fit(data, tmp_path / "run", settings, quiet=True, callbacks=(Failing(),))
    failed = store.run("failing")
    assert failed.info.status == "FAILED"
    fit(data, tmp_path / "run", settings, quiet=True)
    finished = store.run("failing")
    assert finished.info.run_id == failed.info.run_id
    assert finished.info.status == "FINISHED"
    assert "refit-ranker_loss" in finished.data.metrics  # the second phase does not write over the curves of the first


def test_where_the_run_of_a_resumed_fit_is_unknown_it_gets_another(store):
    settings = TrackingConfig(experiment=store.experiment("moved"))
    tracking = Tracking(settings, "run", "0" * 32)
    assert tracking.run_id == store.run("moved").info.run_id
    assert Tracking(settings, "run", tracking.run_id).run_id == tracking.run_id


def test_settings_are_flat_in_the_store():
    assert flat({"a": 1, "b": {"c": {"d": (2, 3)}, "e": None}}) == {"a": 1, "b.c.d": (2, 3), "b.e": None}
