"""A data folder as lazy frames in which every column of the contract is present, with the type it should have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

from features.columns import Table
from features.errors import DataError
from features.schema import SCHEMAS, TEXT, Field

TABLE_FILES: Final = frozenset({*SCHEMAS, *(f"{table}.parquet" for table in SCHEMAS)})
"""Names that the tables of a data folder may have in it."""


@dataclass(frozen=True)
class DataFolder:
    """The tables of a data folder, lazily scanned, rows in the order of the files."""

    root: Path
    items: pl.LazyFrame
    events: pl.LazyFrame
    users: pl.LazyFrame | None = None
    judgments: pl.LazyFrame | None = None
    scores: pl.LazyFrame | None = None

    def tables(self) -> dict[str, pl.LazyFrame]:
        """Return the tables that are there, by name."""
        named = {name: getattr(self, name) for name in SCHEMAS}
        return {name: frame for name, frame in named.items() if frame is not None}

    def with_table(self, name: str, frame: pl.LazyFrame) -> DataFolder:
        """Return the folder with another frame for one of its tables."""
        others: dict[str, Any] = {name: frame}
        return replace(self, **others)


def open_data(path: Path) -> DataFolder:
    """Open the tables of the folder ``path``, and check their columns and types; no row is read.

    Absent optional columns are there as typed nulls, or as the contract's default. Extra columns are kept.

    Raises:
        DataError: the folder, a required table or a required column is missing, or a column has a wrong type.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: no such data folder. Make one with `unicorn import` or `unicorn simulate`.")
    found = {name: parts for name in SCHEMAS if (parts := _parts(path, name))}
    for name in (Table.ITEMS, Table.EVENTS):
        if name not in found:
            raise DataError(f'{path}: the table "{name}" is missing. Write {name}.parquet, or parts {name}/*.parquet.')
    return DataFolder(path, **{name: _scan(parts, SCHEMAS[name]) for name, parts in found.items()})


def stated_columns(folder: DataFolder, name: str) -> list[str]:
    """Return the columns that the files of a table bring themselves, in the order of the opened table."""
    stated = {column for part in _parts(folder.root, name) for column in pl.read_parquet_schema(part)}
    return [column for column in folder.tables()[name].collect_schema() if column in stated]


def data_hash(folder: DataFolder) -> str:
    """Return the SHA-256, in hex, of the names and contents of the table files of ``folder``."""
    total = hashlib.sha256()
    for part in _files(folder.root):
        with part.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        total.update(part.relative_to(folder.root).as_posix().encode() + b"\0" + content)
    return total.hexdigest()


def conform(frame: pl.LazyFrame, fields: tuple[Field, ...], place: str) -> pl.LazyFrame:
    """Return ``frame`` with the columns of ``fields`` first, typed and filled, and the extra ones after them.

    Args:
        frame: rows from ``place``; their order is kept.
        fields: what the contract says of the table.
        place: where the frame came from, for errors.
    """
    schema = frame.collect_schema()
    names = {field.name for field in fields}
    columns = [_column(field, schema.get(field.name), place) for field in fields]
    return frame.select(*columns, *(name for name in schema if name not in names))


def _column(field: Field, found: pl.DataType | None, place: str) -> pl.Expr:
    """Return the column of ``field``, from one of the type ``found``, or from none."""
    kind = field.kind
    if found is None and field.required:
        raise DataError(f'{place}: the column "{field.name}" is missing; it is required. Add it as {kind.wanted}.')
    if found is None:
        return pl.lit(field.default, dtype=kind.dtype).alias(field.name)
    if isinstance(found, pl.Null):  # a column of nothing has no type of its own
        column = pl.col(field.name).cast(kind.dtype)
    elif kind.accepts(found):
        column = kind.convert(pl.col(field.name), found)
    else:
        raise DataError(f'{place}: the column "{field.name}" is {found}, wanted is {kind.wanted}. Cast it.')
    if kind is TEXT and not field.required:  # as in a request, a text of nothing says nothing
        column = pl.when(column.str.strip_chars() != "").then(column).alias(field.name)
    return column if field.default is None else column.fill_null(field.default)


def _scan(parts: list[Path], fields: tuple[Field, ...]) -> pl.LazyFrame:
    """Return the parts below each other, each checked by itself so that an error names its file."""
    frames = []
    for part in parts:
        try:
            frames.append(conform(pl.scan_parquet(part, hive_partitioning=False, glob=False), fields, str(part)))
        except (PolarsError, OSError) as error:
            raise DataError(f"{part}: cannot be read as Parquet ({_first_line(error)}). Write it again.") from error
    if len(frames) == 1:
        return frames[0]
    _require_alike(parts, frames)
    return pl.concat(frames, how="diagonal_relaxed")


def _require_alike(parts: list[Path], frames: list[pl.LazyFrame]) -> None:
    """Raise unless each extra column has one type in all parts, or is a number in all; polars would guess a type."""
    seen: dict[str, pl.DataType] = {}
    for part, frame in zip(parts, frames, strict=True):
        for name, found in frame.collect_schema().items():
            before = seen.setdefault(name, found)
            if isinstance(before, pl.Null):
                seen[name] = found
            elif not (found == before or isinstance(found, pl.Null) or (found.is_numeric() and before.is_numeric())):
                raise DataError(
                    f'{part}: the column "{name}" is {found}, in an earlier part {before}. Cast one of them.'
                )


def _parts(root: Path, name: str) -> list[Path]:
    """Return the files of a table, in order; none if it is not there."""
    file, folder = root / f"{name}.parquet", root / name
    if not folder.is_dir():
        return [file] if file.is_file() else []
    if file.is_file():
        raise DataError(f'{root}: the table "{name}" is there twice, as {name}.parquet and {name}/. Remove one.')
    parts = sorted(folder.glob("*.parquet"))
    if not parts:
        raise DataError(f'{folder}: the table "{name}" has no part *.parquet. Write one, or remove the folder.')
    return parts


def _files(root: Path) -> Iterator[Path]:
    for name in SCHEMAS:
        yield from _parts(root, name)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
