"""HetRec 2011 Last.fm 2k: listens are recommendations, tags are searches.

A listen becomes a ``recommendation`` row, and a tag that a user gave to an artist a ``search`` row whose query is the
tag; each has label 1. The listening count is kept in the extra column ``listens``. Listens have no time and tags only a
day, so no time is written: a history is a set without order. Tags are not written to the items either, since the tag
of a test row is the answer to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from features.columns import SEARCH, SPLITS, Col, Split, Table
from features.errors import DataError
from features.importers.raw import read_rows, require_files, to_number

HOME: Final = "https://grouplens.org/datasets/hetrec-2011/"
RECOMMENDATION: Final = "recommendation"
LISTENS: Final = "listens"
SEED: Final = 0

_ARTISTS, _TAGS = "artists.dat", "tags.dat"
_LISTENED, _TAGGED = "user_artists.dat", "user_taggedartists.dat"
_KEY = (Col.USER, Col.ITEM, Col.QUERY)


def read_lastfm(raw: Path, split: Path | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of the raw files in ``raw``.

    Args:
        raw: the folder with ``artists.dat``, ``tags.dat``, ``user_artists.dat`` and ``user_taggedartists.dat``.
        split: a Parquet file with a published split (``user_id, item_id, query, split``; a null query is a
            recommendation). It must hold exactly the rows of the raw files. Without it, each user's artists are drawn
            at random into 60 / 20 / 20 with a fixed seed, all rows of one artist in the same part (the protocol of
            HyperSaR, Thonet et al. 2022).
    """
    require_files(raw, (_ARTISTS, _TAGS, _LISTENED, _TAGGED), HOME)
    rows = pl.concat([_listens(raw), _tags(raw)], how="diagonal")
    parts = _draw_split(rows) if split is None else _published_split(split, rows)
    events = parts.with_columns(
        pl.when(pl.col(Col.QUERY).is_null()).then(pl.lit(RECOMMENDATION)).otherwise(pl.lit(SEARCH)).alias(Col.TASK),
        pl.lit(1.0, dtype=pl.Float32).alias(Col.LABEL),
    )
    columns = (Col.USER, Col.TASK, Col.QUERY, Col.ITEM, Col.LABEL, LISTENS, Col.SPLIT)
    return {Table.ITEMS: _items(raw, rows), Table.EVENTS: events.select(columns)}


def _read(path: Path, columns: tuple[str, ...], encoding: str = "utf-8-sig") -> pl.DataFrame:
    return read_rows(path, columns, separator="\t", quote=None, encoding=encoding)


def _listens(raw: Path) -> pl.DataFrame:
    path = raw / _LISTENED
    rows = to_number(_read(path, ("userID", "artistID", "weight")), "weight", pl.Int64, path)
    return rows.rename({"userID": Col.USER, "artistID": Col.ITEM, "weight": LISTENS})


def _tags(raw: Path) -> pl.DataFrame:
    """Return user, artist and text of each tag assignment, in the order of the file."""
    texts = _read(raw / _TAGS, ("tagID", "tagValue"), encoding="latin-1")
    rows = _read(raw / _TAGGED, ("userID", "artistID", "tagID"))
    named = rows.join(texts, on="tagID", how="left", validate="m:1", maintain_order="left")
    nameless = named.filter(pl.col("tagValue").is_null())
    if len(nameless):
        tag = nameless["tagID"][0]
        raise DataError(
            f"{raw / _TAGGED}: {len(nameless):,} of {len(rows):,} rows name tags without text, e.g. tagID {tag}."
        )
    return named.select(
        pl.col("userID").alias(Col.USER), pl.col("artistID").alias(Col.ITEM), pl.col("tagValue").alias(Col.QUERY)
    )


def _items(raw: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the artists of ``artists.dat``, then those that are only listened to or tagged, without a name."""
    artists = _read(raw / _ARTISTS, ("id", "name")).rename({"id": Col.ITEM, "name": Col.TITLE})
    nameless = rows.select(pl.col(Col.ITEM).unique(maintain_order=True)).join(
        artists, on=Col.ITEM, how="anti", maintain_order="left"
    )
    return pl.concat([artists, nameless], how="diagonal")


def _draw_split(rows: pl.DataFrame) -> pl.DataFrame:
    """Add a split: of each user's artists a fifth, rounded down, is test, as many are valid, the rest is train."""
    pairs = rows.select(Col.USER, Col.ITEM).unique().sort(Col.USER, Col.ITEM)
    draw = pl.Series(np.random.default_rng(SEED).permutation(len(pairs)))
    pairs = pairs.with_columns(draw.alias("draw")).with_columns(
        place=pl.col("draw").rank("ordinal").over(Col.USER), fifth=pl.len().over(Col.USER) // 5
    )
    part = (
        pl.when(pl.col("place") <= pl.col("fifth"))
        .then(pl.lit(Split.TEST))
        .when(pl.col("place") <= 2 * pl.col("fifth"))
        .then(pl.lit(Split.VALID))
        .otherwise(pl.lit(Split.TRAIN))
    )
    pairs = pairs.select(Col.USER, Col.ITEM, part.alias(Col.SPLIT))
    return rows.join(pairs, on=[Col.USER, Col.ITEM], how="left", validate="m:1", maintain_order="left")


def _published_split(path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the split file, in its order, with their listening counts."""
    split = _read_split(path)
    _require_same_rows(path, split, rows)
    listens = rows.filter(pl.col(Col.QUERY).is_null()).group_by(_KEY).agg(pl.col(LISTENS).sum())
    return split.join(listens, on=_KEY, how="left", validate="m:1", nulls_equal=True, maintain_order="left")


def _read_split(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such split file. Give a Parquet file with {', '.join((*_KEY, Col.SPLIT))}.")
    try:
        frame = pl.read_parquet(path)
    except PolarsError as error:
        raise DataError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}).") from error
    missing = [name for name in (*_KEY, Col.SPLIT) if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(frame.columns)}.")
    split = frame.select(pl.col(*_KEY, Col.SPLIT).cast(pl.String))
    wrong = split.filter(~pl.col(Col.SPLIT).is_in(SPLITS).fill_null(False))
    if len(wrong):
        raise DataError(
            f"{path}: {len(wrong):,} of {len(split):,} rows have a split that is not one of {', '.join(SPLITS)}, "
            f'e.g. "{wrong[Col.SPLIT][0]}".'
        )
    return split


def _require_same_rows(path: Path, split: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Raise unless ``split`` holds each (user, artist, tag or none) as often as the raw ``rows`` do."""
    raw_count = rows.group_by(_KEY).agg(raw=pl.len())
    split_count = split.group_by(_KEY).agg(split=pl.len())
    counts = raw_count.join(split_count, on=_KEY, how="full", validate="1:1", coalesce=True, nulls_equal=True)
    counts = counts.with_columns(pl.col("raw", "split").fill_null(0))
    differ = counts.filter(pl.col("raw") != pl.col("split")).sort(_KEY)
    if len(differ):
        user, artist, query, raw, found = differ.row(0)
        what = "a listen" if query is None else f'the tag "{query}"'
        raise DataError(
            f"{path}: {len(differ):,} rows differ from the raw files, first {what} of user {user} to artist {artist}: "
            f"{found} in the split, {raw} in the raw files. Take the split that belongs to them."
        )
