"""What the contract says of each table: its columns, their types, and what stands in for an absent one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from features.columns import Col, Table

DEFAULT_WEIGHT: Final = 1.0
LOG_SOURCE: Final = "log"
"""The ``source`` of rows that no program made."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A family of column types that the program reads as one."""

    wanted: str
    """The type to have, as an error names it."""
    dtype: pl.DataType
    """The type that the rest of the program sees."""
    accepts: Callable[[pl.DataType], bool]
    """Whether a column of this type can be read without a guess."""
    convert: Callable[[pl.Expr, pl.DataType], pl.Expr]
    """The column as ``dtype``, from the type that was found."""


def _is_text(found: pl.DataType) -> bool:
    return isinstance(found, (pl.String, pl.Categorical, pl.Enum))


def _is_texts(found: pl.DataType) -> bool:
    return isinstance(found, (pl.List, pl.Array)) and isinstance(
        found.inner, (pl.String, pl.Categorical, pl.Enum, pl.Null)
    )


def _to_utc(column: pl.Expr, found: pl.DataType) -> pl.Expr:
    if isinstance(found, pl.Datetime) and found.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _cast_to(dtype: pl.DataType) -> Callable[[pl.Expr, pl.DataType], pl.Expr]:
    return lambda column, found: column if found == dtype else column.cast(dtype)


_TEXTS = pl.List(pl.String())

TEXT: Final = Kind(wanted="String", dtype=pl.String(), accepts=_is_text, convert=_cast_to(pl.String()))
NUMBER: Final = Kind(
    wanted="a number", dtype=pl.Float32(), accepts=lambda found: found.is_numeric(), convert=_cast_to(pl.Float32())
)
INTEGER: Final = Kind(
    wanted="an integer", dtype=pl.Int64(), accepts=lambda found: found.is_integer(), convert=_cast_to(pl.Int64())
)
TIME: Final = Kind(
    wanted="Date or Datetime",
    dtype=pl.Datetime("us", "UTC"),
    accepts=lambda found: isinstance(found, (pl.Date, pl.Datetime)),
    convert=_to_utc,
)
TEXTS: Final = Kind(wanted="List(String)", dtype=_TEXTS, accepts=_is_texts, convert=_cast_to(_TEXTS))


@dataclass(frozen=True)
class Field:
    """A column of the contract."""

    name: str
    kind: Kind
    required: bool = False
    default: str | float | None = None
    """What a null, or an absent column, means."""


SCHEMAS: Final[dict[str, tuple[Field, ...]]] = {
    Table.ITEMS: (
        Field(Col.ITEM, TEXT, required=True),
        Field(Col.TITLE, TEXT),
        Field(Col.TEXT, TEXT),
        Field(Col.CATEGORY, TEXT),
        Field(Col.COUNTRIES, TEXTS),
        Field(Col.CREATED, TIME),
    ),
    Table.USERS: (Field(Col.USER, TEXT, required=True), Field(Col.COUNTRY, TEXT)),
    Table.EVENTS: (
        Field(Col.ITEM, TEXT, required=True),
        Field(Col.TASK, TEXT, required=True),
        Field(Col.LABEL, NUMBER, required=True),
        Field(Col.USER, TEXT),
        Field(Col.QUERY, TEXT),
        Field(Col.COUNTRY, TEXT),
        Field(Col.SOURCE_ITEM, TEXT),
        Field(Col.TIMESTAMP, TIME),
        Field(Col.ORDER, INTEGER),
        Field(Col.REQUEST, TEXT),
        Field(Col.POSITION, INTEGER),
        Field(Col.WEIGHT, NUMBER, default=DEFAULT_WEIGHT),
        Field(Col.SOURCE, TEXT, default=LOG_SOURCE),
        Field(Col.SPLIT, TEXT),
    ),
    Table.JUDGMENTS: (
        Field(Col.QUERY, TEXT, required=True),
        Field(Col.ITEM, TEXT, required=True),
        Field(Col.RELEVANCE, NUMBER, required=True),
        Field(Col.COUNTRY, TEXT),
        Field(Col.USER, TEXT),
        Field(Col.SPLIT, TEXT),
    ),
    Table.SCORES: (
        Field(Col.USER, TEXT, required=True),
        Field(Col.ITEM, TEXT, required=True),
        Field(Col.SCORE, NUMBER, required=True),
    ),
}
"""The columns of each table, in the order in which they are read."""
