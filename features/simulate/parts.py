"""Tables on disk in parts, the same bytes whatever the number of threads."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import polars as pl

PART_ROWS = 1_000_000
"""Rows after which a part is closed."""
_GROUP_ROWS = 131_072
"""Rows of a row group: stated, so that the bytes do not follow a default of polars."""


def write_table(frame: pl.DataFrame, file: Path) -> None:
    """Write ``frame`` as one file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.rechunk().write_parquet(file, compression="zstd", row_group_size=_GROUP_ROWS)


class PartWriter:
    """Writes frames below each other as ``folder/part-00000.parquet`` and so on."""

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``, which need not exist."""
        self._folder = folder
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._parts = 0

    def write(self, frame: pl.DataFrame) -> None:
        """Add the rows of ``frame``."""
        self._waiting.append(frame)
        self._rows += len(frame)
        if self._rows >= PART_ROWS:
            self._close_part()

    def _close_part(self) -> None:
        write_table(pl.concat(self._waiting), self._folder / f"part-{self._parts:05}.parquet")
        self._waiting.clear()
        self._parts += 1
        self._rows = 0

    def __enter__(self) -> PartWriter:
        """Start writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, unless something went wrong."""
        if kind is None and self._waiting:
            self._close_part()
