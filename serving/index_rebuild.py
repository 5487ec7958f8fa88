"""The index of a finished run, built again: with other settings, or because its files were lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import DataError
from serving import index_files, manifest
from serving.config import IndexConfig
from serving.index import Index
from serving.index_files import IndexFacts
from serving.run import INDEX, load_model, model_id


def rebuild(folder: Path, changes: Mapping[str, Any]) -> IndexFacts:
    """Encode the catalogue of a run again, index it, and renew the manifest of the run; return what was built.

    Items that were added to the index after the fit are no part of the run, and are gone; removed ones come back.
    Whoever is killed on the way leaves a run whose index is refused until this is done again.

    Args:
        folder: of the run.
        changes: fields of ``IndexConfig``; the others stay what they were.

    Raises:
        DataError: a file of the run other than those of its index is missing or was changed, or the settings are wrong.
    """
    listed = manifest.verify(folder, without=f"{INDEX}/")["files"]
    engine, _ = load_model(folder, listed)
    index = Index.build(engine.side.indexed, replace(_settings(folder, engine.config.index), **changes))
    index.save(folder / INDEX, model_id(folder))  # which tuned quality weights are no part of
    manifest.renew(folder, (f"{INDEX}/",), manifest.files(folder / INDEX))
    return index_files.read_facts(folder / INDEX)


def _settings(folder: Path, fitted: IndexConfig) -> IndexConfig:
    """Return the settings of the index that is there, or those of the fit where it cannot be read."""
    try:
        return index_files.read_facts(folder / INDEX).settings
    except DataError:
        return fitted
