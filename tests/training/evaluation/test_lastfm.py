"""The figures that others reach on the published split, read from the files as they are distributed."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from tests.training.evaluation.small_world import ALL
from training.evaluation.baselines.registry import baseline_contenders
from training.evaluation.judge import judge
from training.evaluation.judged import Judged, judged_split
from training.evaluation.protocol import Protocol

DATA = os.environ.get("UNICORN_DATA")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA, reason="UNICORN_DATA names no folder of public data sets")]


def lastfm(protocol: Protocol) -> Judged:
    folder = Path(str(DATA)) / "lastfm"
    artists = pl.read_csv(folder / "artists.dat", separator="\t", quote_char=None, infer_schema=False)
    split = pl.read_parquet(folder / "hypersar_split.parquet").with_columns(pl.col("split").cast(pl.String))
    names = artists.select(pl.col("id").alias("item_id"), pl.col("name").alias("title"))
    nameless = split.select("item_id").unique().join(names, on="item_id", how="anti").sort("item_id")
    items = pl.concat([names, nameless], how="diagonal").with_columns(
        pl.lit(None, dtype=pl.String).alias("text"), pl.lit(None, dtype=pl.List(pl.String)).alias("countries")
    )
    rows = split.with_columns(
        pl.when(pl.col("query").is_null()).then(pl.lit("recommendation")).otherwise(pl.lit("search")).alias("task"),
        pl.lit(1.0).alias("label"),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("timestamp"),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("country", "source_item_id", "request_id")),
    )
    return judged_split(items, rows, protocol)


def test_baselines_reach_the_published_figures() -> None:
    protocol = Protocol(exclude_seen=ALL, k=(20,), resamples=200)
    data = lastfm(protocol)
    found = judge(baseline_contenders(["popularity", "ease"], data, protocol), data, protocol)["rankers"]
    expected = {
        ("popularity", "recommendation"): (18_197, 0.106, 0.044),
        ("popularity", "search"): (36_551, 0.072, 0.032),
        ("ease", "recommendation"): (18_197, 0.282, 0.131),
        ("ease", "search"): (36_551, 0.202, 0.098),
    }
    for (ranker, task), (requests, recall, ndcg) in expected.items():
        node = found[ranker]["tasks"][task]
        assert node["requests"] == requests
        assert node["metrics"]["recall_at_20"]["value"] == pytest.approx(recall, abs=0.0015)
        assert node["metrics"]["ndcg_at_20"]["value"] == pytest.approx(ndcg, abs=0.0015)
