"""KuaiSAR (Sun et al. 2023): what users of Kuaishou were recommended and what they found, in one log.

=======================  ============================================  ==============================================
file                     columns that are read                         what they become
=======================  ============================================  ==============================================
``rec_inter.csv``        user_id, item_id, timestamp, click            ``recommendation`` rows
``src_inter.csv``        user_id, search_session_id,                   ``search`` rows
                         search_session_timestamp, keyword, item_id,
                         click_cnt
``item_features.csv``    item_id, caption, upload_time, first_ to      items: title, created_at, category
                         fourth_level_category_name_en
``user_features.csv``    user_id, onehot_feat1, onehot_feat2           users, both features as text
``social_network.csv``   none; the file may be absent                  nothing
=======================  ============================================  ==============================================

A row that was clicked has label 1, any other 0: it was shown and not engaged with. A search session is a request. So
are the recommendations that a user was sent in the same millisecond, since the time of a recommendation is when the
system sent it, several at once. An item that a session lists more than once is one row, clicked if any of them was.

Words are published as numbers. The query is the numbers of ``keyword`` with blanks between them (``[20, 34, 3]`` is
``20 34 3``), the title is the caption in the same way, so that equal words match; a model of language finds nothing in
them. Categories are a path of their English names without ``empty``; ``upload_time`` is a day in China, whose midnight
is 16:00 UTC, and 1970-01-01 means unknown. An item that only the logs name, such as a user or a live stream that was
found, has nulls.

The source item is left null. The log says of a recommended video that the user went on to search (``search``,
``search_item_related``), and not which session that was. The activity levels of the users are left out too: they count
days of the month around the log, and so tell of the test period.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from features.columns import SEARCH, Col, Table
from features.errors import DataError
from features.importers.raw import require_files

HOME: Final = "https://kuaisar.github.io"
RECOMMENDATION: Final = "recommendation"
LEVELS: Final = tuple(f"{level}_level_category_name_en" for level in ("first", "second", "third", "fourth"))
"""The category of an item, from the widest to the narrowest."""
NO_CATEGORY: Final = "empty"
PROFILE: Final = ("onehot_feat1", "onehot_feat2")
"""Attributes of users whose meaning is not published."""
UNKNOWN_DAY: Final = date(1970, 1, 1)
"""Stands for an upload without a day."""
CHINA_HOURS: Final = 8
"""Hours that clocks in China are ahead of UTC."""

_SENT, _FOUND, _ITEMS, _USERS = "rec_inter.csv", "src_inter.csv", "item_features.csv", "user_features.csv"
_USER, _ITEM, _WORDS, _UPLOADED = "user_id", "item_id", "caption", "upload_time"
_LIST = r"^\s*(\[[\d,\s]*\])?\s*$"


def read_kuaisar(raw: Path, split: Path | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of the csv files in the folder ``raw``, of the whole set or of the small one."""
    if split is not None:
        raise DataError(f"{split}: kuaisar has times and is split by them, so it takes no --split. Leave it out.")
    require_files(raw, (_SENT, _FOUND, _ITEMS, _USERS), HOME)
    events = pl.concat([_recommendations(raw / _SENT), _searches(raw / _FOUND)], how="diagonal")
    return {
        Table.ITEMS: _items(raw / _ITEMS, events),
        Table.USERS: _read(raw / _USERS, (_USER, *PROFILE)),
        Table.EVENTS: events,
    }


def _recommendations(path: Path) -> pl.DataFrame:
    rows = _read(path, (_USER, _ITEM, "timestamp", "click"))
    moment = _moment(rows["timestamp"], path)
    return rows.select(
        pl.col(_USER).alias(Col.USER),
        pl.lit(RECOMMENDATION).alias(Col.TASK),
        pl.col(_ITEM).alias(Col.ITEM),
        _clicked(rows["click"], path),
        moment,
        pl.format("r-{}-{}", _USER, moment.dt.epoch("ms")).alias(Col.REQUEST),
    )


