"""MovieLens in the ``ml-latest`` format: ratings are recommendations, tags are searches.

A rating of 4 or more is an engagement (label 1), a lower one a zero: the user was shown the film and did not like it.
The stars are kept in the extra column ``rating``. Every tag is a search with label 1, private notes such as
``In Netflix queue`` included: which tags are searches is not for an importer to guess. Times are kept, so the rows are
split by time. The genres are the category, joined as a path (``Adventure > Comedy``) so that each is a level of its
own; a film without genres has none. The year in the title is the film's ``created_at``, and stays in the title.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from features.columns import SEARCH, Col, Table
from features.errors import DataError
from features.importers.films import category, release
from features.importers.raw import read_rows, require_files, to_number

HOME: Final = "https://grouplens.org/datasets/movielens/latest/"
RECOMMENDATION: Final = "recommendation"
RATING: Final = "rating"
ENGAGED_FROM: Final = 4.0
"""Stars from which a rating is an engagement."""

_MOVIES, _RATINGS, _TAGS = "movies.csv", "ratings.csv", "tags.csv"


def read_movielens(raw: Path, split: Path | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of ``movies.csv``, ``ratings.csv`` and ``tags.csv`` in the folder ``raw``."""
    if split is not None:
        raise DataError(f"{split}: movielens has times and is split by them, so it takes no --split. Leave it out.")
    require_files(raw, (_MOVIES, _RATINGS, _TAGS), HOME)
    events = pl.concat([_ratings(raw), _tags(raw)], how="diagonal")
    columns = (Col.USER, Col.TASK, Col.QUERY, Col.ITEM, Col.LABEL, Col.TIMESTAMP, RATING)
    return {Table.ITEMS: _items(raw), Table.EVENTS: events.select(columns)}


def _read(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    return read_rows(path, columns, separator=",", quote='"')


def _items(raw: Path) -> pl.DataFrame:
    return _read(raw / _MOVIES, ("movieId", "title", "genres")).select(
        pl.col("movieId").alias(Col.ITEM),
        pl.col("title").alias(Col.TITLE),
        category(pl.col("genres")).alias(Col.CATEGORY),
        release(pl.col("title")).alias(Col.CREATED),
    )


def _ratings(raw: Path) -> pl.DataFrame:
    path = raw / _RATINGS
    rows = to_number(_read(path, ("userId", "movieId", "rating", "timestamp")), "rating", pl.Float32, path)
    engaged = (pl.col("rating") >= ENGAGED_FROM).cast(pl.Float32)
    return _timed(rows, path).with_columns(pl.lit(RECOMMENDATION).alias(Col.TASK), engaged.alias(Col.LABEL))


def _tags(raw: Path) -> pl.DataFrame:
    path = raw / _TAGS
    rows = _timed(_read(path, ("userId", "movieId", "tag", "timestamp")), path).rename({"tag": Col.QUERY})
    return rows.with_columns(pl.lit(SEARCH).alias(Col.TASK), pl.lit(1.0, dtype=pl.Float32).alias(Col.LABEL))


def _timed(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Name user and film, and read the Unix seconds as a UTC time."""
    seconds = to_number(rows, "timestamp", pl.Int64, path).rename({"userId": Col.USER, "movieId": Col.ITEM})
    moment = pl.from_epoch(pl.col("timestamp"), time_unit="s").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return seconds.with_columns(moment.alias(Col.TIMESTAMP))
