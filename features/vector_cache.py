"""Vectors on disk by content: any number of processes may share them, and a broken part is one that is not there.

The cache lies in the folder that ``UNICORN_CACHE`` names, by default ``~/.cache/unicorn``, so that a text is encoded
once on a machine.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from features.arrays import load_arrays, save_arrays

_KEY_BYTES = 16
_UNREADABLE = (OSError, SafetensorError, KeyError, ValueError)
logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder of cached vectors."""
    named = os.environ.get("UNICORN_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "unicorn"


def read_cached(path: Path) -> dict[str, Any] | None:
    """Return the arrays of a cached file, or None where there is none that can be read."""
    try:
        return load_arrays(path)
    except _UNREADABLE:
        return None


def write_cached(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays so that the file appears whole or not at all; a cache that takes no file costs time, not the fit."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # process ids repeat across machines
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(arrays, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        logger.warning("%s: vectors are not cached (%s). Set UNICORN_CACHE to a folder to write to.", path, error)


class VectorCache:
    """Vectors by the hash of their text: a folder of parts, each written once and whole."""

    def __init__(self, folder: Path) -> None:
        """Read what the parts in ``folder`` hold."""
        self.folder = folder
        self._at: dict[bytes, tuple[Path, int]] = {}
        for part in sorted(folder.glob("part-*.safetensors")):
            self._at.update({key: (part, row) for row, key in enumerate(_keys(part))})

    @staticmethod
    def key(text: str) -> bytes:
        """Return the 16 bytes that name ``text``."""
        return hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES).digest()

    def add(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Write ``vectors`` (n, d) of ``keys`` as one part."""
        joined = b"".join(keys)
        part = self.folder / f"part-{hashlib.blake2b(joined, digest_size=12).hexdigest()}.safetensors"
        table = np.frombuffer(joined, dtype=np.uint8).reshape(len(keys), _KEY_BYTES)
        write_cached(part, {"keys": table, "vectors": np.asarray(vectors, dtype=np.float32)})
        self._at.update({key: (part, row) for row, key in enumerate(keys)})

    def read(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return the vectors (d,) of those of the ``keys`` that are cached."""
        by_part: dict[Path, dict[bytes, int]] = {}
        for key in keys:
            if key in self._at:
                part, row = self._at[key]
                by_part.setdefault(part, {})[key] = row
        found: dict[bytes, NDArray[np.float32]] = {}
        for part, rows in by_part.items():
            arrays = read_cached(part)  # None if it vanished since
            if arrays is not None:
                found |= {key: arrays["vectors"][row] for key, row in rows.items()}
        return found


def _keys(part: Path) -> list[bytes]:
    """Return the keys of a part in their order, none where the part is broken."""
    try:
        with safe_open(part, framework="numpy") as opened:
            table, vectors = opened.get_tensor("keys"), opened.get_slice("vectors").get_shape()
    except _UNREADABLE:
        return []
    if table.dtype != np.uint8 or table.shape != (vectors[0], _KEY_BYTES):
        return []
    return [row.tobytes() for row in table]
