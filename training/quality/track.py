"""A study of w in MLflow: its parameters, every trial, the weights, the table and the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from features.tables import DataFolder, data_hash
from training.judging import Run
from training.quality.report import trial_metrics
from training.quality.study import Verdict
from training.tracking import PROFILED_ROWS, dataset_input, make_experiment, use_store

KIND: Final = "tune-quality"
_BATCH: Final = 1_000
"""Metrics that the store takes at once."""


def track(
    run: Run,
    name: str,
    folder: DataFolder,
    verdicts: Sequence[Verdict],
    components: Sequence[str],
    params: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> str | None:
    """Log a study of the run called ``name`` as an MLflow run in the experiment of ``run``, and return its id.

    None, and nothing is logged, if ``run`` was not tracked itself. The steps of the metrics ``task/…`` are the trials,
    those of the second half after those of the first; ``tuned/task/…`` is what came of them.
    """
    tracking = run.config.tracking
    if not tracking.enabled:
        return None
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(use_store(tracking))
    data = data_hash(folder)
    tags = {"kind": KIND, "model_id": run.ranker.model_id, "data_hash": data}
    experiment = make_experiment(client, tracking.experiment)
    made = client.create_run(experiment, tags=tags, run_name=f"quality of {name}")
    run_id = str(made.info.run_id)
    try:
        sample = folder.events.head(PROFILED_ROWS).collect()
        client.log_inputs(run_id, [dataset_input(sample, folder.root, data, KIND)])
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        told = [entry for verdict in verdicts for entry in trial_metrics(verdict, components)]
        told += [(key, 0, value) for verdict in verdicts for key, value in outcome(verdict, components)]
        metrics = [Metric(key, value, made.info.start_time, step) for key, step, value in told]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        with TemporaryDirectory() as temporary:
            for file, content in files.items():
                (Path(temporary) / file).write_bytes(content)
            client.log_artifacts(run_id, temporary)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def outcome(verdict: Verdict, components: Sequence[str]) -> list[tuple[str, float]]:
    """Return the name and value of what came of a task: its weights, and what they gain and lose."""
    found = [(f"weight/{name}", float(value)) for name, value in zip(components, verdict.weight, strict=True)]
    if verdict.trials:
        found += [("lead", verdict.lead.value), ("lead_low", verdict.lead.low), ("lead_high", verdict.lead.high)]
        found += [("recall_before", verdict.recall[0]), ("recall_after", verdict.recall[1])]
    return [(f"tuned/{verdict.task}/{name}", value) for name, value in found]
