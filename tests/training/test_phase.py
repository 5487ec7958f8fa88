from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from features.errors import DataError
from features.graph import align
from serving.config import ServingConfig
from tests.features.feature_world import EVERYTHING, assert_same
from tests.training.prepared import NO_DROPOUT, TASKS, Prepared
from training.config import FitConfig, SpaceStageConfig
from training.phase import Tables, blind_to, excluded_tasks, prepare
from training.schedule import Schedule
from training.space_stage import SpaceData


@pytest.fixture(scope="module", params=[True, False], ids=["ordered", "set"])
def prepared(request, tiny_encoder):
    return Prepared(tiny_encoder, ordered=request.param)


def changed(prepared: Prepared, **columns: pl.Expr) -> pl.DataFrame:
    """Return the events with other values in the ranker's rows."""
    events = prepared.tables["events"].with_columns(own=pl.Series(prepared.own))
    values = [pl.when("own").then(value).otherwise(pl.col(name)).alias(name) for name, value in columns.items()]
    return events.with_columns(values).drop("own")


@pytest.mark.parametrize(
    "columns",
    [
        {"item_id": pl.col("item_id").reverse()},
        {"label": 1 - pl.col("label")},
        {"item_id": pl.col("item_id").shuffle(3), "label": pl.col("label").shuffle(4)},
        {"source_item_id": pl.col("source_item_id").shuffle(5), "country": pl.lit("KR")},
    ],
    ids=["items", "labels", "both", "contexts"],
)
def test_nothing_counted_knows_the_rankers_rows(prepared, columns):
    """Whatever they held, the blind statistics would be the same."""
    features, fitted = prepared.fit(changed(prepared, **columns))
    blind, _ = blind_to(prepared.own, features, fitted)
    assert_same(blind.statistics, prepared.blind.statistics)
    assert not np.array_equal(features.statistics.by_task, blind.statistics.by_task)


def test_blind_histories_end_before_the_rankers_rows(prepared):
    """With an order each row's history ends before it; without one histories are built of the other rows alone."""
    features, fitted = prepared.fit(changed(prepared, item_id=pl.col("item_id").reverse()))
    blind, seen = blind_to(prepared.own, features, fitted)
    before, after = prepared.seen.past, seen.past
    if not blind.history.ordered:
        assert_same(blind.history, prepared.blind.history)
        assert_same(blind.query_history, prepared.blind.query_history)
        return
    others = np.flatnonzero(~prepared.own & (fitted.rows.user > 1))
    user, nothing = fitted.rows.user[others], np.zeros((len(others), 1), dtype=np.int64)
    known = [past.history.window(user, past.end[others], 50, nothing) for past in (before, after)]
    np.testing.assert_array_equal(*known)


def test_blind_statistics_are_on_the_scale_of_all_rows(prepared):
    assert prepared.blind.statistics.scale == pytest.approx(len(prepared.own) / (~prepared.own).sum())
    assert prepared.features.statistics.scale == 1.0


def test_what_is_served_has_graph_vectors_in_the_basis_that_the_model_learns_them_in(prepared):
    features = replace(prepared.settings.features, use=EVERYTHING)
    manner = "time" if prepared.features.history.ordered else "pairs"
    tables = Tables(prepared.tables["items"], prepared.tables["users"], None, prepared.tables["events"], manner, None)
    phase = prepare(tables, replace(prepared.settings, features=features, task_names=TASKS), quiet=True)
    served, learned = phase.features.statistics.graph, phase.blind.statistics.graph
    assert served.shape == learned.shape and served.any()
    np.testing.assert_allclose(align(served, learned), served, atol=1e-4)
    assert (served * learned).sum(axis=1)[1:].mean() > 0.5


def test_the_space_is_trained_on_the_other_rows_alone(prepared):
    settings = SpaceStageConfig(uniform=4)
    data = SpaceData.build(prepared.blind, prepared.seen, ~prepared.own, settings, NO_DROPOUT, 0)
    assert not prepared.own[data.chosen].any()
    make = data.batches(Schedule(batch=64, round=1, rounds=1, fixed=True))
    requests = np.concatenate([make(step).request.numpy() for step in range(10)])
    assert not set(requests) & set(prepared.fitted.rows.request[prepared.own])


def test_every_feature_of_the_rankers_lists_is_blind_to_them(prepared):
    """Changing what the ranker's rows say changes their labels and targets, and no feature of any other candidate."""
    before = prepared.lists(hard=0, uniform=0)
    other = Prepared.__new__(Prepared)
    vars(other).update(vars(prepared))
    events = changed(prepared, label=1 - pl.col("label"))
    other.features, other.fitted = prepared.fit(events)
    other.blind, other.seen = blind_to(prepared.own, other.features, other.fitted)
    other.engine = replace(prepared.engine, features=other.blind)
    after = other.lists(hard=0, uniform=0)
    if prepared.features.history.ordered:
        return  # a row's history may hold earlier rows of the ranker, as it may when it is served
    one, another = described(before), described(after)
    common = one.keys() & another.keys()
    assert len(common) > 50
    for key in common:
        np.testing.assert_allclose(another[key], one[key], rtol=1e-5, atol=1e-6)


def described(lists):
    """Return what each item of each list is told, by context, page and item."""
    found = {}
    for place in range(len(lists)):
        page = frozenset(lists.rows.hide[place].tolist()) - {0}
        context = (*(int(column[place]) for column in lists.rows[:6]), page)
        for item, pairs in zip(lists.item[place], lists.pairs[place], strict=True):
            if item:
                found[(*context, int(item))] = pairs
    return found


def test_seen_items_are_left_out_by_default_of_all_tasks_but_search():
    assert excluded_tasks(FitConfig(task_names=("search", "video"))) == ("video",)
    assert excluded_tasks(FitConfig(serving=ServingConfig(exclude_seen=("search",)))) == ("search",)
    with pytest.raises(DataError, match="'levitation' is not a task"):
        excluded_tasks(FitConfig(serving=ServingConfig(exclude_seen=("levitation",))))


def test_the_world_has_all_three_tasks(prepared):
    assert set(prepared.tables["events"]["task"]) == set(TASKS)
