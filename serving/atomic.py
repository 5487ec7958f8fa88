"""Files that appear whole or not at all, also when the process is killed or the machine stops."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial"
"""How the name of an unfinished file ends."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; what is written there takes its place when the block ends well."""
    temporary = path.with_name(f".{path.name}{PARTIAL}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)  # noqa: PTH105 (Path.replace says the same, os.replace says that it is atomic)
        _flush(path.parent)  # without it, a crash may undo the rename
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_partials(folder: Path) -> None:
    """Remove what killed processes left unfinished in ``folder`` and below."""
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make the disk hold what was written to a file, or the names of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
