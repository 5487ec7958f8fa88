"""Sequences in the format of TokenRec (Qu et al.): a line per user, the last item is the target.

One set's folder is imported at a time. Each place of a user's sequence is a ``recommendation`` row with label 1, and
``order`` is that place, from 0: the file's order is kept as it is, also where times are equal or missing. The last
item of each user is test, the one before it valid, the rest train. Users and items go by their ids in the original data
set (``org_id``), under which titles are found, not by their numbers in the sequences.

Titles, genres and times are taken from the files that the folder has beside the sequences; see ``tokenrec_sides``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from features.columns import Col, Split, Table
from features.errors import DataError
from features.importers.raw import read_rows, require_files
from features.importers.tokenrec_sides import read_about, read_times

HOME: Final = "https://github.com/Quhaoh233/TokenRec"
RECOMMENDATION: Final = "recommendation"
SHORTEST: Final = 3
"""Items of a sequence that has one for each of train, valid and test."""

_TRAIN, _WHOLE, _ITEMS, _USERS = "train.txt", "test.txt", "item_list.txt", "user_list.txt"
_ORIGINAL, _NUMBER = "org_id", "remap_id"


def read_tokenrec(raw: Path, split: Path | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of one set, such as Beauty.

    Args:
        raw: the folder with ``train.txt``, ``test.txt``, ``item_list.txt`` and ``user_list.txt``.
        split: must be None, as the sequences are split by their order.
    """
    if split is not None:
        raise DataError(f"{split}: tokenrec is split by the order of its sequences, so it takes no --split.")
    require_files(raw, (_TRAIN, _WHOLE, _ITEMS, _USERS), HOME)
    sequences = _sequences(raw / _WHOLE)
    _require_agreement(raw, sequences)
    items = _ids(raw / _ITEMS)
    events = _events(raw, sequences, items, _ids(raw / _USERS))
    catalogue = read_about(raw, items.select(pl.col(_ORIGINAL).alias(Col.ITEM)))
    return {Table.ITEMS: catalogue, Table.EVENTS: read_times(raw, events)}


def _ids(path: Path) -> pl.DataFrame:
    """Return the original id of each number, both as text."""
    rows = read_rows(path, (_ORIGINAL, _NUMBER), separator=" ", quote=None)
    for name in (_ORIGINAL, _NUMBER):
        bad = rows[name].is_null() | rows[name].is_duplicated()
        if bad.any():
            line = bad.arg_max() or 0
            value = rows[name][line]
            problem = f"no {name}" if value is None else f"the {name} {value}, which stands in another line too"
            raise DataError(f"{path}: line {line + 2} has {problem}. Take the file as it was published.")
    return rows


def _sequences(path: Path) -> dict[str, list[str]]:
    """Return the numbers of the items of each user, in their order, by the number of the user."""
    found: dict[str, list[str]] = {}
    for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        user, *items = text.split() or [""]
        if not items:
            raise DataError(f"{path}: line {line} is no sequence: wanted is a user and items. Take it as published.")
        if user in found:
            raise DataError(f"{path}: line {line} is another sequence of user {user}. Keep one line per user.")
        found[user] = items
    return found


def _require_agreement(raw: Path, sequences: dict[str, list[str]]) -> None:
    """Raise unless ``train.txt`` holds each sequence of ``test.txt`` without its last item."""
    train = _sequences(raw / _TRAIN)
    for line, (user, items) in enumerate(sequences.items(), start=1):
        if len(items) < SHORTEST:
            raise DataError(
                f"{raw / _WHOLE}: line {line}, user {user}: {len(items)} items; {SHORTEST} are needed, one each for "
                "train, valid and test. Leave the user out of both files."
            )
        if train.get(user) != items[:-1]:
            what = "differs from test.txt without its last item" if user in train else "has no sequence"
            raise DataError(
                f"{raw / _TRAIN}: user {user}, line {line} of {_WHOLE}, {what}. Take both files of one publication."
            )
    extra = next((user for user in train if user not in sequences), None)
    if extra is not None:
        line = list(train).index(extra) + 1
        raise DataError(f"{raw / _TRAIN}: line {line}, user {extra}, is not in {_WHOLE}. Take both files of one set.")


def _events(raw: Path, sequences: dict[str, list[str]], items: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Return a row per place, users in the order of the file."""
    numbers = pl.DataFrame({"user": list(sequences), "item": list(sequences.values())})
    place = pl.int_range(pl.len()).over("user")
    rows = numbers.explode("item").with_columns(place.alias(Col.ORDER), (pl.len().over("user") - place).alias("left"))
    rows = _named(rows, "user", users, Col.USER, raw / _USERS)
    rows = _named(rows, "item", items, Col.ITEM, raw / _ITEMS)
    part = (
        pl.when(pl.col("left") == 1)
        .then(pl.lit(Split.TEST))
        .when(pl.col("left") == 2)
        .then(pl.lit(Split.VALID))
        .otherwise(pl.lit(Split.TRAIN))
    )
    return rows.select(
        Col.USER,
        pl.lit(RECOMMENDATION).alias(Col.TASK),
        Col.ITEM,
        pl.lit(1.0, dtype=pl.Float32).alias(Col.LABEL),
        Col.ORDER,
        part.alias(Col.SPLIT),
    )


def _named(rows: pl.DataFrame, column: str, ids: pl.DataFrame, name: str, path: Path) -> pl.DataFrame:
    """Add the original id of the numbers in ``column`` as ``name``."""
    ids = ids.rename({_NUMBER: column, _ORIGINAL: name})
    named = rows.join(ids, on=column, how="left", validate="m:1", maintain_order="left")
    unknown = named.filter(pl.col(name).is_null())
    if len(unknown):
        raise DataError(
            f"{path}: has no {_NUMBER} {unknown[column][0]}, which the sequence of user {unknown['user'][0]} names. "
            "Take all files of one set."
        )
    return named
