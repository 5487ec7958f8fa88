"""Names of countries as Online Retail II writes them, and their ISO 3166 codes."""

from __future__ import annotations

import logging
from typing import Final

import polars as pl

logger = logging.getLogger(__name__)

CODES: Final = {
    "Australia": "AU",
    "Austria": "AT",
    "Bahrain": "BH",
    "Belgium": "BE",
    "Bermuda": "BM",
    "Brazil": "BR",
    "Canada": "CA",
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "EIRE": "IE",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Greece": "GR",
    "Hong Kong": "HK",
    "Iceland": "IS",
    "Israel": "IL",
    "Italy": "IT",
    "Japan": "JP",
    "Korea": "KR",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Malta": "MT",
    "Netherlands": "NL",
    "Nigeria": "NG",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "RSA": "ZA",
    "Saudi Arabia": "SA",
    "Singapore": "SG",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "Thailand": "TH",
    "USA": "US",
    "United Arab Emirates": "AE",
    "United Kingdom": "GB",
}
WITHOUT_CODE: Final = ("Channel Islands", "European Community", "Unspecified", "West Indies")
"""Names of several countries, or of none."""


def to_code(names: pl.Series) -> pl.Series:
    """Return the codes of ``names``, null where a name has none; a name that is not listed above is logged."""
    trimmed = names.str.strip_chars()
    codes = trimmed.replace_strict(CODES, default=None, return_dtype=pl.String)
    unknown = trimmed.filter(codes.is_null() & ~trimmed.is_in(WITHOUT_CODE) & (trimmed != ""))
    if len(unknown):
        share = f"{len(unknown):,} of {len(names):,}"
        logger.warning('%s lines name a country without a known code, e.g. "%s"', share, unknown[0])
    return codes.alias(names.name)
