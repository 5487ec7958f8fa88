"""A run folder: features, weights, index and what they were fitted on, with no code in any file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.config import FeatureConfig
from features.store import Features, load_features, save_features
from serving import manifest
from serving.config import ServingConfig
from serving.engine import Engine
from serving.index import Index
from serving.settings import from_dict
from serving.weights import load_weights, save_weights
from unicorn.config import ModelConfig, ModelSizes
from unicorn.model import UniCoRn

WEIGHTS, MODEL, FEATURES, INDEX = "model.safetensors", "model.json", "features", "index"


@dataclass(frozen=True)
class RunFacts:
    """What a run says of itself."""

    model_id: str
    """Hash of weights and features."""
    data_hash: str
    """Hash of the data folder that it was fitted on."""
    fitted_on: tuple[str, ...]
    """Splits that it was fitted on."""
    train_tasks: tuple[str, ...] | None = None
    """Tasks whose rows it was trained on, and whose rows its histories tell of; None = all."""


def save_run(folder: Path, engine: Engine, facts: Mapping[str, Any]) -> None:
    """Write features, weights and index of ``engine``; ``manifest.write`` completes the folder.

    Args:
        folder: of the run.
        engine: what is served.
        facts: ``data_hash``, ``fitted_on`` and ``train_tasks``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_features(engine.features, folder / FEATURES)
    save_weights(engine.model, folder / WEIGHTS)
    described = {
        "sizes": asdict(engine.model.sizes),
        "model": asdict(engine.model.config),
        "features": asdict(engine.features.config),
        "serving": asdict(engine.config),
        **facts,
    }
    (folder / MODEL).write_text(json.dumps(described, indent=1) + "\n")
    engine.index.save(folder / INDEX, model_id(folder))
    for path in folder.rglob("*.safetensors"):  # which safetensors makes for the owner's eyes alone
        path.chmod((folder / MODEL).stat().st_mode)


def model_id(folder: Path) -> str:
    """Return the hash of the weights and of everything that was fitted before them."""
    total = hashlib.sha256()
    fitted = manifest.files(folder / FEATURES)
    for path in (folder / WEIGHTS, folder / MODEL, *fitted):
        total.update(f"{path.relative_to(folder).as_posix()} {manifest.file_hash(path)}\n".encode())
    return total.hexdigest()


def load_run(folder: Path) -> tuple[Engine, RunFacts]:
    """Return what ``save_run`` wrote, after checking it against the manifest.

    Raises:
        DataError: a file is missing or was changed, or the weights do not fit the features.
    """
    manifest.verify(folder)
    described = json.loads((folder / MODEL).read_text())
    features: Features = load_features(
        folder / FEATURES, from_dict(FeatureConfig, described["features"], f"{folder / MODEL}: features")
    )
    model = UniCoRn(
        from_dict(ModelSizes, described["sizes"], f"{folder / MODEL}: sizes"),
        from_dict(ModelConfig, described["model"], f"{folder / MODEL}: model"),
    )
    load_weights(model, folder / WEIGHTS)
    name = model_id(folder)
    serving = from_dict(ServingConfig, described["serving"], f"{folder / MODEL}: serving")
    engine = Engine.build(features, model, serving, Index.load(folder / INDEX, name))
    tasks = described.get("train_tasks")  # a run of an earlier version does not say, and was trained on all
    return engine, RunFacts(
        name, described["data_hash"], tuple(described["fitted_on"]), None if tasks is None else tuple(tasks)
    )
