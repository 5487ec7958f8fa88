"""The table of requests of a batch: one Parquet file or a folder of parts, read block by block."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.columns import Col
from features.errors import DataError
from serving.manifest import file_hash
from serving.requests import check_ids, check_tasks, conform_lazy


@dataclass(frozen=True)
class RequestFile:
    """Requests on disk, checked as a whole before the first is answered."""

    rows: int
    """Number of requests."""
    sha256: str
    """Hash over the hashes of the parts, in their order."""
    requests: pl.LazyFrame
    """All requests, with the columns of ``serving.requests.SCHEMA``."""

    def block(self, start: int, size: int) -> pl.DataFrame:
        """Return requests ``start`` to ``start + size`` in the order of the file; only these are read."""
        return self.requests.slice(start, size).collect(engine="in-memory")


def open_requests(path: Path, tasks: tuple[str, ...]) -> RequestFile:
    """Open the requests at ``path`` and check ids, tasks and types.

    Without a column ``request_id``, the ids are the numbers of the rows, from "0".

    Raises:
        DataError: there is no such file, it is not Parquet, or a request is wrong.
    """
    parts = _parts(path)
    try:
        raw = pl.scan_parquet(parts)
        if Col.REQUEST not in raw.collect_schema():
            raw = raw.with_row_index(Col.REQUEST).with_columns(pl.col(Col.REQUEST).cast(pl.String))
        requests = conform_lazy(raw)
        check_ids(requests)
        check_tasks(requests, tasks)
        rows = requests.select(pl.len()).collect().item()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}).") from error
    return RequestFile(rows, _hash(parts), requests)


def _parts(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else []
    if not parts:
        raise DataError(f"{path}: no such file of requests. Give a Parquet file, or a folder of them.")
    return parts


def _hash(parts: list[Path]) -> str:
    return hashlib.sha256("".join(map(file_hash, parts)).encode()).hexdigest()
