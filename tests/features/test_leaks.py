"""What is known of a row must not hold the row's own answer.

Labels are drawn by a coin, so nothing in the world can say what they are. If a model on the count features alone tells
the rows that it was fitted on apart all the same, the features hold what they should predict.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from features.columns import Split
from features.events import request_rows
from features.evidence import PAIR_FEATURES, REQUEST_FEATURES, gather_evidence, pair_features
from features.imputation import RequestRows
from features.store import Features, FittedEvents
from serving.assemble import model_sizes
from serving.config import ServingConfig
from serving.engine import Engine
from tests.features.feature_world import TASKS, assert_same, events, fit, items
from training.config import DropoutConfig, RankerStageConfig
from training.holdout import Manner, ranker_rows
from training.lists import build_lists
from training.phase import blind_to
from unicorn.config import ModelConfig, RankerConfig, SpaceConfig
from unicorn.model import UniCoRn

ITEMS, ROWS = 60, 150_000  # so many rows that a model cannot fit their noise
NAMES = (*PAIR_FEATURES, *REQUEST_FEATURES)
Floats = NDArray[np.float64]


def coin_world(rows: int, *, ordered: bool) -> pl.DataFrame:
    """Pages of three rows by many users, rare queries among them, and labels by a coin."""
    rng = np.random.default_rng(7)
    page = np.arange(rows) // 3

    def of_page(values: NDArray[np.str_], missing: float) -> pl.Series:
        drawn = pl.Series(rng.choice(values, page[-1] + 1)[page])
        return drawn.zip_with(pl.Series(rng.random(page[-1] + 1) >= missing).gather(page), pl.Series([None] * rows))

    def names(prefix: str, count: int) -> NDArray[np.str_]:
        return np.array([f"{prefix}{number}" for number in range(count)])

    time = pl.Series(rng.random(page[-1] + 1)[page] * 1e15).cast(pl.Int64).cast(pl.Datetime("us"))
    return events(
        item_id=rng.choice(names("i", ITEMS), rows),
        task=rng.choice(np.array(TASKS), page[-1] + 1)[page],
        label=(rng.random(rows) < 0.4).astype(np.float32),
        user_id=of_page(names("u", 1500), 0.1),
        query=of_page(names("q", 15_000), 0.3),
        country=of_page(names("c", 5), 0.3),
        source_item_id=of_page(names("i", ITEMS), 0.5),
        request_id=pl.Series([f"r{number}" for number in page]),
        timestamp=time if ordered else pl.Series([None] * rows, dtype=pl.Datetime("us")),
    )


def features_of_rows(
    features: Features, fitted: FittedEvents, at: NDArray[np.int64], rows: RequestRows | None = None
) -> Floats:
    """Return the count features (n, F + G) of the items of the rows ``at``, in their own contexts or in ``rows``."""
    found = []
    if rows is None:
        rows = own_requests(fitted, at)
    for start in range(0, len(at), 2048):
        part = rows.take(np.arange(start, min(start + 2048, len(at))))
        filled, _ = features.imputer.apply(part, features.history, fitted.title_row)
        evidence, facts = gather_evidence(part, filled, fitted.table, features.evidence_sources)
        item = fitted.rows.item[at[start : start + 2048], None]
        pairs = pair_features(evidence, filled, features.statistics.counts, item)[:, 0]
        found.append(np.concatenate([pairs, facts], axis=1))
    return np.concatenate(found).astype(np.float64)


def auc(score: Floats, label: NDArray[np.bool_]) -> float:
    """The share of (engaged, not engaged) pairs in the right order, ties for half."""
    ranks, positive = rankdata(score), int(label.sum())
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def fitted_auc(x: Floats, label: NDArray[np.bool_]) -> float:
    """AUC of a logistic model on the rows that it was fitted on."""
    x = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)])
    weight = np.zeros(x.shape[1])
    for _ in range(8):  # Newton's method
        p = 1 / (1 + np.exp(-x @ weight))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(x.shape[1])
        weight += np.linalg.solve(curvature, x.T @ (label - p) - 1e-3 * weight)
    return auc(x @ weight, label)


def binned_auc(x: Floats, label: NDArray[np.bool_], bins: int = 8) -> tuple[float, str]:
    """AUC of the best single feature, each cut into bins that are scored by their own rate: what a tree would find."""
    best = []
    for column, name in zip(x.T, NAMES, strict=True):
        place = np.searchsorted(np.unique(np.quantile(column, np.linspace(0, 1, bins)[1:-1])), column)
        rate = np.bincount(place, label) / np.maximum(np.bincount(place), 1)
        best.append((auc(rate[place], label), name))
    return max(best)


SHARES: dict[Manner, float] = {"time": 0.5, "sequence": 0.4, "pairs": 0.25}  # a page goes with any of its rows


@cache
def fitted_world(encoder: str, ordered: bool) -> tuple[Features, FittedEvents]:
    return fit(items(*(f"i{n}" for n in range(ITEMS))), coin_world(ROWS, ordered=ordered), encoder)


def held_out(encoder: str, manner: Manner) -> tuple[Features, FittedEvents, NDArray[np.bool_]]:
    """Return what was fitted on everything, and which rows the ranker learns from."""
    features, fitted = fitted_world(encoder, manner != "pairs")
    own = ranker_rows(fitted.rows, manner, SHARES[manner], 0)
    assert 0.4 < own.mean() < 0.7
    return features, fitted, own


def own_requests(fitted: FittedEvents, at: NDArray[np.int64]) -> RequestRows:
    past = fitted.past._replace(end=fitted.past.end[at], query_end=fitted.past.query_end[at])
    return request_rows(fitted.rows.take(at), past)


@pytest.mark.parametrize("manner", SHARES)
def test_count_features_do_not_know_the_labels_of_the_rows_the_ranker_learns_from(
    tiny_encoder: str, manner: Manner
) -> None:
    features, fitted, own = held_out(tiny_encoder, manner)
    at = np.flatnonzero(own)
    x = features_of_rows(*blind_to(own, features, fitted, 0), at)
    label = fitted.rows.label[at] > 0
    assert fitted_auc(x, label) <= 0.52
    assert binned_auc(x, label)[0] <= 0.52


@pytest.mark.parametrize("manner", ["time", "pairs"])
def test_the_control_counts_the_rows_themselves_and_is_caught(tiny_encoder: str, manner: Manner) -> None:
    features, fitted, own = held_out(tiny_encoder, manner)
    at = np.flatnonzero(own)[:10_000]
    x = features_of_rows(features, fitted, at)
    label = fitted.rows.label[at] > 0
    assert fitted_auc(x, label) > 0.6
    assert binned_auc(x, label)[0] > 0.6


@pytest.mark.parametrize("manner", ["time", "pairs"])
def test_the_control_shows_a_row_its_whole_history_and_is_caught(tiny_encoder: str, manner: Manner) -> None:
    features, fitted, own = held_out(tiny_encoder, manner)
    at = np.flatnonzero(own)[:10_000]
    rows = own_requests(fitted, at)
    everything = rows._replace(
        end=features.history.ends(rows.owner), query_end=np.full(len(at), -1), hide=np.zeros_like(rows.hide)
    )
    blind = replace(features, statistics=fitted.statistics(~own, 0))
    assert fitted_auc(features_of_rows(blind, fitted, at, everything), fitted.rows.label[at] > 0) > 0.55


@pytest.mark.parametrize("manner", ["time", "pairs"])
def test_lists_of_the_ranker_do_not_know_their_labels(tiny_encoder: str, manner: Manner) -> None:
    """The same through ``build_lists``: targets against what was shown beside them and not engaged with."""
    features, fitted, own = held_out(tiny_encoder, manner)
    blind, seen = blind_to(own, features, fitted, 0)
    small = ModelConfig(space=SpaceConfig(width=8), ranker=RankerConfig(hidden=8, cross_rank=2))
    torch.manual_seed(0)
    engine = Engine.build(blind, UniCoRn(model_sizes(features), small), ServingConfig())
    shown = RankerStageConfig(hard=0, uniform=0, zeros=2, max_lists=30_000)
    no_dropout = DropoutConfig(**dict.fromkeys(("query", "source", "country", "user", "history"), 0.0))
    nothing = np.zeros(len(TASKS), dtype=bool)
    lists = build_lists(engine, features.history, seen, own, shown, no_dropout, nothing, 0)
    real = (lists.item != 0) & (lists.label[:, :1] > 0)  # a list without a target has nothing to compare
    x, label = lists.pairs[real].astype(np.float64), lists.label[real] > 0
    assert len(label) > 25_000 and 0.2 < label.mean() < 0.8
    assert fitted_auc(x, label) <= 0.52


def splits_world() -> pl.DataFrame:
    frame = coin_world(900, ordered=True)
    split = np.random.default_rng(1).choice([Split.TRAIN, Split.VALID, Split.TEST], 300, p=[0.6, 0.2, 0.2])
    return frame.with_columns(split=pl.Series(split[np.arange(900) // 3]))


def permuted_test(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the table with the values of its test rows shuffled, column by column."""
    rng = np.random.default_rng(seed)
    test = np.flatnonzero((frame["split"] == Split.TEST).to_numpy())
    out = {}
    for name in frame.columns:
        at = np.arange(frame.height)
        at[test] = rng.permutation(test)
        out[name] = frame[name].gather(at if name != "split" else np.arange(frame.height))
    return pl.DataFrame(out)


