"""HTML entities in titles: catalogues that were scraped from web pages still hold them."""

from __future__ import annotations

import html
import re

import polars as pl

_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
"""With its semicolon: without one, ``R&D`` or ``black &copper`` would be read as entities too."""


def decode_entities(texts: pl.Series) -> pl.Series:
    """Return ``texts`` with ``&amp;`` as ``&`` and so on, once: whoever searches types the sign, not its code."""
    decoded = [None if text is None else _ENTITY.sub(_character, text) for text in texts]
    return pl.Series(texts.name, decoded, dtype=pl.String)


def _character(entity: re.Match[str]) -> str:
    return html.unescape(entity[0])
