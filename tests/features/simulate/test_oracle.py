"""The oracle: what it may name, and how good it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import bm25s
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from features.simulate import oracle as module
from features.simulate.aisles import Asked
from features.simulate.block import Requests, World
from features.simulate.catalogue import Catalogue, item_ids
from features.simulate.oracle import oracle_ranking
from features.simulate.pages import expected_label
from features.simulate.surfaces import SURFACES
from features.simulate.worth import Worth, sigmoid
from features.text import words
from tests.features.simulate.ranking import ndcg_at_10
from tests.features.simulate.world_tables import Tables

TASKS = ("search", "recommendation", "similar", "presearch")
Score = Callable[[Asked, Worth, NDArray[np.int64], Catalogue], NDArray[np.float32]]


def test_ndcg_by_hand() -> None:
    lists = pl.DataFrame({"request_id": ["a"] * 3, "rank": [1, 2, 3], "item_id": ["x", "y", "z"]})
    targets = pl.DataFrame(
        {
            "request_id": ["a", "a", "b"],
            "task": ["search"] * 3,
            "item_id": ["x", "z", "x"],
            "label": [1.0, 3.0, 1.0],
        }
    )
    first, second = ndcg_at_10(lists, targets)["ndcg"]
    assert first == pytest.approx((1 / 1 + 3 / 2) / (3 / 1 + 1 / math.log2(3)))
    assert second == 0.0


@pytest.fixture(scope="module")
def judged(market: Tables) -> pl.DataFrame:
    """The targets of the requests that the oracle ranks."""
    targets = market.events.filter(pl.col("label") > 0).select(
        "request_id", "task", "item_id", "label", "source_item_id"
    )
    return targets.join(market.oracle.select("request_id").unique(), on="request_id", how="semi")


@pytest.fixture(scope="module")
def best(market: Tables, judged: pl.DataFrame) -> pl.DataFrame:
    """NDCG of the oracle."""
    return ndcg_at_10(market.oracle, judged)


# What it may name


def test_it_ranks_every_request_of_valid_and_test(market: Tables) -> None:
    late = market.events.with_row_index().filter(pl.col("index") >= 0.8 * 120_000)["request_id"].unique()
    assert late.is_in(market.oracle["request_id"].unique().to_list()).all()


def test_ranks_are_from_1_and_no_item_comes_twice(market: Tables) -> None:
    lists = market.oracle.group_by("request_id", maintain_order=True).agg(pl.all())
    for rank, score in lists.select("rank", "score").iter_rows():
        assert rank == list(range(1, len(rank) + 1))
        assert score == sorted(score, reverse=True)
        assert len(rank) <= 200
    assert not market.oracle.select(pl.struct("request_id", "item_id").is_duplicated().any()).item()


def test_it_names_what_was_there_and_allowed_and_not_the_source(market: Tables) -> None:
    asked = market.asked.select("request_id", "timestamp", "source_item_id")
    home = market.intents.select("request_id", "country")  # also where the log does not say
    rows = (
        market.oracle.join(asked, on="request_id", how="inner", validate="m:1")
        .join(home, on="request_id", how="left", validate="m:1")
        .join(market.items.select("item_id", "countries", "created_at"), on="item_id", how="left", validate="m:1")
    )
    assert len(rows) > 0.99 * len(market.oracle)  # a request without a page is in no event
    assert (rows["created_at"] <= rows["timestamp"]).all()
    assert rows.select(pl.col("country").is_in(pl.col("countries")).fill_null(True).all()).item()
    assert not (rows["item_id"] == rows["source_item_id"]).fill_null(False).any()


# How good it is


def test_it_is_far_better_than_popularity(market: Tables, judged: pl.DataFrame, best: pl.DataFrame) -> None:
    train = market.events.head(96_000).filter(pl.col("label") > 0)
    top = train["item_id"].value_counts(sort=True).head(10).with_columns(rank=1 + pl.int_range(pl.len()))
    popular = judged.select("request_id").unique().join(top.select("item_id", "rank"), how="cross")
    ratio = _by_task(best) / _by_task(ndcg_at_10(popular, judged))
    assert (ratio > 2).all(), ratio


def _by_task(rows: pl.DataFrame) -> NDArray[np.float64]:
    means = dict(rows.group_by("task").agg(pl.col("ndcg").mean()).iter_rows())
    return np.array([means[task] for task in TASKS])


def _value(asked: Asked, worth: Worth, item: NDArray[np.int64], catalogue: Catalogue) -> NDArray[np.float32]:
    threshold = np.float32(SURFACES[asked.surface].threshold)
    return expected_label(sigmoid(worth.total() + threshold), item, catalogue)


OTHERS: dict[str, Score] = {
    "relevance": lambda asked, worth, item, catalogue: worth.relevance,
    "quality": lambda asked, worth, item, catalogue: worth.quality,
    "production": lambda asked, worth, item, catalogue: worth.production(),
    "all worth": lambda asked, worth, item, catalogue: worth.total(),
    "value": _value,
}


@pytest.mark.parametrize("other", OTHERS)
def test_it_is_better_than_an_order_by_a_part_of_what_it_knows(
    market: Tables,
    world: World,
    blocks: list[Requests],
    judged: pl.DataFrame,
    best: pl.DataFrame,
    other: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "judged_worth", OTHERS[other])
    lists, start = [], 0
    known = market.oracle["request_id"].unique().to_list()
    for requests in blocks:
        ids = pl.Series([f"r{number}" for number in range(start, start + len(requests.day))])
        start += len(requests.day)
        rows = np.flatnonzero(ids.is_in(known).to_numpy())
        if len(rows):
            lists.append(oracle_ranking(world, requests.take(rows), ids.gather(rows), item_ids(10_000)))
    worse = ndcg_at_10(pl.concat(lists), judged)
    assert worse["request_id"].equals(best["request_id"])
    loss = (best["ndcg"] - worse["ndcg"]).to_numpy()
    assert loss.mean() > 2 * loss.std() / math.sqrt(len(loss))
    assert (_by_task(best) > _by_task(worse) - 0.005).all()


def test_word_overlap_alone_does_not_solve_similar(market: Tables, judged: pl.DataFrame, best: pl.DataFrame) -> None:
    """BM25 of titles and texts, asked with the title of the source item."""
    similar = judged.filter(pl.col("task") == "similar")
    texts = market.items.select(pl.concat_str("title", "text", separator=" ", ignore_nulls=True)).to_series()
    index = bm25s.BM25(backend="numpy")
    index.index([words(text) for text in texts], show_progress=False)
    titles = dict(market.items.select("item_id", "title").iter_rows())
    number = {item: row for row, item in enumerate(market.items["item_id"])}
    lists = []
    for request, source in similar.select("request_id", "source_item_id").unique().iter_rows():
        score = index.get_scores_from_ids([index.vocab_dict[word] for word in words(titles[source])])
        score[number[source]] = -np.inf
        top = np.argsort(-score, kind="stable")[:10]
        lists.append(
            pl.DataFrame({"request_id": request, "rank": np.arange(1, 11), "item_id": market.items["item_id"][top]})
        )
    overlap = ndcg_at_10(pl.concat(lists), similar)["ndcg"].mean()
    assert 0 < overlap < 0.5 * best.filter(pl.col("task") == "similar")["ndcg"].mean()