def _searches(path: Path) -> pl.DataFrame:
    session, time, words = "search_session_id", "search_session_timestamp", "keyword"
    rows = _read(path, (_USER, session, time, words, _ITEM, "click_cnt"))
    moment = _moment(rows[time], path)
    found = rows.select(
        pl.col(_USER).alias(Col.USER),
        pl.lit(SEARCH).alias(Col.TASK),
        _text(rows[words], path).alias(Col.QUERY),
        pl.col(_ITEM).alias(Col.ITEM),
        _clicked(rows["click_cnt"], path),
        moment,
        # The number of a session alone may come back at another time.
        pl.format("s-{}-{}-{}", _USER, session, moment.dt.epoch("ms")).alias(Col.REQUEST),
    )
    keys = [name for name in found.columns if name != Col.LABEL]
    return found.group_by(keys, maintain_order=True).agg(pl.col(Col.LABEL).max())


def _items(path: Path, events: pl.DataFrame) -> pl.DataFrame:
    """Return the items of the file, then those that only the events name, in order of their ids."""
    rows = _read(path, (_ITEM, _WORDS, _UPLOADED, *LEVELS))
    names = [pl.col(level).replace([NO_CATEGORY, ""], None) for level in LEVELS]
    category = pl.concat_str(names, separator=" > ", ignore_nulls=True)
    described = rows.select(
        pl.col(_ITEM).alias(Col.ITEM),
        _text(rows[_WORDS], path).alias(Col.TITLE),
        pl.when(category != "").then(category).alias(Col.CATEGORY),
        _uploaded(rows[_UPLOADED], path).alias(Col.CREATED),
    )
    named = events.select(pl.col(Col.ITEM).unique()).join(described, on=Col.ITEM, how="anti").sort(Col.ITEM)
    return pl.concat([described, named], how="diagonal")


def _read(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return ``columns`` of a csv file as text, without holding the others: the files are gigabytes."""
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
        missing = [name for name in columns if name not in header]
        if missing:
            raise DataError(f"{path}: no column {', '.join(missing)}; the header has {', '.join(header) or 'none'}.")
        return pl.read_csv(path, columns=list(columns), infer_schema=False).select(columns)
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a delimited table ({reason}). Take the file as it was published.") from error


def _numbers(texts: pl.Series, path: Path) -> pl.Series:
    """Return Float64, which holds milliseconds since 1970 exactly; the file may write them as ``1.684742e+12``."""
    numbers = texts.cast(pl.Float64, strict=False)
    _refuse(texts, ~numbers.is_finite().fill_null(False), "which is not a number", path)
    return numbers


def _moment(texts: pl.Series, path: Path) -> pl.Series:
    """Return milliseconds since 1970 as UTC times."""
    milliseconds = _numbers(texts, path).cast(pl.Int64)
    moment = pl.from_epoch(milliseconds, time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return moment.alias(Col.TIMESTAMP)


def _clicked(counts: pl.Series, path: Path) -> pl.Series:
    return (_numbers(counts, path) > 0).cast(pl.Float32).alias(Col.LABEL)


def _text(lists: pl.Series, path: Path) -> pl.Series:
    """Return lists of numbers such as ``[20, 34, 3]`` as ``20 34 3``; null for a list of nothing."""
    _refuse(lists, ~lists.str.contains(_LIST).fill_null(True), "which is not a list of numbers", path)
    words = lists.str.replace_all(r"[\[\],\s]+", " ").str.strip_chars()
    return words.set(words == "", None)


def _uploaded(days: pl.Series, path: Path) -> pl.Series:
    """Return the midnight in China with which each day begins; null where it is not known."""
    read = days.str.extract(r"^(\d{4}-\d{1,2}-\d{1,2})").str.to_date("%Y-%m-%d", strict=False)
    _refuse(days, read.is_null() & (days != "").fill_null(False), "which is not a day", path)
    midnight = read.cast(pl.Datetime("us", "UTC")).dt.offset_by(f"-{CHINA_HOURS}h")
    return midnight.set(read == UNKNOWN_DAY, None)


def _refuse(texts: pl.Series, wrong: pl.Series, problem: str, path: Path) -> None:
    """Raise with the first value that is wrong."""
    if wrong.any():
        row = wrong.arg_max() or 0
        value = "nothing" if texts[row] is None else f'"{texts[row]}"'
        raise DataError(f"{path}: line {row + 2} has {value} as {texts.name}, {problem}. Take the file as published.")
