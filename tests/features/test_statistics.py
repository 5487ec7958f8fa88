from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from features.fitting import FittedEvents
from features.statistics import load_statistics, save_statistics
from tests.features.feature_world import EVERYTHING, assert_same, events, fit, items, table

CATALOGUE = items("i1", "i2", "i3", "i4", title=["red chair", "blue lamp", None, "jazz"])


def world(count: int = 60, *, ordered: bool = True, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 28, count)
    return events(
        item_id=[f"i{n}" for n in rng.integers(1, 5, count)],
        task=rng.choice(["search", "recommendation", "similar"], count),
        label=rng.integers(0, 2, count).astype(np.float32),
        user_id=rng.choice(["a", "b", "c"], count),
        query=rng.choice(["red", "blue chair", "lamp"], count),
        country=rng.choice(["DE", "KR"], count),
        source_item_id=[f"i{n}" for n in rng.integers(1, 5, count)],
        request_id=[f"r{n}" for n in rng.integers(0, count // 2, count)],
        **({"timestamp": [datetime(2024, 1, int(n)) for n in days]} if ordered else {}),
    )


def changed(fitted: FittedEvents, kept: NDArray[np.bool_], seed: int) -> FittedEvents:
    """Return the same events with other facts in the rows that are not kept."""
    rng = np.random.default_rng(seed)
    other = {}
    for name, column in fitted.rows._asdict().items():
        other[name] = np.where(kept, column, rng.permutation(column))
    return replace(fitted, rows=fitted.rows._replace(**other))


@pytest.mark.parametrize("ordered", [True, False])
def test_statistics_are_blind_to_the_rows_that_are_not_kept(tiny_encoder: str, ordered: bool) -> None:
    _, fitted = fit(CATALOGUE, world(ordered=ordered), tiny_encoder)
    for seed in range(5):
        kept = np.random.default_rng(seed).random(60) < 0.6
        assert_same(fitted.statistics(kept), changed(fitted, kept, seed).statistics(kept))


def test_the_control_sees_them(tiny_encoder: str) -> None:
    _, fitted = fit(CATALOGUE, world(), tiny_encoder)
    kept = np.random.default_rng(0).random(60) < 0.6
    every = np.ones(60, dtype=bool)
    with pytest.raises(AssertionError):
        assert_same(fitted.statistics(every), changed(fitted, kept, 0).statistics(every))


def test_what_is_fitted_is_the_statistics_of_all_rows(tiny_encoder: str) -> None:
    features, fitted = fit(CATALOGUE, world(), tiny_encoder)
    assert_same(features.statistics, fitted.statistics(np.ones(60, dtype=bool)))


def test_by_hand(tiny_encoder: str) -> None:
    frame = events(
        item_id=["i1", "i2", "i1", "i2"],
        label=[1.0, 1.0, 0.0, 1.0],
        user_id=["a", "a", "b", "b"],
        order=[1, 2, 3, 4],
        timestamp=[datetime(2024, 1, day) for day in (1, 2, 3, 5)],
    )
    users = table("users", user_id=["a"], country=["KR"])
    features, fitted = fit(CATALOGUE, frame, tiny_encoder, users)
    found = features.statistics
    np.testing.assert_array_equal(found.exposure, [0, 2, 2, 0, 0])
    np.testing.assert_array_equal(found.popularity, [0, 1, 2, 0, 0])
    by_country = found.blocks["country"].by_country
    np.testing.assert_array_equal(by_country.toarray()[2], [0, 1, 1, 0, 0])  # a is at home in KR
    # Recent is the last quarter of four days: after day 4.
    np.testing.assert_allclose(found.quality.values[:, 0].argmax(), 2)
    half = fitted.statistics(np.array([True, False, True, False]))
    assert half.scale == 2.0
    np.testing.assert_array_equal(half.exposure, [0, 2, 0, 0, 0])


def test_graph_vectors_turn_into_the_basis_of_others_and_nothing_else_changes(tiny_encoder: str) -> None:
    features, fitted = fit(CATALOGUE, world(), tiny_encoder)
    full, half = features.statistics, fitted.statistics(np.random.default_rng(0).random(60) < 0.5)
    width = full.graph.shape[1]
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((width, width)))[0].astype(np.float32)
    other = replace(full, graph=full.graph @ turn)
    np.testing.assert_allclose(full.turned_to(other).graph, other.graph, atol=1e-5)
    turned = full.turned_to(half)
    np.testing.assert_allclose(turned.graph @ turned.graph.T, full.graph @ full.graph.T, atol=1e-5)
    assert (turned.graph * half.graph).sum() >= (full.graph * half.graph).sum() - 1e-5
    assert_same(replace(turned, graph=full.graph), full)


def test_without_a_graph_there_is_nothing_to_turn(tiny_encoder: str) -> None:
    features, _ = fit(CATALOGUE, world(), tiny_encoder, use=replace(EVERYTHING, graph=False, graph_part=False))
    assert features.statistics.turned_to(features.statistics).graph.shape == (5, 0)


def test_no_row_is_kept(tiny_encoder: str) -> None:
    _, fitted = fit(CATALOGUE, world(), tiny_encoder)
    found = fitted.statistics(np.zeros(60, dtype=bool))
    assert not found.exposure.any() and not found.popularity.any()
    assert np.isfinite(found.quality.values).all()
    assert found.quality.names == fitted.statistics(np.ones(60, dtype=bool)).quality.names


def test_without_order_the_rows_may_come_in_any(tiny_encoder: str) -> None:
    frame = world(ordered=False)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    one, two = (fit(CATALOGUE, rows, tiny_encoder)[0] for rows in (frame, shuffled))
    assert_same(one, two)


@pytest.mark.parametrize("ordered", [True, False])
def test_saved_is_loaded(tiny_encoder: str, tmp_path: Path, ordered: bool) -> None:
    features, _ = fit(CATALOGUE, world(ordered=ordered), tiny_encoder)
    save_statistics(features.statistics, tmp_path)
    assert_same(load_statistics(tmp_path, EVERYTHING), features.statistics)
