"""Parts of the targets, named ``kind:value``, on which a ranker is judged apart.

A slice is a set of targets. A request belongs to it if one of its targets does, and is then judged on those targets
alone, with the recall, the ideal order and everything else made from them; for slices of users, queries, countries and
missing fields these are all targets of the request.

Items, users and queries are ``head`` (``heavy``) where they belong to the most frequent ones that together hold half of
the engagements that were fitted, ``tail`` (``light``) where they have any, and ``cold`` (``unseen``) where they have
none. Queries count in their normal form. The country of a slice is the stated one, else the user's home.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.text import normalise
from training.evaluation.judged import NUMBER, Judged

HEAD_SHARE = 0.5
"""Share of the engagements that the most frequent values hold together."""
COUNTRIES = 20
"""Countries that are slices of their own, those with the most requests."""

Masks = dict[str, NDArray[np.bool_]]
"""Slice name to which targets are in it (T,)."""


def slice_masks(judged: Judged) -> Masks:
    """Return the targets of each slice of ``judged``; slices without a target are left out."""
    facts = judged.targets.drop(Col.TASK).join(
        judged.requests.drop("context", "cluster"), on="request", how="left", validate="m:1", maintain_order="left"
    )
    masks = {
        **_frequency("item", ("cold", "tail", "head"), _item_counts(judged), facts[NUMBER]),
        **_frequency("user", ("cold", "light", "heavy"), _counts(judged.fitted[Col.USER]), facts[Col.USER]),
        **_frequency("query", ("unseen", "tail", "head"), _counts(_normal(judged.fitted)), _normal(facts)),
        **_countries(facts, judged.homes),
        **_gaps(facts, judged.history),
        **{f"missing:{name}": facts[name].is_null() for name in (Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM)},
    }
    arrays = {name: mask.to_numpy().astype(np.bool_) for name, mask in masks.items()}
    return {name: mask for name, mask in arrays.items() if mask.any()}


def head_threshold(counts: NDArray[np.int64]) -> int:
    """Return the smallest count of a value in the head: those counted more often hold less than half of the total."""
    size, number = np.unique(counts, return_counts=True)
    held = (size * number)[::-1].cumsum() - (size * number)[::-1]  # by the larger counts
    head = size[::-1][held < HEAD_SHARE * (size * number).sum()]
    return int(head[-1]) if len(head) else 1


def _frequency(kind: str, names: tuple[str, str, str], counts: pl.DataFrame, values: pl.Series) -> dict[str, pl.Series]:
    rows = pl.DataFrame({"value": values}).join(counts, on="value", how="left", validate="m:1", maintain_order="left")
    count = rows["count"].fill_null(0)
    threshold = head_threshold(counts["count"].to_numpy())
    given = values.is_not_null()
    return {
        f"{kind}:{names[0]}": given & (count == 0),
        f"{kind}:{names[1]}": given & (count > 0) & (count < threshold),
        f"{kind}:{names[2]}": given & (count >= threshold),
    }


def _counts(values: pl.Series) -> pl.DataFrame:
    """Return ``value`` and its ``count`` among ``values``, nulls left out."""
    return values.drop_nulls().alias("value").value_counts(name="count").with_columns(pl.col("count").cast(pl.Int64))


def _item_counts(judged: Judged) -> pl.DataFrame:
    numbers = judged.fitted.select(Col.ITEM).join(
        judged.items.select(Col.ITEM).with_row_index(NUMBER), on=Col.ITEM, how="left", validate="m:1"
    )
    return _counts(numbers[NUMBER])


def _normal(rows: pl.DataFrame) -> pl.Series:
    distinct = rows.select(Col.QUERY).unique().drop_nulls()
    normal = [normalise(query) for query in distinct[Col.QUERY]]
    return rows.select(Col.QUERY).join(
        distinct.with_columns(pl.Series("normal", normal, dtype=pl.String)),
        on=Col.QUERY,
        how="left",
        validate="m:1",
        maintain_order="left",
    )["normal"]


def _countries(facts: pl.DataFrame, homes: pl.DataFrame) -> dict[str, pl.Series]:
    rows = facts.select("request", Col.USER, Col.COUNTRY).join(
        homes, on=Col.USER, how="left", validate="m:1", maintain_order="left", suffix="_home"
    )
    country = rows.select(pl.coalesce(Col.COUNTRY, f"{Col.COUNTRY}_home")).to_series()
    largest = (
        pl.DataFrame({"request": rows["request"], "country": country})
        .drop_nulls()
        .unique("request")
        .group_by("country")
        .len()
        .sort("len", "country", descending=[True, False])
        .head(COUNTRIES)
    )
    return {f"country:{name}": (country == name).fill_null(False) for name in largest["country"]}


def _gaps(facts: pl.DataFrame, history: pl.DataFrame) -> dict[str, pl.Series]:
    """Targets at the time of the user's last known engagement, and strictly later ones; without times, neither."""
    last = history.drop_nulls(Col.USER).group_by(Col.USER).agg(pl.max(Col.TIMESTAMP).alias("last"))
    rows = facts.select(Col.USER, Col.TIMESTAMP).join(
        last, on=Col.USER, how="left", validate="m:1", maintain_order="left"
    )
    return {
        "gap:same": (rows[Col.TIMESTAMP] == rows["last"]).fill_null(False),
        "gap:later": (rows[Col.TIMESTAMP] > rows["last"]).fill_null(False),
    }
