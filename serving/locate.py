"""Where a run lies: a folder, ``runs:/…`` or ``models:/name@alias`` of MLflow, made a local folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from features.errors import DataError
from serving import manifest

TRACKING_URI: Final = "sqlite:///mlflow.db"
"""Where runs are tracked unless ``MLFLOW_TRACKING_URI`` says otherwise; MLflow's file store refuses to start."""
MODEL_NAME: Final = "model"
"""The name under which a run logs its model, so that ``runs:/ID`` alone is enough."""
SCHEMES: Final = ("runs:/", "models:/")


def locate(run: str | Path) -> Path:
    """Return the local run folder of ``run``; what MLflow keeps elsewhere is downloaded.

    Args:
        run: a folder made by ``unicorn fit``, ``runs:/ID``, ``runs:/ID/path``, ``models:/name@alias`` or
            ``models:/name/version``.

    Raises:
        DataError: there is nothing of that name, or it is not a run of this program.
    """
    text = str(run)
    if text.startswith(SCHEMES):
        return _inside_model(_download(text), text)
    folder = Path(run)
    if not folder.is_dir():
        raise DataError(f"{run}: no such run folder. Give one made by `unicorn fit`, runs:/ID or models:/NAME@ALIAS.")
    return _inside_model(folder, text)


def use_tracking_store() -> str:
    """Point MLflow at the default store unless the user, or the program around us, chose one; return its address."""
    import mlflow

    if not os.environ.get("MLFLOW_TRACKING_URI") and not mlflow.is_tracking_uri_set():
        mlflow.set_tracking_uri(TRACKING_URI)
    return str(mlflow.get_tracking_uri())


def _download(uri: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    store = use_tracking_store()
    whole_run = uri.startswith("runs:/") and "/" not in uri.removeprefix("runs:/").strip("/")
    try:
        return Path(download_artifacts(artifact_uri=f"{uri.rstrip('/')}/{MODEL_NAME}" if whole_run else uri))
    except (MlflowException, OSError) as error:
        raise DataError(f"{uri}: not found in the MLflow store {store} ({error}).") from error


def _inside_model(folder: Path, asked: str) -> Path:
    """Return the run folder: ``folder`` itself, or the one that an MLflow model carries as an artifact."""
    if manifest.is_complete(folder):
        return folder
    carried = sorted(folder.glob(f"artifacts/*/{manifest.NAME}")) if (folder / "MLmodel").is_file() else []
    if not carried:
        raise DataError(
            f"{asked}: there is no {manifest.NAME}, so this is no finished run. Fit again, or give another."
        )
    return carried[0].parent
