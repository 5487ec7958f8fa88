"""An index on disk: the vectors as faiss reads them, an approximate index over them, and what both are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch  # noqa: F401 (torch before faiss: their OpenMP runtimes clash in the other order)
from numpy.typing import NDArray

import faiss  # isort: skip

from features.errors import DataError
from serving.atomic import replacing, write_text
from serving.config import FLAT, IndexConfig
from serving.index_approximate import Approximate
from serving.index_checks import reason
from serving.settings import from_dict

VECTORS: Final = "items.faiss"
APPROXIMATE: Final = "approximate.faiss"
FACTS: Final = "index.json"
_METRIC: Final = "inner product"
_AGAIN: Final = "Build it again with `unicorn index`."


@dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """What an index says of itself."""

    factory: str
    """What was built: ``Flat`` = exact search, or a factory string of faiss."""
    metric: str = _METRIC
    """What is largest for the item that is found first."""
    width: int
    """Components of a vector."""
    items: int | None = None
    """Items, those that were removed among them; an index of an earlier version does not say."""
    model: str
    """Hash of the model that the vectors come from."""
    removed: tuple[int, ...] = ()
    """Rows of items that are never found."""
    settings: IndexConfig = field(default_factory=IndexConfig)
    """How it is built again, and how it is searched."""
    longest: float | None = None
    """The length that all vectors of an approximate index were given; null = none."""


def write(folder: Path, facts: IndexFacts, vectors: NDArray[np.float32], approximate: Approximate | None) -> None:
    """Write an index into ``folder``, every file whole or not at all, and ``index.json`` last.

    Args:
        folder: made if it is not there.
        facts: what is written.
        vectors: (N + 1, W), row 0 = padding.
        approximate: index over rows 1 to N; None = exact search.
    """
    folder.mkdir(parents=True, exist_ok=True)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    _write(flat, folder / VECTORS)
    if approximate is not None:
        _write(approximate.index, folder / APPROXIMATE)
    write_text(folder / FACTS, json.dumps(asdict(facts), indent=1) + "\n")
    if approximate is None:
        (folder / APPROXIMATE).unlink(missing_ok=True)


def read(folder: Path, model: str) -> tuple[IndexFacts, NDArray[np.float32], Approximate | None]:
    """Return what ``write`` wrote.

    Raises:
        DataError: the index is of another ``model``, a file is missing or cannot be read, or the files do not belong
            together.
    """
    facts = read_facts(folder)
    if facts.model != model:
        raise DataError(f"{folder}: the index is of model {facts.model[:12]}, not {model[:12]}. {_AGAIN}")
    flat = _read(folder / VECTORS)
    rows = flat.ntotal if facts.items is None else facts.items + 1
    _require(folder / VECTORS, "metric", flat.metric_type, faiss.METRIC_INNER_PRODUCT)
    _require(folder / VECTORS, "number of components", flat.d, facts.width)
    _require(folder / VECTORS, "number of rows", flat.ntotal, rows)
    vectors = flat.reconstruct_n(0, flat.ntotal)
    if facts.factory == FLAT:
        return facts, vectors, None
    index = _read(folder / APPROXIMATE)
    metric = faiss.METRIC_INNER_PRODUCT if facts.longest is None else faiss.METRIC_L2
    _require(folder / APPROXIMATE, "metric", index.metric_type, metric)
    _require(folder / APPROXIMATE, "number of items", index.ntotal, rows - 1)
    if index.d < facts.width + (facts.longest is not None):
        raise DataError(
            f"{folder / APPROXIMATE}: its vectors have {index.d} components, {FACTS} says {facts.width}. {_AGAIN}"
        )
    return facts, vectors, Approximate(index, facts.longest, facts.settings)


def read_facts(folder: Path) -> IndexFacts:
    """Return ``index.json`` of ``folder``.

    Raises:
        DataError: it is missing, or holds something else.
    """
    path = folder / FACTS
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). {_AGAIN}") from error
    needed = {"factory", "metric", "width", "model"}
    if not isinstance(told, dict) or not needed <= told.keys():
        raise DataError(f"{path}: does not say {', '.join(sorted(needed))}. {_AGAIN}")
    if told["metric"] != _METRIC:
        raise DataError(f"{path}: the metric is {told['metric']!r}, not {_METRIC!r}. {_AGAIN}")
    return from_dict(IndexFacts, told, str(path))


def _write(index: Any, path: Path) -> None:
    with replacing(path) as temporary:
        faiss.write_index(index, str(temporary))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path}: missing. {_AGAIN}")
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise DataError(f"{path}: faiss cannot read it ({reason(error)}). {_AGAIN}") from error


def _require(path: Path, what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise DataError(f"{path}: the {what} is {found}, {FACTS} says {wanted}. {_AGAIN}")
