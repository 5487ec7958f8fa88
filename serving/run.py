"""A run folder: features, weights, index and what they were fitted on, with no code in any file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from features.config import FeatureConfig
from features.store import Features, load_features, save_features
from serving import manifest, quality_weights
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
    """Hash of weights and features, and behind it that of the quality weights where they were tuned."""
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
    Index.build(engine.side.indexed, engine.config.index).save(folder / INDEX, model_id(folder))
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
    engine, facts = load_model(folder, manifest.verify(folder)["files"])
    return replace(engine, index=Index.load(folder / INDEX, model_id(folder))), facts


def load_model(folder: Path, listed: Iterable[str]) -> tuple[Engine, RunFacts]:
    """Return what ``load_run`` returns, with an exact index of vectors encoded now in the place of the stored one.

    Args:
        folder: of the run.
        listed: the files that its manifest names, which were checked.

    Raises:
        DataError: the weights do not fit the features.
    """
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
    tuned = quality_weights.load(model.space, folder, listed, name, features.tasks, features.statistics.quality.names)
    serving = from_dict(ServingConfig, described["serving"], f"{folder / MODEL}: serving")
    engine = Engine.build(features, model, serving)
    tasks = described.get("train_tasks")  # a run of an earlier version does not say, and was trained on all
    return engine, RunFacts(
        model_id=name if tuned is None else f"{name}-{tuned}",
        data_hash=described["data_hash"],
        fitted_on=tuple(described["fitted_on"]),
        train_tasks=None if tasks is None else tuple(tasks),
    )
