"""Items that came after the fit: told by their content, and by nothing that anybody did."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from features.catalogue import build_catalogue
from features.columns import Col, Table
from features.encoder import TextEncoder
from features.errors import DataError
from features.quality import ItemEvents, signals
from features.quality_settings import FRESHNESS, Signal
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
    items = conformed(items)
    _check(items, features)
    items = _as_fitted(items, features).sort(Col.ITEM)
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
    return replace(features, catalogue=catalogue, statistics=features.statistics.extended(catalogue, config))


def conformed(items: pl.DataFrame) -> pl.DataFrame:
    """Return new items with the columns of the contract, in the given order.

    Raises:
        DataError: a column is missing or has a wrong type, or an id is missing or there twice.
    """
    items = conform(items.lazy(), SCHEMAS[Table.ITEMS], "new items").collect(engine="in-memory")
    ids = items.get_column(Col.ITEM)
    if ids.null_count():
        raise DataError(f"new items: {ids.null_count():,} of {len(ids):,} have no item_id. Name them.")
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise DataError(f"new items: {twice[0]!r} is there twice. Keep one of its rows.")
    return items


def _as_fitted(items: pl.DataFrame, features: Features) -> pl.DataFrame:
    """Return ``items`` with ready vectors of the fitted width, and dates of quality signals that came as text read."""
    config, width = features.config, 0
    for name in config.vectors:
        column = f"vector_{name}"
        kind = items.schema.get(column)
        if isinstance(kind, pl.List):  # as JSON has it
            lengths = items.get_column(column).list.len().drop_nulls().unique().to_list()
            if len(lengths) > 1:
                raise DataError(f"new items: {column} holds vectors of {lengths[0]} and of {lengths[1]} components.")
            items = items.with_columns(pl.col(column).cast(pl.Array(pl.Float32, lengths[0] if lengths else 0)))
            kind = items.schema[column]
        width += kind.shape[0] if isinstance(kind, pl.Array) else 0
    fitted = features.catalogue.vectors.shape[1]
    if width and width != fitted:
        raise DataError(f"new items: their vectors have {width} components in all, the run reads {fitted}. Mend them.")
    dates = [one.column for one in map(Signal.parse, config.quality) if one.kind == FRESHNESS]
    texts = [name for name in dates if items.schema.get(name) == pl.String]
    try:
        return items.with_columns(pl.col(texts).str.to_datetime(time_zone="UTC"))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"new items: {', '.join(texts)} cannot be read as dates. Write them as 2026-01-31.") from error


def _check(items: pl.DataFrame, features: Features) -> None:
    ids = items.get_column(Col.ITEM)
    there = ids.filter(ids.is_in(features.catalogue.ids.values.implode()))
    if len(there):
        raise DataError(f"new items: {len(there):,} are in the catalogue already, e.g. {there[0]!r}. Leave them out.")
