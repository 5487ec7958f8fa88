"""Home Depot product search relevance (Kaggle 2016): judged pairs of a search term and a product.

Every row is a judgment with its grade, from 1 (not relevant) to 3 (perfect), and a ``search`` row: the products of a
search term are one request, since a search engine had found them for it and the raters were shown them. A mean grade
of 2.67 or more (two of three raters say perfect, the third partly relevant) is an engagement with label 1; a lower one
is a zero: shown, and not what was wanted. Labels are not graded: between 2.67 and 3 lies one step of one rater, and
the grades are in the judgments. Products without a judgment for a term are unknown, and no rows at all.

The split is by the search term, so that a judged term is never a fitted one. In lower case and with single spaces it
is hashed (SHA-256 of its UTF-8, the first 8 bytes as a big-endian number, modulo 10): 0 is test, 1 is valid, the rest
is train. Search terms are kept as they were typed. Of several titles of a product the most frequent is taken, of
equally frequent ones the first in the file; HTML entities in titles are decoded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import polars as pl

from features.columns import SEARCH, Col, Split, Table
from features.errors import DataError
from features.importers.entities import decode_entities
from features.importers.raw import read_rows, require_files, to_number

HOME: Final = "https://www.kaggle.com/c/home-depot-product-search-relevance"
ENGAGED_FROM: Final = 2.67
"""Mean grade from which a product is engaged."""
GRADES: Final = (1.0, 3.0)
"""The smallest and the largest grade of the scale."""
PARTS: Final = 10
"""One in this many search terms is test, and another one valid."""

_ROWS = "train.csv"
_ROW, _PRODUCT, _TITLE, _TERM, _GRADE = "id", "product_uid", "product_title", "search_term", "relevance"


def read_home_depot(raw: Path, split: Path | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of ``train.csv`` in the folder ``raw``, which may be Latin-1, as published, or UTF-8."""
    if split is not None:
        raise DataError(f"{split}: home-depot is split by its search terms, so it takes no --split. Leave it out.")
    require_files(raw, (_ROWS,), HOME)
    rows = _with_split(_read(raw / _ROWS))
    return {Table.ITEMS: _items(rows), Table.EVENTS: _events(rows), Table.JUDGMENTS: _judgments(rows)}


def _read(path: Path) -> pl.DataFrame:
    columns = (_ROW, _PRODUCT, _TITLE, _TERM, _GRADE)
    rows = read_rows(path, columns, separator=",", quote='"', encoding=_encoding(path))
    for name in (_ROW, _PRODUCT, _TERM):
        empty = rows[name].fill_null("").str.strip_chars() == ""
        if empty.any():
            line = empty.arg_max() or 0
            raise DataError(f"{path}: line {line + 2} has no {name}. Take the file as it was published.")
    rows = to_number(rows, _GRADE, pl.Float32, path)
    outside = ~rows[_GRADE].is_between(*GRADES)
    if outside.any():
        line = outside.arg_max() or 0
        low, high = GRADES
        raise DataError(f"{path}: line {line + 2} has the {_GRADE} {rows[_GRADE][line]}, outside {low:g} to {high:g}.")
    return rows


def _encoding(path: Path) -> str:
    """Return UTF-8 where the file can be read as that; a Latin-1 file with any accent cannot."""
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _with_split(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the split of each search term, and the request of all its rows, named by the first of them."""
    terms = rows[_TERM].unique(maintain_order=True)
    parts = pl.DataFrame({_TERM: terms, Col.SPLIT: [_part(term) for term in terms]})
    rows = rows.join(parts, on=_TERM, how="left", validate="m:1", maintain_order="left")
    return rows.with_columns(pl.col(_ROW).first().over(_TERM).alias(Col.REQUEST))


def _part(term: str) -> str:
    form = " ".join(term.lower().split())
    number = int.from_bytes(hashlib.sha256(form.encode()).digest()[:8], "big") % PARTS
    return {0: Split.TEST, 1: Split.VALID}.get(number, Split.TRAIN)


def _items(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a row per product, in the order of the file."""
    titles = rows.group_by(_PRODUCT, _TITLE, maintain_order=True).len()
    frequent = titles.sort("len", descending=True, maintain_order=True)
    chosen = frequent.unique(_PRODUCT, keep="first", maintain_order=True)
    products = rows.select(pl.col(_PRODUCT).unique(maintain_order=True))
    items = products.join(chosen, on=_PRODUCT, how="left", validate="1:1", maintain_order="left")
    return items.select(pl.col(_PRODUCT).alias(Col.ITEM), decode_entities(items[_TITLE]).alias(Col.TITLE))


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    engaged = pl.col(_GRADE) >= pl.lit(ENGAGED_FROM, dtype=pl.Float32)
    return rows.select(
        pl.lit(SEARCH).alias(Col.TASK),
        pl.col(_TERM).alias(Col.QUERY),
        pl.col(_PRODUCT).alias(Col.ITEM),
        engaged.cast(pl.Float32).alias(Col.LABEL),
        Col.REQUEST,
        Col.SPLIT,
    )


def _judgments(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.col(_TERM).alias(Col.QUERY), pl.col(_PRODUCT).alias(Col.ITEM), pl.col(_GRADE).alias(Col.RELEVANCE), Col.SPLIT
    )
