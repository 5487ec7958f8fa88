"""``manifest.json``: what a run folder holds, with a hash for every file, so that a damaged or foreign file is seen."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from features.errors import DataError
from serving.atomic import write_text

NAME: Final = "manifest.json"
FORMAT: Final = 1
LIBRARIES: Final = (
    "unicorn-ranker", "torch", "lightning", "polars", "faiss-cpu", "sentence-transformers", "mlflow", "numpy", "scipy",
)  # fmt: skip
"""Distributions whose versions a manifest tells."""


def write(folder: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of ``folder``, the last act of whoever fills it, and return it.

    Args:
        folder: all its files, at any depth, are hashed, but for hidden ones and those in hidden folders.
        metadata: what else to tell, e.g. the data hash and the seed; must not hold ``files`` or ``format``.
    """
    described = _describe(folder, (path for path in files(folder) if path != folder / NAME))
    manifest = {"format": FORMAT, **metadata, "files": described}
    _write(folder, manifest)
    return manifest


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` was finished: its manifest is written last."""
    return (folder / NAME).is_file()


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest without looking at the files."""
    if not is_complete(folder):
        raise DataError(f"{folder}: there is no {NAME}, so this is no finished run. Fit again, or give another folder.")
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{folder / NAME}: not JSON ({error}). Restore it, or fit again.") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise DataError(f"{folder / NAME}: it lists no files, so it was not made by this program. Fit again.")
    if manifest.get("format") != FORMAT:
        made = manifest.get("format")
        raise DataError(f"{folder / NAME}: format {made!r}, this version reads {FORMAT}. Use the version that made it.")
    return manifest


def verify(folder: Path, without: str | None = None) -> dict[str, Any]:
    """Return the manifest if every file that it lists is there as it was written.

    Files that it does not list are no concern: nothing reads them.

    Args:
        folder: that it describes.
        without: files whose names start so are passed over, because they are about to be written again.

    Raises:
        DataError: there is no manifest, or a file is missing or has another hash.
    """
    manifest = read(folder)
    for name, facts in manifest["files"].items():
        if without is not None and name.startswith(without):
            continue
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path}: missing, but {NAME} lists it. Restore it, or fit again.")
        found = file_hash(path)
        if found != facts["sha256"]:
            raise DataError(
                f"{path}: its SHA-256 is {found[:12]}…, {NAME} has {facts['sha256'][:12]}…: the file was changed. "
                "Restore it, or fit again."
            )
    return manifest


def renew(folder: Path, gone: tuple[str, ...], changed: Iterable[Path]) -> None:
    """Let a manifest forget the files whose names start with ``gone``, and describe those that ``changed``."""
    manifest = read(folder)
    kept = {name: facts for name, facts in manifest["files"].items() if not name.startswith(gone)}
    manifest["files"] = dict(sorted((kept | _describe(folder, changed)).items()))
    _write(folder, manifest)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that shape a run; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _describe(folder: Path, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(folder).as_posix(): {"sha256": file_hash(path), "bytes": path.stat().st_size} for path in paths
    }


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    write_text(folder / NAME, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def files(folder: Path) -> list[Path]:
    """Return the files of a folder at any depth, in order, without hidden ones and those in hidden folders."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(folder)))


def _is_hidden(name: Path) -> bool:
    """Whether a file, or a folder above it, is hidden: unfinished files are, and so is what an unfinished fit keeps."""
    return any(part.startswith(".") for part in name.parts)
