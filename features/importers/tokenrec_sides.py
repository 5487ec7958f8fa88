"""What a folder of sequences may hold beside them: titles, genres and times. Each file is optional.

==============================================  ==================================================================
file                                            what it gives
==============================================  ==================================================================
``item_titles.tsv``                             titles (HTML entities decoded)
``item_artist_map.tsv``                         names of artists as titles
``movies.dat``                                  titles, genres as the category, the year in the title as a date
``interactions_with_timestamps.parquet``        the second of each place of a sequence
``user_taggedartists.dat``, with                the day of each place: that of the first row in which the user tagged
``item_artist_map.tsv``, ``user_hetrec_map.tsv``  the artist, which is what the published order follows
==============================================  ==================================================================

``user_taggedartists.dat`` belongs to HetRec 2011 Last.fm; it is looked for in the folder, then in a folder ``lastfm``
beside that of the sets (``../../lastfm``). Its tags are left alone: the tag of a target would be the answer to it.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from features.columns import Col
from features.errors import DataError
from features.importers.entities import decode_entities
from features.importers.films import category, release
from features.importers.raw import read_rows, to_number

_TITLES, _ARTISTS, _FILMS = "item_titles.tsv", "item_artist_map.tsv", "movies.dat"
_TIMES, _TAGGED, _TAGGERS = "interactions_with_timestamps.parquet", "user_taggedartists.dat", "user_hetrec_map.tsv"
_USER_NAMES, _ITEM_NAMES = ("user", "userID"), ("asin", "movieID")
_AGAIN = "again"


def read_about(raw: Path, items: pl.DataFrame) -> pl.DataFrame:
    """Return ``items`` with what the folder ``raw`` says of them; an item that it does not name has nulls."""
    readers = {_TITLES: _titles, _ARTISTS: _artists, _FILMS: _films}
    for name, read in readers.items():
        path = raw / name
        if path.is_file():
            about = read(path)
            repeated = about[Col.ITEM].is_duplicated()
            if repeated.any():
                example = about.filter(repeated)[Col.ITEM][0]
                raise DataError(f"{path}: item {example} has several lines. Keep one of them.")
            return items.join(about, on=Col.ITEM, how="left", validate="1:1", maintain_order="left")
    return items


def _titles(path: Path) -> pl.DataFrame:
    rows = read_rows(path, ("org_id", "title"), separator="\t", quote=None)
    return rows.select(pl.col("org_id").alias(Col.ITEM), decode_entities(rows["title"]).alias(Col.TITLE))


def _artists(path: Path) -> pl.DataFrame:
    rows = read_rows(path, ("org_id", "name"), separator="\t", quote=None)
    return rows.select(pl.col("org_id").alias(Col.ITEM), pl.col("name").alias(Col.TITLE))


def _films(path: Path) -> pl.DataFrame:
    """Return the films of ``id::title::genres`` in Latin-1, without a header."""
    lines = [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]
    for number, parts in enumerate(lines, start=1):
        if len(parts) != 3:
            raise DataError(f"{path}: line {number} is not id::title::genres. Take the file as it was published.")
    rows = pl.DataFrame(lines, schema=[Col.ITEM, Col.TITLE, "genres"], orient="row")
    return rows.select(
        Col.ITEM,
        Col.TITLE,
        category(pl.col("genres")).alias(Col.CATEGORY),
        release(pl.col(Col.TITLE)).alias(Col.CREATED),
    )


def read_times(raw: Path, events: pl.DataFrame) -> pl.DataFrame:
    """Return ``events`` with the time of each where the files say it; without any such file, without the column."""
    if (raw / _TIMES).is_file():
        return _timed(events, raw / _TIMES)
    places = (raw / _TAGGED, raw.resolve().parent.parent / "lastfm" / _TAGGED)
    tagged = next((path for path in places if path.is_file()), None)
    if tagged is not None and (raw / _ARTISTS).is_file() and (raw / _TAGGERS).is_file():
        return _dated(raw, events, tagged)
    return events


def _timed(events: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Add the seconds, which are stated by user and place; the item of each place has to be the same."""
    rows = pl.read_parquet(path)
    user, item = (next((name for name in names if name in rows.columns), None) for names in (_USER_NAMES, _ITEM_NAMES))
    if user is None or item is None or not {"pos", "timestamp"} <= set(rows.columns):
        raise DataError(
            f"{path}: has the columns {', '.join(rows.columns)}; wanted are {' or '.join(_USER_NAMES)}, "
            f"{' or '.join(_ITEM_NAMES)}, pos and timestamp."
        )
    moment = pl.from_epoch(pl.col("timestamp"), time_unit="s").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    times = rows.select(
        pl.col(user).cast(pl.String).alias(Col.USER),
        pl.col("pos").cast(pl.Int64).alias(Col.ORDER),
        pl.col(item).cast(pl.String).alias(_AGAIN),
        moment.alias(Col.TIMESTAMP),
    )
    timed = events.join(times, on=[Col.USER, Col.ORDER], how="left", validate="1:1", maintain_order="left")
    wrong = timed.filter(pl.col(_AGAIN).ne_missing(pl.col(Col.ITEM)))
    if len(wrong):
        at, found, wanted = wrong.row(0, named=True), wrong[_AGAIN][0], wrong[Col.ITEM][0]
        raise DataError(
            f"{path}: {len(wrong):,} of {len(timed):,} places differ from the sequences, first place "
            f"{at[Col.ORDER]} of user {at[Col.USER]}: item {found or 'none'} here, {wanted} there. "
            "Take all files of one set."
        )
    return timed.drop(_AGAIN)


def _dated(raw: Path, events: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Add the day of each user's first row about an artist; null where there is none."""
    days = read_rows(path, ("userID", "artistID", "day", "month", "year"), separator="\t", quote=None)
    for name in ("day", "month", "year"):
        days = to_number(days, name, pl.Int64, path)
    first = days.unique(["userID", "artistID"], keep="first", maintain_order=True).select(
        "userID",
        "artistID",
        pl.datetime("year", "month", "day", time_unit="us", time_zone="UTC").alias(Col.TIMESTAMP),
    )
    dated = events
    for name, file, key, theirs in (
        (Col.USER, _TAGGERS, "userID", "hetrec_userID"),
        (Col.ITEM, _ARTISTS, "artistID", "hetrec_artistID"),
    ):
        table = read_rows(raw / file, ("org_id", theirs), separator="\t", quote=None)
        named = table.rename({"org_id": name, theirs: key})
        dated = dated.join(named, on=name, how="left", validate="m:1", maintain_order="left")
    return dated.join(first, on=["userID", "artistID"], how="left", validate="m:1", maintain_order="left").drop(
        "userID", "artistID"
    )
