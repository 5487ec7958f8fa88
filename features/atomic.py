"""Results that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import DataError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``out`` that takes its place when the block ends well, and vanishes otherwise.

    What ``out`` held is replaced: whoever calls has asked whether it may be.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file, and a folder is to be written there. Choose another --out.")
    partial = _sibling(out, "partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        _take_place(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_whole(out: Path, text: str) -> None:
    """Write ``text`` to the file ``out``."""
    partial = _sibling(out, "partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def holds_something(folder: Path) -> bool:
    """Whether there is a file at ``folder``, or a folder that is not empty."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def require_free(out: Path, overwrite: bool, own: Collection[str]) -> None:
    """Refuse a place that is in use, unless ``overwrite`` and nothing is there but entries named in ``own``."""
    if not holds_something(out):
        return
    if not overwrite:
        raise DataError(f"{out}: is in use already. Choose another --out, or pass --overwrite.")
    if not out.is_dir():
        raise DataError(f"{out}: is a file and will not be replaced by a folder. Choose another --out.")
    foreign = sorted(entry.name for entry in out.iterdir() if entry.name not in own)
    if foreign:
        raise DataError(
            f'{out}: holds "{foreign[0]}", which is not of a data folder, so it is not replaced. Choose another --out.'
        )


def _take_place(partial: Path, out: Path) -> None:
    """Move ``partial`` to ``out``; what was there is put aside first, and back if the move fails."""
    if not out.exists():
        partial.rename(out)
        return
    aside = _sibling(out, "replaced")
    out.rename(aside)
    try:
        partial.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside)


def _sibling(out: Path, suffix: str) -> Path:
    """Return a hidden name in the same folder, hence on the same file system."""
    out = out.absolute()
    return out.with_name(f".{out.name}.{os.getpid()}.{suffix}")
