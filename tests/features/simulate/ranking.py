"""NDCG of listed items, for worlds whose truth is known."""

from __future__ import annotations

import polars as pl


def ndcg_at_10(lists: pl.DataFrame, targets: pl.DataFrame) -> pl.DataFrame:
    """Return ``request_id, task, ndcg``, a row for each request with targets; what is not listed gains nothing.

    Args:
        lists: ``request_id, rank, item_id``, ranks from 1.
        targets: ``request_id, task, item_id, label``, labels above 0.
    """
    found = lists.filter(pl.col("rank") <= 10).join(targets, on=["request_id", "item_id"], how="inner")
    gained = found.group_by("request_id").agg(gained=(pl.col("label") / (pl.col("rank") + 1).log(2)).sum())
    best = targets.sort("label", descending=True).with_columns(rank=1 + pl.int_range(pl.len()).over("request_id"))
    ideal = (
        best.filter(pl.col("rank") <= 10)
        .group_by("request_id", "task")
        .agg(ideal=(pl.col("label") / (pl.col("rank") + 1).log(2)).sum())
    )
    rows = ideal.join(gained, on="request_id", how="left", validate="1:1")
    return rows.select("request_id", "task", ndcg=pl.col("gained").fill_null(0.0) / pl.col("ideal")).sort("request_id")
