"""A real MLflow store for tests."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.entities import Run


class Store:
    """A store in a folder, whose experiments keep their artifacts there too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.client = mlflow.MlflowClient(self.uri)

    def experiment(self, name: str) -> str:
        """Make an experiment and return its name."""
        self.client.create_experiment(name, artifact_location=(self.folder / name).as_uri())
        return name

    def run(self, experiment: str = "tiny") -> Run:
        """Return the one run of an experiment."""
        found = self.client.get_experiment_by_name(experiment)
        (run,) = self.client.search_runs([found.experiment_id])
        return run
