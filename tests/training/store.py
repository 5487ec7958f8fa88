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
        """Return the one fit of an experiment."""
        (run,) = (run for run in self.runs(experiment) if "kind" not in run.data.tags)
        return run

    def runs(self, experiment: str = "tiny") -> list[Run]:
        """Return the fits and evaluations of an experiment."""
        found = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([found.experiment_id]))
