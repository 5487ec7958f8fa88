"""The importers by name, and the way from raw files to a data folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from features.atomic import require_free, whole_folder
from features.errors import DataError
from features.importers.home_depot import read_home_depot
from features.importers.kuaisar import read_kuaisar
from features.importers.lastfm import read_lastfm
from features.importers.movielens import read_movielens
from features.importers.online_retail import read_online_retail
from features.importers.tokenrec import read_tokenrec
from features.tables import TABLE_FILES, DataFolder, open_data

Importer = Callable[[Path, Path | None], dict[str, pl.DataFrame]]
"""``(folder of raw files, published split or None) -> tables by name``."""

IMPORTERS: Final[dict[str, Importer]] = {
    "home-depot": read_home_depot,
    "kuaisar": read_kuaisar,
    "lastfm": read_lastfm,
    "movielens": read_movielens,
    "online-retail": read_online_retail,
    "tokenrec": read_tokenrec,
}


def import_folder(name: str, raw: Path, out: Path, split: Path | None = None, overwrite: bool = False) -> DataFolder:
    """Turn the raw files in ``raw`` into a data folder at ``out``, which appears whole or not at all.

    Args:
        name: a key of ``IMPORTERS``.
        raw: the folder with the files of the makers.
        out: a folder that does not exist or is empty, unless ``overwrite``.
        split: a published split, for the importers that take one.
        overwrite: replace the data folder at ``out``; a folder that holds anything but tables is never replaced.

    Raises:
        DataError: the name is unknown, ``out`` is in use, or the raw files are not what the makers published.
    """
    if name not in IMPORTERS:
        raise DataError(f'no importer is called "{name}". Choose one of {", ".join(sorted(IMPORTERS))}.')
    require_free(out, overwrite, TABLE_FILES)
    tables = _read(IMPORTERS[name], raw, split)
    with whole_folder(out) as partial:
        for table, frame in tables.items():
            frame.write_parquet(partial / f"{table}.parquet")
    return open_data(out)


def _read(importer: Importer, raw: Path, split: Path | None) -> dict[str, pl.DataFrame]:
    try:
        return importer(raw, split)
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{raw}: not as published ({reason}). Take the files as their makers distribute them."
        ) from error
