"""An evaluation in MLflow: its figures per ranker and task, its file and page, and the data set that was judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from features.tables import DataFolder
from training.judging import Run
from training.tracking import PROFILED_ROWS, dataset_input, make_experiment, use_store

_BATCH: Final = 1_000
"""Metrics that the store takes at once."""
CONTEXT: Final = "evaluation"


def track(evaluation: dict[str, Any], run: Run, folder: DataFolder, page: Path | None) -> str | None:
    """Log ``evaluation`` as an MLflow run in the experiment of ``run``, and return its id.

    None, and nothing is logged, if ``run`` was not tracked itself.
    A metric is called ``ranker/task/metric``; intervals, slices and comparisons are in ``evaluation.json`` beside it.
    """
    tracking = run.config.tracking
    if not tracking.enabled:
        return None
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(use_store(tracking))
    split = evaluation["protocol"]["split"]
    experiment = make_experiment(client, tracking.experiment)
    tags = {"kind": CONTEXT, "model_id": evaluation["model"]["id"], "data_hash": evaluation["data"]["hash"]}
    tags["split"] = split
    made = client.create_run(experiment, tags=tags, run_name=f"{run.folder.name} on {folder.root.name}, {split}")
    run_id = str(made.info.run_id)
    try:
        sample = folder.events.head(PROFILED_ROWS).collect()
        client.log_inputs(run_id, [dataset_input(sample, folder.root, evaluation["data"]["hash"], CONTEXT)])
        metrics = [Metric(name, value, made.info.start_time, 0) for name, value in figures(evaluation)]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        client.log_text(run_id, json.dumps(evaluation, indent=1) + "\n", "evaluation.json")
        if page is not None:
            client.log_artifact(run_id, str(page))
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def figures(evaluation: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the name and value of each figure: metrics, impressions, ceilings and judgments of every ranker."""
    for ranker, found in evaluation["rankers"].items():
        for task, node in found["tasks"].items():
            parts = [*node["metrics"].items(), *node["impressions"]["metrics"].items()]
            parts += [("ceiling", node["ceiling"]["recall"])] if "ceiling" in node else []
            for name, entry in parts:
                yield f"{ranker}/{task}/{name}", entry["value"]
        for name, entry in found["judgments"]["metrics"].items():
            yield f"{ranker}/judgments/{name}", entry["value"]
