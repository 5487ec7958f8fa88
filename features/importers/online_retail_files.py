"""The invoice lines of Online Retail II, from Parquet or csv files, under the names of the contract.

====================================  ============================
column, in either spelling            becomes
====================================  ============================
``Invoice``, ``InvoiceNo``            ``request_id``
``StockCode``                         ``item_id``
``Description``                       ``title``
``Quantity``                          ``quantity``
``InvoiceDate``                       ``timestamp``
``Price``, ``UnitPrice``              ``price``
``Customer ID``, ``CustomerID``       ``user_id`` (``13085``, also where the file has ``13085.0``)
``Country``                           ``country``
====================================  ============================

All Parquet and csv files of the folder are read, one below the other, and lines that are alike in every column are kept
once: the two sheets of the makers' workbook overlap by some days. The workbook itself is not read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from features.columns import Col
from features.errors import DataError
from features.importers.raw import read_rows, require_files, to_number
from features.schema import INTEGER, NUMBER, TEXT, TIME, Kind

HOME: Final = "https://archive.ics.uci.edu/dataset/502/online+retail+ii"
QUANTITY: Final = "quantity"
PRICE: Final = "price"


def _is_id(found: pl.DataType) -> bool:
    return TEXT.accepts(found) or found.is_numeric()


def _to_id(column: pl.Expr, found: pl.DataType) -> pl.Expr:
    """Return ids as text: ``13085.0`` is 13085, and nothing, or not a number, is null."""
    known = column.fill_nan(None) if found.is_float() else column
    text = known.cast(pl.String).str.strip_chars().str.replace(r"^(\d+)\.0+$", "${1}")
    return pl.when(text != "").then(text).alias(column.meta.output_name())


_ID: Final = Kind(wanted="String or a number", dtype=pl.String(), accepts=_is_id, convert=_to_id)


@dataclass(frozen=True)
class _Column:
    name: str
    kind: Kind
    spellings: tuple[str, ...]
    required: bool = True
    """Whether every line has a value."""


_COLUMNS: Final = (
    _Column(Col.REQUEST, _ID, ("InvoiceNo", "Invoice")),
    _Column(Col.ITEM, _ID, ("StockCode",)),
    _Column(Col.TITLE, TEXT, ("Description",), required=False),
    _Column(QUANTITY, INTEGER, ("Quantity",)),
    _Column(Col.TIMESTAMP, TIME, ("InvoiceDate",)),
    _Column(PRICE, NUMBER, ("UnitPrice", "Price")),
    _Column(Col.USER, _ID, ("CustomerID", "Customer ID"), required=False),
    _Column(Col.COUNTRY, TEXT, ("Country",), required=False),
)
_TIMES: Final = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")
"""Ways in which spreadsheets and data frames write the time of an invoice."""


def read_lines(raw: Path) -> pl.DataFrame:
    """Return the lines of all files in the folder ``raw``, each once, in their order.

    Raises:
        DataError: there is no file to read, a column is missing or of a wrong type, or a line lacks what all have.
    """
    require_files(raw, (), HOME)
    readers = {".parquet": _read_parquet, ".csv": _read_csv}
    files = sorted(path for path in raw.iterdir() if path.suffix.lower() in readers)
    if not files:
        raise DataError(_nothing_to_read(raw))
    tables = []
    for path in files:
        lines = readers[path.suffix.lower()](path)
        _require_filled(lines, path)
        tables.append(lines)
    return pl.concat(tables).unique(maintain_order=True)


def _nothing_to_read(raw: Path) -> str:
    book = next((path for path in sorted(raw.iterdir()) if path.suffix.lower() in (".xlsx", ".xls")), None)
    if book is None:
        return f"{raw}: there is no .parquet and no .csv file. The data set is published at {HOME}."
    return f"{book}: workbooks are not read. Save each of its sheets as csv (UTF-8) in the same folder."


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        schema = pl.read_parquet_schema(path)
        spelled = _spelled(path, schema)
        for column in _COLUMNS:
            found = schema[spelled[column.name]]
            if not column.kind.accepts(found):
                raise DataError(
                    f'{path}: the column "{spelled[column.name]}" is {found}, wanted is {column.kind.wanted}. Cast it.'
                )
        lines = pl.read_parquet(path, columns=list(spelled.values()))
    except (PolarsError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}). Take the file as it was published.") from error
    return lines.select(
        column.kind.convert(pl.col(spelled[column.name]), schema[spelled[column.name]]).alias(column.name)
        for column in _COLUMNS
    )


def _read_csv(path: Path) -> pl.DataFrame:
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a delimited table ({reason}). Take the file as it was published.") from error
    spelled = _spelled(path, header)
    lines = read_rows(path, list(spelled.values()), separator=",", quote='"')
    lines = to_number(lines, spelled[QUANTITY], pl.Int64, path)
    lines = to_number(lines, spelled[PRICE], pl.Float32, path)
    lines = lines.with_columns(_times(lines[spelled[Col.TIMESTAMP]], path))
    return lines.select(
        column.kind.convert(pl.col(spelled[column.name]), lines.schema[spelled[column.name]]).alias(column.name)
        for column in _COLUMNS
    )


def _spelled(path: Path, header: Collection[str]) -> dict[str, str]:
    """Return how the file spells each column of the contract."""
    found = {column.name: next((name for name in column.spellings if name in header), None) for column in _COLUMNS}
    missing = [" or ".join(column.spellings) for column in _COLUMNS if found[column.name] is None]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; the file has {', '.join(header) or 'none'}.")
    return {name: spelling for name, spelling in found.items() if spelling is not None}


def _times(texts: pl.Series, path: Path) -> pl.Series:
    """Return the times of a csv file, in the one notation that fits all its lines."""
    spaced = texts.str.replace("T", " ", literal=True)
    readings = [spaced.str.to_datetime(notation, time_unit="us", strict=False) for notation in _TIMES]
    best = min(readings, key=pl.Series.null_count)
    wrong = best.is_null() & texts.is_not_null()
    if wrong.any():
        line = wrong.arg_max() or 0
        raise DataError(
            f'{path}: line {line + 2} has the {texts.name} "{texts[line]}", which is not a time like the others. '
            "Write them as 2009-12-01 07:45:00."
        )
    if any(other.null_count() == best.null_count() and not other.equals(best) for other in readings):
        raise DataError(
            f'{path}: the {texts.name} may have the day or the month first, e.g. "{texts[0]}". '
            "Write them as 2009-12-01 07:45:00."
        )
    return best


def _require_filled(lines: pl.DataFrame, path: Path) -> None:
    for column in _COLUMNS:
        empty = lines[column.name].is_null()
        if column.required and empty.any():
            row = (empty.arg_max() or 0) + 1
            raise DataError(
                f"{path}: {empty.sum():,} of {len(lines):,} rows have no {column.spellings[0]}, first row {row:,}. "
                "Take the file as it was published."
            )
