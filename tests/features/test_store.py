from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from features.config import ImputationConfig
from features.errors import DataError
from features.events import request_rows
from features.evidence import REQUEST_FEATURES
from features.fitting import FittedEvents
from features.imputation import RequestRows
from features.queries import QueryTable
from features.store import Features, load_features, save_features
from features.vocabulary import UNKNOWN
from tests.features.feature_world import (
    EVERYTHING,
    assert_same,
    columns,
    config,
    events,
    fit,
    items,
    requests,
    table,
    told,
)

CATALOGUE = items(
    "i1",
    "i2",
    "i3",
    title=["Red Chair", "blue lamp", None],
    category=["Home > Seats", "Home > Light", None],
    countries=[["DE"], None, ["KR", "DE"]],
)
EVENTS = events(
    item_id=["i1", "i2", "i3", "i1", "i2"],
    task=["search", "recommendation", "similar", "search", "recommendation"],
    label=[1.0, 1.0, 0.0, 1.0, 1.0],
    user_id=["u1", "u1", "u2", None, "u2"],
    query=["red", None, None, "Chair ", None],
    country=["DE", None, "KR", None, None],
    source_item_id=[None, None, "i1", None, None],
    timestamp=[datetime(2024, 1, day) for day in (1, 2, 3, 4, 5)],
)
USERS = table("users", user_id=["u1", "u3"], country=["KR", "FR"])


EVERY_KIND = (
    {},
    {"user_id": "u1", "task": "recommendation"},
    {"user_id": "new", "query": "a new query", "country": "XX", "source_item_id": "gone"},
    {"query": "  RED   chair"},
    {"query": "   "},
    {"source_item_id": "i1", "task": "similar", "country": "DE"},
)


