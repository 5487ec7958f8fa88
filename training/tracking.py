"""MLflow: configuration, data set, curves, metrics per task, and the model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from lightning.pytorch.loggers import MLFlowLogger

from serving.locate import use_tracking_store
from training.config import FitConfig, TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

PROFILED_ROWS = 10_000
"""Rows of the events that MLflow's description of the data set is made from."""


class Tracking:
    """One MLflow run that follows one fit, also when the fit is interrupted and resumed."""

    def __init__(self, config: TrackingConfig, name: str, run_id: str | None) -> None:
        """Open a run called ``name``, or go on with ``run_id``."""
        from mlflow import MlflowClient

        self.uri = use_store(config)
        self.log_models = config.log_model
        run_id = _known(self.uri, run_id)
        make_experiment(MlflowClient(self.uri), config.experiment)
        self.logger = MLFlowLogger(config.experiment, run_name=name, tracking_uri=self.uri, run_id=run_id)
        self.run_id = str(self.logger.run_id)
        self.refit_logger = MLFlowLogger(config.experiment, tracking_uri=self.uri, run_id=self.run_id, prefix="refit")
        logging.getLogger(__name__).info("tracked as MLflow run %s in %s", self.run_id, self.uri)

    def describe(self, config: FitConfig, data: Path, data_hash: str, events: pl.DataFrame) -> None:
        """Log the configuration and the data set."""
        self.logger.log_hyperparams(flat(asdict(config)))
        sample = events.head(PROFILED_ROWS)
        self.logger.experiment.log_inputs(self.run_id, [dataset_input(sample, data, data_hash, "training")])

    def finish(self, metrics: Mapping[str, float], run_folder: Path) -> None:
        """Log the metrics of the weights that were kept and the model, and close the run."""
        import mlflow

        from serving.pyfunc import log_model

        self.logger.log_metrics({f"best/{name}": value for name, value in metrics.items()})  # beside the curves
        if self.log_models:
            with mlflow.start_run(run_id=self.run_id, nested=True):  # also inside a run of the caller's
                log_model(run_folder)
        self.logger.finalize("success")

    def fail(self) -> None:
        """Mark the run as failed; a resumed fit goes on with it."""
        self.logger.finalize("failed")


def _known(uri: str, run_id: str | None) -> str | None:
    """Return ``run_id`` if the store has it; a fit that is resumed elsewhere gets a run of its own there."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return None if run_id is None else str(MlflowClient(uri).get_run(run_id).info.run_id)
    except MlflowException:
        return None


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def use_store(config: TrackingConfig) -> str:
    """Point MLflow at the store of ``config``, or at the one in use, and return its address."""
    if config.uri is not None:
        import mlflow

        mlflow.set_tracking_uri(config.uri)
    return use_tracking_store()


def dataset_input(sample: pl.DataFrame, data: Path, data_hash: str, context: str) -> DatasetInput:
    """Return the data folder ``data`` as MLflow notes it: described by a ``sample`` of events, used as ``context``."""
    from mlflow.data.polars_dataset import from_polars
    from mlflow.entities import Dataset, DatasetInput, InputTag

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a path that MLflow can read in two ways, which are the same
        found = from_polars(sample, source=str(data.resolve()), name=data.resolve().name, digest=data_hash[:32])
    return DatasetInput(Dataset(**found.to_dict()), [InputTag("mlflow.data.context", context)])


def make_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, made where it is not there yet: left to Lightning, that comes with a warning."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another fit may have made it in the meantime
            if found is None:
                raise
    return str(found.experiment_id)
