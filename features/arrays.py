"""Named arrays, dense and sparse, in files that hold no code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy import sparse

from features.errors import DataError

_PARTS = ("data", "indices", "indptr", "shape")


def padded(array: NDArray[Any] | sparse.csr_matrix, axes: Collection[int], size: int) -> Any:
    """Return an array or a CSR matrix with zeros behind what it has, so that it has ``size`` along each of ``axes``."""
    if isinstance(array, np.ndarray):
        more = [(0, size - length if axis in axes else 0) for axis, length in enumerate(array.shape)]
        return np.pad(array, more)
    rows, columns = (size if axis in axes else length for axis, length in enumerate(array.shape))
    starts = np.pad(array.indptr, (0, rows - array.shape[0]), mode="edge")
    return sparse.csr_matrix((array.data, array.indices, starts), shape=(rows, columns))


def save_arrays(arrays: Mapping[str, NDArray[Any] | sparse.csr_matrix], path: Path) -> None:
    """Write arrays and CSR matrices as one safetensors file."""
    flat: dict[str, NDArray[Any]] = {}
    for name, value in arrays.items():
        if not isinstance(value, np.ndarray):
            flat |= _parts(name, value)
        else:
            flat[name] = value
    save_file({name: np.ascontiguousarray(array) for name, array in flat.items()}, path)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read what ``save_arrays`` wrote."""
    return _whole(load_file(path))


def save_columns(columns: Mapping[str, NDArray[Any] | sparse.csr_matrix], folder: Path) -> None:
    """Write each array, and each part of a CSR matrix, as a file of its own, to be memory-mapped.

    A file that is there is replaced and not written over, so that whoever has mapped it keeps what it held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, column in columns.items():
        parts = {name: column} if isinstance(column, np.ndarray) else _parts(name, column)
        for part, array in parts.items():
            partial = folder / f".{part}.partial"
            with partial.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
            partial.replace(folder / f"{part}.npy")


def _parts(name: str, matrix: sparse.csr_matrix) -> dict[str, NDArray[Any]]:
    arrays = (matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape))
    return {f"{name}.{part}": array for part, array in zip(_PARTS, arrays, strict=True)}


def map_columns(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Memory-map what ``save_columns`` wrote under ``names``: only what is read of it comes into memory.

    Raises:
        DataError: a file is missing.
    """
    flat: dict[str, NDArray[Any]] = {}
    for name in names:
        whole = (folder / f"{name}.npy").exists()
        for part in (name,) if whole else (f"{name}.{part}" for part in _PARTS):
            path = folder / f"{part}.npy"
            if not path.is_file():
                raise DataError(f"{path}: is missing. Fit the run again, or copy it anew.")
            flat[part] = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return _whole(flat)


def _whole(flat: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the arrays of ``flat``, and the matrices whose parts it has."""
    found: dict[str, Any] = {name: array for name, array in flat.items() if "." not in name}
    for name in {name.split(".")[0] for name in flat if "." in name}:
        data, indices, indptr, shape = (flat[f"{name}.{part}"] for part in _PARTS)
        found[name] = sparse.csr_matrix((data, indices, indptr), shape=tuple(int(side) for side in shape))
    return found
