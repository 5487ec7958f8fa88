"""The quality weights w of a run: a file beside the index, which the manifest names, put into the model when it loads.

The file lies in a folder named by its content, ``quality/<hash>/``, and counts once the manifest lists it: one replaced
file makes new weights those of the run, and whoever is killed before that leaves the run as it was.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from features.errors import DataError
from serving import manifest
from serving.atomic import replacing
from unicorn.model import Space

FOLDER: Final = "quality"
WEIGHTS: Final = "weights.json"
_AGAIN: Final = "Run `unicorn tune-quality` on this run again"


def as_json(
    weights: NDArray[np.float64], model: str, tasks: Sequence[str], components: Sequence[str], study: Mapping[str, Any]
) -> bytes:
    """Return the file of ``weights`` (T, Q), for the model named ``model``, with the facts of the ``study``."""
    told = {"model": model, "tasks": list(tasks), "components": list(components), "weights": weights.tolist()}
    return (json.dumps({**told, "study": study}, indent=1, ensure_ascii=False) + "\n").encode()


def install(folder: Path, files: Mapping[str, bytes], within: Sequence[str] = ()) -> Path:
    """Make ``files`` the quality weights of a complete run, in place of earlier ones, and return their folder.

    Args:
        folder: of the run.
        files: by name; ``WEIGHTS`` is one of them.
        within: names of runs inside the folder in which weights were installed just before, and which the manifest of
            this one describes too.
    """
    digest = hashlib.sha256(b"".join(name.encode() + content for name, content in sorted(files.items())))
    place = folder / FOLDER / digest.hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(place / name) as temporary:
            temporary.write_bytes(content)
    changed = [place / name for name in files]
    for inner in within:
        changed += [folder / inner / manifest.NAME, *manifest.files(folder / inner / FOLDER)]
    manifest.renew(folder, (f"{FOLDER}/", *(f"{inner}/{FOLDER}/" for inner in within)), changed)
    for earlier in (folder / FOLDER).iterdir():
        if earlier != place:
            shutil.rmtree(earlier, ignore_errors=True)
    return place


def load(
    space: Space, folder: Path, listed: Iterable[str], model: str, tasks: Sequence[str], components: Sequence[str]
) -> str | None:
    """Put the quality weights of a run into ``space``, and return the name of their content.

    A run that was never tuned has none: w stays 0, and there is no name.

    Args:
        space: of the run's model.
        folder: of the run.
        listed: the files that its manifest names.
        model: the hash that names its model.
        tasks: of the run.
        components: of its quality vectors.

    Raises:
        DataError: the file is of another model, of other tasks or components, or holds no finite numbers.
    """
    found = [name for name in listed if name.startswith(f"{FOLDER}/") and name.endswith(f"/{WEIGHTS}")]
    if not found:
        return None
    if len(found) > 1:
        raise DataError(f"{folder / FOLDER}: the manifest lists weights {len(found)} times. {_AGAIN}.")
    path = folder / found[0]
    weights = _read(path, model, tasks, components)
    with torch.no_grad():
        space.quality_weight.copy_(torch.from_numpy(weights))
    return path.parent.name


def _read(path: Path, model: str, tasks: Sequence[str], components: Sequence[str]) -> NDArray[np.float64]:
    """Return the weights (T, Q) of a file, checked."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        weights = np.asarray(told["weights"], dtype=np.float64)
        named = {key: told[key] for key in ("model", "tasks", "components")}
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: holds no quality weights ({error!r}). {_AGAIN}.") from error
    if named["model"] != model:
        raise DataError(f"{path}: the weights are of model {str(named['model'])[:12]}, not {model[:12]}. {_AGAIN}.")
    for key, own in (("tasks", tasks), ("components", components)):
        if list(named[key]) != list(own):
            has, wanted = ", ".join(map(str, named[key])), ", ".join(own)
            raise DataError(f"{path}: its {key} are {has}, those of the run {wanted}. {_AGAIN}.")
    if weights.shape != (len(tasks), len(components)) or not np.isfinite(weights).all():
        wanted = f"{len(tasks)} × {len(components)}"
        raise DataError(f"{path}: the weights are not {wanted} finite numbers. {_AGAIN}.")
    return weights