def everything(
    features: Features, rows: RequestRows, query: QueryTable, title_row: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Impute, and return all that is known of all items for the requests."""
    pairs, facts = told(features, rows, query, title_row)
    assert pairs.shape == (len(rows.task), features.catalogue.rows, len(columns()))
    assert facts.shape == (len(rows.task), len(REQUEST_FEATURES))
    assert np.isfinite(pairs).all() and np.isfinite(facts).all()
    return pairs, facts


def answer_all(features: Features, fitted: FittedEvents) -> None:
    """Read the training rows and every kind of request."""
    everything(features, request_rows(fitted.rows, fitted.past), fitted.table, fitted.title_row)
    everything(features, *features.read_requests(requests(*EVERY_KIND)))
    everything(features, *features.read_requests(requests()))


def test_a_world_by_hand(tiny_encoder: str) -> None:
    features, fitted = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    assert features.known.users.values.to_list() == ["u1", "u2", "u3"]
    assert features.known.countries.values.to_list() == ["DE", "FR", "KR"]
    assert features.known.queries.values.to_list() == ["chair", "red"]
    np.testing.assert_array_equal(features.home, [0, 0, 4, 0, 3])
    np.testing.assert_array_equal(features.seen_users[2:], [True, True, False])
    np.testing.assert_array_equal(fitted.world.sizes, [3, 5, 5, 4, 4, 5])
    np.testing.assert_array_equal(fitted.title_row, [0, 3, 0, 0])  # of chair, red, red chair: the one source's title
    answer_all(features, fitted)


def test_requests_by_hand(tiny_encoder: str) -> None:
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    rows, query, title_row = features.read_requests(requests(*EVERY_KIND))
    np.testing.assert_array_equal(rows.task, [0, 1, 0, 0, 0, 2])
    np.testing.assert_array_equal(rows.user, [0, 2, 1, 0, 0, 0])
    np.testing.assert_array_equal(rows.country, [0, 0, 1, 0, 0, 2])
    np.testing.assert_array_equal(rows.source, [0, 0, 0, 0, 0, 1])
    # The texts, in order: "a new query", "blue lamp" (the title of u1's last item), "red chair" (also a title).
    np.testing.assert_array_equal(rows.query, [0, 0, 1, 3, 0, 0])
    np.testing.assert_array_equal(title_row, [0, 3, 2, 0])
    np.testing.assert_array_equal(query.known, [0, 1, 1, 1])
    np.testing.assert_array_equal(features.history.window(rows.owner, rows.end, 2, rows.hide)[1], [2, 1])


def test_a_request_does_not_depend_on_the_others(tiny_encoder: str) -> None:
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    together, facts = everything(features, *features.read_requests(requests(*EVERY_KIND)))
    for row, kind in enumerate(EVERY_KIND):
        alone, own = everything(features, *features.read_requests(requests(kind)))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)
        np.testing.assert_allclose(own[0], facts[row], atol=1e-6)


OPTIONAL = ["user_id", "query", "country", "source_item_id", "timestamp"]


@pytest.mark.parametrize("gone", [*([name] for name in OPTIONAL), OPTIONAL])
@pytest.mark.parametrize("users", [None, USERS])
def test_every_optional_column_of_events_may_be_missing(
    tiny_encoder: str, gone: list[str], users: pl.DataFrame | None
) -> None:
    frame = EVENTS.with_columns(pl.lit(None, dtype=EVENTS.schema[name]).alias(name) for name in gone)
    answer_all(*fit(CATALOGUE, frame, tiny_encoder, users))


@pytest.mark.parametrize("gone", [["title"], ["category"], ["countries"], ["title", "text", "category", "countries"]])
def test_every_optional_column_of_items_may_be_missing(tiny_encoder: str, gone: list[str]) -> None:
    frame = CATALOGUE.with_columns(pl.lit(None, dtype=CATALOGUE.schema[name]).alias(name) for name in gone)
    answer_all(*fit(frame, EVENTS, tiny_encoder, USERS))


@pytest.mark.parametrize(
    "frame",
    [
        events(item_id=["i1"]),
        events(item_id=["i1", "i1"], label=[0.0, 0.0], user_id=["a", "b"], query=["red", "red"]),
        events(item_id=["i1"], task=["similar"], source_item_id=["i1"], user_id=["a"]),
    ],
)
def test_the_smallest_worlds(tiny_encoder: str, frame: pl.DataFrame) -> None:
    for switches in (ImputationConfig(), ImputationConfig(query_without_source="last", source="last", user="country")):
        answer_all(*fit(items("i1"), frame, tiny_encoder, imputation=switches))


def test_a_query_table_may_be_empty(tiny_encoder: str) -> None:
    features, fitted = fit(items("i1"), events(item_id=["i1"]), tiny_encoder)
    assert fitted.table.known.shape == (1,)
    assert features.known.queries.size == features.known.users.size == 2


def test_new_events_are_known_and_change_nothing_that_was_fitted(tiny_encoder: str) -> None:
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    later = events(
        item_id=["i3", "gone", "i2"],
        task=["search"] * 3,
        user_id=["u3", "u3", "new"],
        query=["red", "red", "lamp"],
        timestamp=[datetime(2024, 2, day) for day in (1, 2, 3)],
    )
    knowing = features.with_events(pl.concat([EVENTS, later]))
    rows, _, _ = knowing.read_requests(requests({"user_id": "u3"}, {"user_id": "u1"}, {"user_id": "new"}))
    # An item that is not in the catalogue takes no place in a history.
    window = knowing.history.window(rows.owner, rows.end, 3, rows.hide)
    np.testing.assert_array_equal(window, [[3, 0, 0], [2, 1, 0], [2, 0, 0]])
    assert rows.user[2] == UNKNOWN  # a new user has a history, and no more
    assert not features.history.window(rows.owner[:1], features.history.ends(rows.owner[:1]), 3, rows.hide[:1]).any()
    for name in ("catalogue", "known", "home", "seen_users", "static", "statistics"):
        assert getattr(knowing, name) is getattr(features, name)
    everything(knowing, *knowing.read_requests(requests(*EVERY_KIND)))


def test_new_users_come_behind_the_known_ones(tiny_encoder: str) -> None:
    """ "aa" would be the first of all users in their order, and must not take the row of another."""
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    knowing = features.with_events(pl.concat([EVENTS, events(item_id=["i3"], user_id=["aa"])]))
    both = requests({"user_id": "u1"}, {"user_id": "aa"})
    before, now = features.read_requests(both)[0], knowing.read_requests(both)[0]
    assert before.owner[0] == now.owner[0]
    assert (before.owner[1], now.owner[1]) == (UNKNOWN, features.known.users.size)
    assert knowing.history.window(now.owner, now.end, 1, now.hide).tolist() == [[2], [3]]


def test_histories_of_some_tasks_beside_what_was_seen_in_all(tiny_encoder: str, tmp_path: Path) -> None:
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    later = events(item_id=["i3", "i1", "i1"], task=["search", "similar", "similar"], user_id=["u3", "u3", "new"])
    knowing = features.with_events(later, ("search",))
    save_features(knowing, tmp_path)
    for found in (knowing, load_features(tmp_path, config(tiny_encoder))):
        rows, _, _ = found.read_requests(requests({"user_id": "u3"}, {"user_id": "new"}))
        assert found.history.window(rows.owner, rows.end, 2, rows.hide).tolist() == [[3, 0], [0, 0]]
        assert found.seen is not None
        seen = found.seen.matrix(rows.owner, found.seen.ends(rows.owner), found.catalogue.rows, rows.hide)
        assert [sorted(row.indices) for row in seen] == [[1, 3], [1]]


def test_knowing_the_fitted_events_is_what_was_fitted(tiny_encoder: str) -> None:
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    assert_same(features.with_events(EVENTS), features)


def test_events_may_be_read_from_disk_in_parts(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, rows in enumerate((EVENTS.head(2), EVENTS.slice(2))):
        rows.write_parquet(tmp_path / f"part-{part}.parquet")
    monkeypatch.setattr("features.events._BATCH", 2)
    streamed = fit(CATALOGUE, pl.scan_parquet(tmp_path), tiny_encoder, USERS)
    for one, two in zip(streamed, fit(CATALOGUE, EVENTS, tiny_encoder, USERS), strict=True):
        assert_same(one, two)


def test_the_order_of_the_items_does_not_matter(tiny_encoder: str) -> None:
    one, two = (fit(frame, EVENTS, tiny_encoder, USERS)[0] for frame in (CATALOGUE, CATALOGUE.reverse()))
    assert_same(one, two)


@pytest.mark.parametrize("ordered", [True, False])
def test_saved_is_loaded(tiny_encoder: str, tmp_path: Path, ordered: bool) -> None:
    frame = EVENTS if ordered else EVENTS.with_columns(timestamp=pl.lit(None, dtype=EVENTS.schema["timestamp"]))
    catalogue = CATALOGUE.with_columns(
        rating=pl.Series([1.0, None, 3.0]),
        vector_image=pl.Series([[1.0, 0.0], None, [3.0, 4.0]], dtype=pl.Array(pl.Float32, 2)),
    )
    chosen: dict[str, Any] = {"quality": ("rating",), "vectors": ("image",)}
    features, _ = fit(catalogue, frame, tiny_encoder, USERS, **chosen)
    save_features(features, tmp_path / "features")
    loaded = load_features(tmp_path / "features", config(tiny_encoder, **chosen))
    assert_same(loaded, features)
    found, expected = (everything(one, *one.read_requests(requests(*EVERY_KIND))) for one in (loaded, features))
    np.testing.assert_array_equal(found[0], expected[0])
    assert not list((tmp_path / "features").rglob("*.pkl"))


def test_features_of_another_version_are_refused(tiny_encoder: str, tmp_path: Path) -> None:
    features, _ = fit(CATALOGUE, EVENTS, tiny_encoder, USERS)
    save_features(features, tmp_path)
    with pytest.raises(DataError, match=r"schema.json: written for other features .* Fit the run again."):
        load_features(tmp_path, config(tiny_encoder, history=7))
    for off in ("query", "text"):  # a block with arrays of its own, and one without
        use = replace(EVERYTHING, **{off: False})
        with pytest.raises(DataError, match=r"schema.json: written for other features"):
            load_features(tmp_path, config(tiny_encoder, use=use))
        other = tmp_path / off
        save_features(fit(CATALOGUE, EVENTS, tiny_encoder, USERS, use=use)[0], other)
        with pytest.raises(DataError, match=r"schema.json: written for other features"):
            load_features(other, config(tiny_encoder))
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert schema["pair_features"] == list(columns())
