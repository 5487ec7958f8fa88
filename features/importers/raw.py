"""Raw files of public data sets: whether they are there, and their rows as text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from features.errors import DataError


def require_files(raw: Path, names: Sequence[str], home: str) -> None:
    """Raise unless the folder ``raw`` holds the files ``names``; ``home`` is where the data set is published."""
    if not raw.is_dir():
        raise DataError(f"{raw}: no such folder. Download the data set from {home} and give its folder as --raw.")
    missing = [name for name in names if not (raw / name).is_file()]
    if missing:
        raise DataError(f"{raw}: {', '.join(missing)} is missing. The data set is published at {home}.")


def read_rows(
    path: Path, columns: Sequence[str], *, separator: str, quote: str | None, encoding: str = "utf-8-sig"
) -> pl.DataFrame:
    """Return ``columns`` of a delimited file with a header, every value as text; an empty one is null.

    Line ends may be LF or CRLF. No word is read as a null: a tag may well be ``none``.

    Args:
        path: the file.
        columns: names in its header.
        separator: between two values.
        quote: around a value, or None where quotes are part of the text.
        encoding: ``utf-8-sig`` takes a byte-order mark, and does without.
    """
    try:
        text = path.read_bytes().decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start:,} is not {encoding}. Take the file as it was published."
        ) from error
    try:
        rows = pl.read_csv(
            io.BytesIO(text.encode()), separator=separator, quote_char=quote, infer_schema=False, raise_if_empty=False
        )
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a delimited table ({reason}). Take the file as it was published.") from error
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; the header has {', '.join(rows.columns) or 'none'}.")
    return rows.select(columns)


def to_number(rows: pl.DataFrame, column: str, dtype: type[pl.Int64] | type[pl.Float32], path: Path) -> pl.DataFrame:
    """Return ``rows`` with ``column`` as a number; raise with the line of the first value that is none."""
    numbers = rows[column].cast(dtype, strict=False)
    if numbers.null_count():
        line = numbers.is_null().arg_max() or 0
        raise DataError(f'{path}: line {line + 2} has the {column} "{rows[column][line]}", which is not a number.')
    return rows.with_columns(numbers)
