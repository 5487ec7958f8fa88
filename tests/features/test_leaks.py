"""What is known of a row must not hold the row's own answer.

Labels are drawn by a coin, so nothing in the world can say what they are. If a model on the count features alone tells
the rows that it was fitted on apart all the same, the features hold what they should predict.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from features.evidence import REQUEST_FEATURES
from features.fitting import FittedEvents
from features.imputation import RequestRows
from features.store import Features
from serving.assemble import model_sizes
from serving.config import ServingConfig
from serving.engine import Engine
from tests.features.coin_world import (
    ORDERED,
    QUALITY,
    SHARES,
    catalogue,
    coin_world,
    item_facts,
    opinions,
    own_requests,
)
from tests.features.feature_world import ABOUT_ORDER, TASKS, columns, fit, told
from training.config import DropoutConfig, RankerStageConfig
from training.holdout import Manner, ranker_rows
from training.lists import build_lists
from training.phase import blind_to
from unicorn.config import ModelConfig, RankerConfig, SpaceConfig
from unicorn.model import UniCoRn

ROWS = 150_000  # so many that a model cannot fit their noise
NAMES = (*columns(), *REQUEST_FEATURES, *QUALITY, "exposure")
WITHOUT_ORDER = ABOUT_ORDER | {"trend", "freshness"}
SILENT = {"pairs": WITHOUT_ORDER | {"repeat", "query_repeat"}, "rows": WITHOUT_ORDER}
"""Features that say nothing: what is about order, and what is about items that a user has only once."""
Floats = NDArray[np.float64]


def features_of_rows(
    features: Features, fitted: FittedEvents, at: NDArray[np.int64], rows: RequestRows | None = None
) -> Floats:
    """Return what is told (n, F + G + Q + 1) of the items of the rows ``at``, in their own contexts or in ``rows``."""
    found = []
    if rows is None:
        rows = own_requests(fitted, at)
    for start in range(0, len(at), 2048):
        part = rows.take(np.arange(start, min(start + 2048, len(at))))
        item = fitted.rows.item[at[start : start + 2048]]
        pairs, facts = told(features, part, fitted.table, fitted.title_row, item[:, None])
        found.append(np.concatenate([pairs[:, 0], facts, item_facts(features)[item]], axis=1))
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


@cache
def fitted_world(encoder: str, ordered: bool) -> tuple[Features, FittedEvents]:
    return fit(catalogue(), coin_world(ROWS, ordered=ordered), encoder, scores=opinions())


def held_out(encoder: str, manner: Manner) -> tuple[Features, FittedEvents, NDArray[np.bool_]]:
    """Return what was fitted on everything, and which rows the ranker learns from."""
    features, fitted = fitted_world(encoder, manner in ORDERED)
    own = ranker_rows(fitted.rows, manner, SHARES[manner], 0)
    assert 0.4 < own.mean() < 0.7
    return features, fitted, own


@pytest.mark.parametrize("manner", SHARES)
def test_no_feature_knows_the_labels_of_the_rows_the_ranker_learns_from(tiny_encoder: str, manner: Manner) -> None:
    features, fitted, own = held_out(tiny_encoder, manner)
    at = np.flatnonzero(own)
    blind, seen = blind_to(own, features, fitted)
    x = features_of_rows(blind, seen, at, own_requests(seen, at, manner))
    label = fitted.rows.label[at] > 0
    silent = {name for name, column in zip(NAMES, x.T, strict=True) if column.std() == 0}
    assert silent == SILENT.get(manner, set())
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
    blind = replace(features, statistics=fitted.statistics(~own))
    assert fitted_auc(features_of_rows(blind, fitted, at, everything), fitted.rows.label[at] > 0) > 0.55


@pytest.mark.parametrize("manner", ["time", "pairs", "rows"])
def test_lists_of_the_ranker_do_not_know_their_labels(tiny_encoder: str, manner: Manner) -> None:
    """The same through ``build_lists``: targets against what was shown beside them and not engaged with."""
    features, fitted, own = held_out(tiny_encoder, manner)
    blind, seen = blind_to(own, features, fitted)
    small = ModelConfig(space=SpaceConfig(width=8), ranker=RankerConfig(hidden=8, cross_rank=2))
    torch.manual_seed(0)
    engine = Engine.build(blind, UniCoRn(model_sizes(features), small), ServingConfig())
    shown = RankerStageConfig(hard=0, uniform=0, zeros=2, max_lists=30_000)
    no_dropout = DropoutConfig(**dict.fromkeys(("query", "source", "country", "user", "history"), 0.0))
    nothing = np.zeros(len(TASKS), dtype=bool)
    again = manner == "rows"
    lists = build_lists(engine, features.history, seen, own, shown, no_dropout, nothing, 0, repeats=again)
    real = (lists.item != 0) & (lists.label[:, :1] > 0)  # a list without a target has nothing to compare
    x, label = lists.pairs[real].astype(np.float64), lists.label[real] > 0
    assert len(label) > 25_000 and 0.2 < label.mean() < 0.8
    assert fitted_auc(x, label) <= 0.52
