"""What is told of a row is what was known before it, to the bit: not its own outcome, and nothing of the future."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from features.columns import Split
from features.fitting import FittedEvents
from features.history import list_of_key
from features.imputation import RequestRows
from features.store import Features
from features.vocabulary import UNKNOWN
from serving.assemble import context_tensors, item_tensors
from tests.features.coin_world import ITEMS, ORDERED, SHARES, catalogue, coin_world, item_facts, opinions, own_requests
from tests.features.feature_world import assert_same, config, fit, told
from training.config import FitConfig
from training.holdout import Manner, ranker_rows
from training.phase import Prepared, Tables, blind_to, prepare

ROWS, USERS, QUERIES = 600, 40, 20
SILENT = f"i{ITEMS}"
"""An item that no event names."""
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@cache
def log(manner: Manner = "time") -> pl.DataFrame:
    """Return pages by few users with few queries; by pairs nobody engages with an item twice."""
    frame = coin_world(ROWS, ordered=manner in ORDERED, users=USERS, queries=QUERIES)
    return frame if manner != "pairs" else frame.unique(["user_id", "item_id"], keep="first", maintain_order=True)


def fitted_on(encoder: str, frame: pl.DataFrame) -> tuple[Features, FittedEvents]:
    return fit(catalogue(silent=1), frame, encoder, scores=opinions(USERS))


def all_told(features: Features, fitted: FittedEvents, rows: RequestRows) -> list[NDArray[Any]]:
    """Return all that is told of all items for requests, of the requests, and of the items themselves."""
    of_pairs, of_requests = told(features, rows, fitted.table, fitted.title_row)
    return [of_pairs, of_requests, item_facts(features), features.statistics.graph]


def with_values(frame: pl.DataFrame, at: Ints | Bools, **values: Any) -> pl.DataFrame:
    """Return the events with other values in the rows ``at``."""
    changed = np.zeros(frame.height, dtype=bool)
    changed[at] = True
    return frame.with_columns(
        pl.when(pl.Series(changed)).then(pl.lit(value, dtype=frame.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def pages(fitted: FittedEvents, own: Bools, count: int = 4) -> list[Ints]:
    """Return the rows of some pages of the ranker, each by a known user."""
    of_users = np.unique(fitted.rows.request[own & (fitted.rows.user > UNKNOWN)])
    return [np.flatnonzero(fitted.rows.request == page) for page in of_users[:: len(of_users) // count]]


OUTCOMES: tuple[dict[str, Any], ...] = (
    {"label": 0.0},
    {"label": 1.0},
    {"label": 5.0, "weight": 9.0, "position": 7},
    {"item_id": SILENT},
    {"item_id": SILENT, "label": 1.0},
)
CONTEXTS: tuple[dict[str, Any], ...] = (
    {"query": "q3"},
    {"query": None, "country": "c1"},
    {"source_item_id": "i9", "task": "similar"},
    {"user_id": "u5"},
    {"user_id": None, "query": "q7", "item_id": SILENT, "label": 1.0},
)


@pytest.mark.parametrize("manner", SHARES)
def test_the_outcome_of_a_row_is_in_nothing_that_it_is_told(tiny_encoder: str, manner: Manner) -> None:
    """Whatever the rows of a page had held, what the ranker reads of any item would be the same.

    And so it would beside all other rows of the ranker but later ones of the same user, whose past the page is.
    """
    frame = log(manner)
    features, fitted = fitted_on(tiny_encoder, frame)
    own = ranker_rows(fitted.rows, manner, 0.25, 0)
    blind, seen = blind_to(own, features, fitted)
    for page in pages(fitted, own):
        later = (fitted.rows.user == fitted.rows.user[page[0]]) & (fitted.rows.time > fitted.rows.time[page[0]])
        at = np.concatenate([page, np.flatnonzero(own & ~later)[::11]])
        expected = all_told(blind, seen, own_requests(seen, at, manner))
        for outcome in OUTCOMES:
            other, its = blind_to(own, *fitted_on(tiny_encoder, with_values(frame, page, **outcome)))
            for one, two in zip(all_told(other, its, own_requests(its, at, manner)), expected, strict=True):
                np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("manner", SHARES)
def test_a_page_that_was_asked_for_otherwise_changes_nothing_of_what_it_would_have_been_told(
    tiny_encoder: str, manner: Manner
) -> None:
    """The rows move to another context; the requests as they were are told the same as before."""
    frame = log(manner)
    features, fitted = fitted_on(tiny_encoder, frame)
    own = ranker_rows(fitted.rows, manner, 0.25, 0)
    for at in pages(fitted, own):
        blind, seen = blind_to(own, features, fitted)
        asked = own_requests(seen, at, manner)
        expected = all_told(blind, seen, asked)
        for context in CONTEXTS:
            other, _ = blind_to(own, *fitted_on(tiny_encoder, with_values(frame, at, **context)))
            assert_same(other.known, blind.known)
            for one, two in zip(all_told(other, seen, moved(asked, blind, other, seen)), expected, strict=True):
                np.testing.assert_array_equal(one, two)


def moved(rows: RequestRows, old: Features, new: Features, fitted: FittedEvents) -> RequestRows:
    """Return the requests with the ends of their histories where these lie now: as far into each list as before."""
    if not old.history.ordered:
        return rows
    key = rows.owner * old.known.queries.size + fitted.table.known[rows.query]
    before, now = (one.query_history.start[list_of_key(one.query_keys, key)] for one in (old, new))
    return rows._replace(
        end=rows.end - old.history.start[rows.owner] + new.history.start[rows.owner],
        query_end=rows.query_end - before + now,
    )


@pytest.mark.parametrize("manner", SHARES)
def test_the_control_counts_every_row_and_is_caught(tiny_encoder: str, manner: Manner) -> None:
    frame = log(manner)
    features, fitted = fitted_on(tiny_encoder, frame)
    for at in pages(fitted, ranker_rows(fitted.rows, manner, 0.25, 0)):
        expected = all_told(features, fitted, own_requests(fitted, at, manner))
        other = fitted_on(tiny_encoder, with_values(frame, at, item_id=SILENT, label=1.0))
        found = all_told(*other, own_requests(other[1], at, manner))
        assert not np.array_equal(found[0], expected[0]) and not np.array_equal(found[2], expected[2])


def settings(encoder: str) -> FitConfig:
    return FitConfig(features=config(encoder))


def prepared(encoder: str, frame: pl.DataFrame) -> Prepared:
    """Return the features of a phase whose ranker learns from the latest rows, and is judged on later ones."""
    tables = Tables(catalogue(), None, opinions(USERS), frame, "time", None)
    return prepare(tables, settings(encoder), quiet=True)


def rewritten(frame: pl.DataFrame, after: Any, *, new: bool) -> pl.DataFrame:
    """Return the events with everything ``after`` a time shuffled, column by column, and with ``new`` names in it."""
    rng = np.random.default_rng(5)
    later = np.flatnonzero((frame["timestamp"] > after).to_numpy())
    end = frame["timestamp"].max()
    times = {
        request: after + (end - after) * rng.random() for request in frame["request_id"].unique(maintain_order=True)
    }
    out = {}
    for name in frame.columns:
        at = np.arange(frame.height)
        if name != "request_id":
            at[later] = rng.permutation(later)
        out[name] = frame[name].gather(at)
    found = pl.DataFrame(out).with_columns(
        timestamp=pl.when(pl.Series(np.isin(np.arange(frame.height), later)))
        .then(pl.col("request_id").replace_strict(times, return_dtype=frame.schema["timestamp"]))
        .otherwise("timestamp"),
    )
    names = {"user_id": "a new user", "query": "red a new query", "country": "AA", "label": 3.0} if new else {}
    return with_values(found, later[::2], **names)


@pytest.mark.parametrize("new", [False, True], ids=["shuffled", "new names"])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.8])
def test_changing_the_future_changes_nothing_before_it(tiny_encoder: str, place: float, new: bool) -> None:
    """Up to a time among the ranker's rows, everything stays that is told of them, and every context of the space.

    Statistics are fitted on the rows before the ranker's, so for these alone they are the past. The rows before them
    are read by the space, which is told of histories and of no pair.
    """
    frame = log()
    before = prepared(tiny_encoder, frame)
    time = frame["timestamp"]
    after = time.gather(np.flatnonzero(before.own)).unique().sort().item(int(place * before.own.sum() / 3))
    now = prepared(tiny_encoder, rewritten(frame, after, new=new))
    np.testing.assert_array_equal(now.own, before.own)
    one, two = (item_tensors(phase.blind)._asdict() for phase in (now, before))
    assert_same(*({name: column.numpy() for name, column in part.items()} for part in (one, two)))
    past = (time <= after).to_numpy()
    for at in (np.flatnonzero(before.own & past), np.flatnonzero(past)):
        one, two = (found_contexts(phase, at, new=new) for phase in (now, before))
        assert_same(one, two)
    at = np.flatnonzero(before.own & past)
    assert len(at) >= 3
    told_of = [all_told(phase.blind, phase.seen, own_requests(phase.seen, at)) for phase in (now, before)]
    for one, two in zip(*told_of, strict=True):
        np.testing.assert_array_equal(one, two)
    known = [all_told(phase.features, phase.seen, own_requests(phase.seen, at)) for phase in (now, before)]
    assert not np.array_equal(known[0][0], known[1][0])  # what is served afterwards has seen it all


def found_contexts(phase: Prepared, at: Ints, *, new: bool) -> dict[str, NDArray[Any]]:
    """Return what the context tower reads of the rows; where there are ``new`` names, but for the rows of names."""
    rows, seen = own_requests(phase.seen, at), phase.seen
    contexts, _ = context_tensors(phase.blind, seen.past.history, rows, seen.table, seen.title_row)
    left_out = {"user", "country"} if new else set()
    return {name: column.numpy() for name, column in contexts._asdict().items() if name not in left_out}


def test_changing_the_past_is_seen_after_it(tiny_encoder: str) -> None:
    """The control: the comparison above can fail."""
    frame = log()
    before = prepared(tiny_encoder, frame)
    early = np.flatnonzero((frame["timestamp"] < frame["timestamp"].quantile(0.2)).to_numpy())
    now = prepared(tiny_encoder, with_values(frame, early, label=1.0, item_id="i3"))
    at = np.flatnonzero(before.own)
    told_of = [all_told(phase.blind, phase.seen, own_requests(phase.seen, at)) for phase in (now, before)]
    assert not any(np.array_equal(one, two) for one, two in zip(*told_of, strict=True) if one.size)


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
    frame = splits_world()
    fitted = []
    for table in (frame, permuted_test(frame, 0), frame.filter(pl.col("split") != Split.TEST)):
        fitted.append(fit(catalogue(), table.filter(pl.col("split") != Split.TEST), tiny_encoder, scores=opinions()))
    for features, rows in fitted[1:]:
        assert_same(features, fitted[0][0])
        assert_same(rows, fitted[0][1])
    with pytest.raises(AssertionError):  # the comparison can fail
        assert_same(
            fit(catalogue(), permuted_test(frame, 0), tiny_encoder)[0], fit(catalogue(), frame, tiny_encoder)[0]
        )
