"""What baselines over texts share: what an item says, and what a request asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.baselines.base import Settings, World, leaving_out


class Asked(NamedTuple):
    """What the requests of a block ask for in words. B = requests, T = distinct askings."""

    requests: pl.DataFrame
    """(T rows) ``query`` and ``source_item_id``, of which one is null, and a ``user_id`` that is null."""
    texts: list[str]  # (T,) the query, or the title of the source item
    place: NDArray[np.int64]  # (B,) row of the request's asking, -1 = none


class Names:
    """The titles of a catalogue, which stand in for the query where a request has a source item and none."""

    def __init__(self, items: pl.DataFrame) -> None:
        """Take the titles, and the text of an item that has none."""
        title = stated(items[Col.TITLE])
        self._names = items.select(
            pl.col(Col.ITEM).alias(Col.SOURCE_ITEM), pl.coalesce(title, stated(items[Col.TEXT])).alias("name")
        )

    def asked(self, requests: pl.DataFrame) -> Asked:
        """Return what ``requests`` ask for: nothing without a query and without a source item that has a name."""
        source = pl.when(pl.col(Col.QUERY).is_null()).then(pl.col(Col.SOURCE_ITEM))
        rows = requests.select(stated(requests[Col.QUERY]), Col.SOURCE_ITEM).with_columns(source)
        rows = rows.join(self._names, on=Col.SOURCE_ITEM, how="left", validate="m:1", maintain_order="left")
        rows = rows.with_columns(pl.coalesce(Col.QUERY, "name").alias("name"))
        distinct = rows.drop_nulls("name").unique(maintain_order=True).with_row_index("place")
        key = [Col.QUERY, Col.SOURCE_ITEM]
        place = rows.join(
            distinct.select(*key, "place"), on=key, how="left", nulls_equal=True, validate="m:1", maintain_order="left"
        )["place"]
        askings = distinct.select(*key, pl.lit(None, dtype=pl.String).alias(Col.USER))
        return Asked(askings, distinct["name"].to_list(), place.cast(pl.Int64).fill_null(-1).to_numpy())


def stated(texts: pl.Series) -> pl.Series:
    """Return ``texts`` with null where one is blank."""
    return texts.set(texts.str.strip_chars() == "", None)


def item_texts(items: pl.DataFrame) -> list[str]:
    """Return title and text of each item (N,), as the item vectors of a fit are made of them; "" without either."""
    parts = (pl.col(name).fill_null("").str.strip_chars() for name in (Col.TITLE, Col.TEXT))
    return items.select(pl.concat_str(*parts, separator=" ").str.strip_chars()).to_series().to_list()


def choices_by_queries(grid: tuple[Settings, ...], world: World) -> tuple[Settings, ...]:
    """Return ``grid``, of which half is left where no fitted row has a query that a document could hold."""
    return grid if world.fitted[Col.QUERY].is_not_null().any() else leaving_out(grid, "queries")


def documents(world: World, queries: bool) -> list[str]:
    """Return title and text of each item (N,), between them the fitted ``queries`` for it, each as often as asked."""
    columns, rows = [Col.TITLE, Col.TEXT], world.items
    if queries:
        asked = world.fitted.select(Col.ITEM, Col.QUERY).drop_nulls()
        joined = asked.group_by(Col.ITEM, maintain_order=True).agg(pl.col(Col.QUERY).str.join(" ").alias("queries"))
        rows = rows.join(joined, on=Col.ITEM, how="left", validate="1:1", maintain_order="left")
        columns.insert(1, "queries")
    return rows.select(pl.concat_str(columns, separator=" ", ignore_nulls=True)).to_series().to_list()


def spread(found: NDArray[np.float32], place: NDArray[np.int64], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores (B, N): of a request the row ``place`` (B,) of ``found`` (T, N).

    Where the place is -1, or the row is all zeros, so that the order would be that of ties, it is ``otherwise`` (N,).
    """
    out = np.repeat(otherwise[None, :], len(place), axis=0)
    says = np.append(np.any(found, axis=1), False)  # (T + 1,) with a last row for the place -1
    told = says[place]  # (B,)
    out[told] = found[place[told]]
    return out
