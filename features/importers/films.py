"""Films of MovieLens: what their titles and genres say."""

from __future__ import annotations

from typing import Final

import polars as pl

FIRST_YEAR: Final = 1870
"""No film is older; a smaller number in brackets is no year."""
_NO_GENRES = "(no genres listed)"
_YEAR = r"\((\d{4})\)\s*$"


def category(genres: pl.Expr) -> pl.Expr:
    """Return genres such as ``Adventure|Comedy`` as a path, so that each is a level of its own; null without any."""
    path = genres.str.replace_all("|", " > ", literal=True)
    return pl.when(genres != _NO_GENRES).then(path)


def release(title: pl.Expr) -> pl.Expr:
    """Return the first day of the year in brackets at the end of a title; null without one."""
    year = title.str.extract(_YEAR).cast(pl.Int32)
    return pl.when(year >= FIRST_YEAR).then(pl.date(year, 1, 1))
