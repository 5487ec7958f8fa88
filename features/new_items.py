"""Items that came after the fit: told by their content, and by nothing that anybody did."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from features.catalogue import build_catalogue
from features.columns import Col, Table
from features.encoder import TextEncoder
from features.errors import DataError
from features.quality import ItemEvents, signals
from features.schema import SCHEMAS
from features.store import Features
from features.tables import conform
from features.text import NgramHasher


def with_items(features: Features, items: pl.DataFrame) -> Features:
    """Return the same features with ``items`` behind the catalogue; what was fitted stays.

    A category that no fitted item has is not known; its parents are. Weights of words and scales of qualities are those
    of the fitted catalogue.

    Args:
        features: fitted.
        items: a table as the contract has it, with the columns that ``features.quality`` and ``features.vectors`` name.

    Raises:
        DataError: the table is not as it should be, or an item is there already.
    """
    config, known = features.config, features.known
    items = conform(items.lazy(), SCHEMAS[Table.ITEMS], "new items").collect().sort(Col.ITEM)
    _check(items, features)
    signals(items, ItemEvents.nothing(items.height + 1), config.quality)  # a wrong column is told before texts are read
    more = build_catalogue(
        items,
        known.categories,
        known.countries,
        config,
        TextEncoder(config.text.model, config.text.max_tokens),
        NgramHasher(config.text.buckets),
        features.catalogue.lexicon,
    )
    catalogue = features.catalogue.extended(more)
    return replace(features, catalogue=catalogue, statistics=features.statistics.extended(catalogue, config.quality))


def _check(items: pl.DataFrame, features: Features) -> None:
    ids = items.get_column(Col.ITEM)
    if ids.null_count():
        raise DataError(f"new items: {ids.null_count():,} of {len(ids):,} have no item_id. Name them.")
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise DataError(f"new items: {twice[0]!r} is there twice. Keep one of its rows.")
    there = ids.filter(ids.is_in(features.catalogue.ids.values.implode()))
    if len(there):
        raise DataError(f"new items: {len(there):,} are in the catalogue already, e.g. {there[0]!r}. Leave them out.")