def test_permuting_the_test_split_changes_nothing_that_is_fitted(tiny_encoder: str) -> None:
    catalogue = items(*(f"i{n}" for n in range(ITEMS)))
    frame = splits_world()
    fitted = []
    for table in (frame, permuted_test(frame, 0), frame.filter(pl.col("split") != Split.TEST)):
        fitted.append(fit(catalogue, table.filter(pl.col("split") != Split.TEST), tiny_encoder))
    for features, rows in fitted[1:]:
        assert_same(features, fitted[0][0])
        assert_same(rows, fitted[0][1])
    with pytest.raises(AssertionError):  # the comparison can fail
        assert_same(fit(catalogue, permuted_test(frame, 0), tiny_encoder)[0], fit(catalogue, frame, tiny_encoder)[0])


@pytest.mark.parametrize("manner", SHARES)
def test_a_row_never_sees_its_own_engagement(tiny_encoder: str, manner: Manner) -> None:
    """Turning around all labels of one page leaves every feature of the page's rows as it was."""
    catalogue, frame = items(*(f"i{n}" for n in range(ITEMS))), coin_world(600, ordered=manner != "pairs")
    features, fitted = fit(catalogue, frame, tiny_encoder)
    own = ranker_rows(fitted.rows, manner, 0.25, 0)
    for page in np.unique(fitted.rows.request[own])[:8]:
        at = np.flatnonzero(fitted.rows.request == page)
        turned = np.where(np.isin(np.arange(600), at), 1 - frame["label"], frame["label"])
        other = fit(catalogue, frame.with_columns(label=pl.Series(turned)), tiny_encoder)
        found = [features_of_rows(*blind_to(own, *both, 0), at) for both in ((features, fitted), other)]
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)
