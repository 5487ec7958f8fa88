from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.events import EventRows, Past, build_past, encode_events, is_ordered, request_rows
from features.known import Vocabularies
from features.queries import query_forms
from features.vocabulary import Vocabulary
from tests.features.feature_world import TASKS, events, items

CATALOGUE = items("i1", "i2", "i3", "i4")  # rows 1 to 4


def day(*days: int | None) -> list[datetime | None]:
    return [None if number is None else datetime(2024, 1, number) for number in days]


def encode(frame: pl.DataFrame) -> tuple[EventRows, Past, Vocabularies]:
    forms = query_forms(frame.lazy())
    known = Vocabularies.fit(CATALOGUE, None, frame.lazy(), forms)
    texts = Vocabulary.fit(forms.get_column("form"), first=1)
    ids = Vocabulary.fit(CATALOGUE.get_column("item_id"), first=1)
    rows = encode_events(frame.lazy(), TASKS, ids, known, texts, forms)
    return rows, build_past(rows, known.users.size, known.queries.size, ordered=is_ordered(frame)), known


def seen(frame: pl.DataFrame, length: int = 6) -> list[list[int]]:
    """What each row may know of its user: item rows, newest first."""
    rows, past, _ = encode(frame)
    requests = request_rows(rows, past)
    found = past.history.window(requests.owner, requests.end, length, requests.hide)
    return [[int(item) for item in row if item] for row in found]


def test_columns_by_hand() -> None:
    frame = events(
        item_id=["i2", "i1", "gone"],
        task=["search", "similar", "recommendation"],
        label=[1.0, 0.0, 2.0],
        user_id=["b", None, "a"],
        query=["  Red  Chair", None, "!"],
        country=["KR", None, "DE"],
        source_item_id=[None, "i4", "gone"],
        timestamp=day(2, None, 3),
        request_id=["r", None, "r"],
        weight=[1.0, None, 0.5],
    )
    rows, _, known = encode(frame)
    np.testing.assert_array_equal(rows.task, [0, 2, 1])
    np.testing.assert_array_equal(rows.user, [3, 0, 2])
    np.testing.assert_array_equal(rows.country, [3, 0, 2])
    np.testing.assert_array_equal(known.queries.values, ["!", "red chair"])
    np.testing.assert_array_equal(rows.query, [3, 0, 2])
    np.testing.assert_array_equal(rows.text, [2, 0, 1])
    np.testing.assert_array_equal(rows.item, [2, 1, 0])
    np.testing.assert_array_equal(rows.source, [0, 4, 0])
    np.testing.assert_array_equal(rows.weight, [1, 1, 0.5])
    np.testing.assert_array_equal(rows.engaged, [True, False, False])  # nothing is learned of an item that is gone
    np.testing.assert_allclose(rows.time, [19724, np.nan, 19725])  # days since 1970
    assert rows.request[0] == rows.request[2] != rows.request[1]
    np.testing.assert_array_equal(rows.take(np.array([True, False, True])).item, [2, 0])


@pytest.mark.parametrize(
    ("columns", "ranks"),
    [
        ({}, [0, 1, 2, 3]),
        ({"timestamp": day(4, 3, 3, 1)}, [3, 1, 2, 0]),  # ties keep the order of the rows
        ({"order": [2, 2, 1, 0], "timestamp": day(1, 2, 3, 4)}, [2, 3, 1, 0]),  # order, then rows, and never time
        ({"order": [2, None, 1, None], "timestamp": day(1, 3, 2, 2)}, [3, 1, 2, 0]),  # time where order has holes
        ({"order": [None, None, 1, None], "timestamp": day(3, None, 1, 2)}, [2, 0, 3, 1]),
        ({"timestamp": day(2, None, 1, None)}, [3, 0, 2, 1]),  # no time is before any
    ],
)
def test_the_order_of_events(columns: dict[str, Any], ranks: list[int]) -> None:
    rows, _, _ = encode(events(item_id=["i1"] * 4, **columns))
    np.testing.assert_array_equal(rows.rank, ranks)


@pytest.mark.parametrize(
    ("columns", "ordered"),
    [({}, False), ({"timestamp": day(None, 1)}, True), ({"order": [None, 3]}, True), ({"order": [None, None]}, False)],
)
def test_an_order_needs_an_order_or_a_time(columns: dict[str, Any], ordered: bool) -> None:
    types = {"timestamp": pl.Datetime("us"), "order": pl.Int64}
    typed = {name: pl.Series(values, dtype=types[name]) for name, values in columns.items()}
    assert is_ordered(events(item_id=["i1"] * 2, **typed)) is ordered


def test_a_row_knows_what_was_engaged_with_before_it() -> None:
    frame = events(
        item_id=["i3", "i1", "i2", "i4", "i1"],
        user_id=["a", "a", "a", "b", None],
        label=[1.0, 1.0, 0.0, 1.0, 1.0],
        timestamp=day(3, 1, 2, 9, 9),
    )
    assert seen(frame) == [[1], [], [1], [], []]  # day 2 was no engagement; b and nobody know nothing


def test_rows_of_one_request_know_what_its_first_row_knows() -> None:
    frame = events(
        item_id=["i1", "i2", "i3", "i4"],
        user_id=["a"] * 4,
        timestamp=day(1, 2, 4, 3),
        request_id=[None, "page", "page", None],
    )
    assert seen(frame) == [[], [1], [1], [2, 1]]


def test_rows_of_one_request_may_belong_to_several_users() -> None:
    frame = events(
        item_id=["i1", "i2", "i3", "i4"],
        user_id=["a", "b", "a", "b"],
        timestamp=day(1, 2, 3, 4),
        request_id=["page", None, "page", "page"],
    )
    assert seen(frame) == [[], [], [], [2]]


def test_without_order_a_row_knows_all_but_the_items_of_its_request() -> None:
    frame = events(
        item_id=["i1", "i2", "i3", "i4", "i1", "i2"],
        user_id=["a", "a", "a", "a", "b", "a"],
        label=[1.0, 1.0, 1.0, 0.0, 1.0, 0.0],
        request_id=[None, "page", "page", None, None, "other"],
    )
    found = [set(row) for row in seen(frame)]
    # Row 4 is no engagement: nothing of the past is its item. The last row's own item is hidden, engaged with or not.
    assert found == [{2, 3}, {1}, {1}, {1, 2, 3}, set(), {1, 3}]


def test_a_page_hides_what_was_shown_as_well_as_what_was_engaged_with() -> None:
    frame = events(
        item_id=["i1", "i2", "i1"],
        user_id=["a"] * 3,
        label=[0.0, 1.0, 1.0],
        request_id=["page", "page", None],
    )
    # Were i1 hidden only where the page engaged with it, its presence would say that the page did not.
    assert [set(row) for row in seen(frame)] == [set(), set(), {2}]


def test_what_a_user_engaged_with_for_a_query() -> None:
    frame = events(
        item_id=["i1", "i2", "i3", "i4"],
        user_id=["a", "a", "a", "b"],
        query=["red", "blue", "RED ", "red"],
        timestamp=day(1, 2, 3, 4),
    )
    _, past, known = encode(frame)
    np.testing.assert_array_equal(known.queries.values, ["blue", "red"])  # rows 2 and 3 of four
    np.testing.assert_array_equal(past.query_keys, [2 * 4 + 2, 2 * 4 + 3, 3 * 4 + 3])
    np.testing.assert_array_equal(past.query_history.start, [0, 0, 0, 1, 3, 4])
    np.testing.assert_array_equal(past.query_history.item, [2, 1, 3, 4])
    np.testing.assert_array_equal(past.query_end, [1, 0, 2, 3])  # of "red", a has seen i1 before i3
    np.testing.assert_array_equal(past.end, [0, 1, 2, 3])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_tables_that_are_read_in_batches_are_those_that_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Pages and runs of equal values reach over the ends of batches, and parts of a table come in their order."""
    frame = events(
        item_id=["i1", "i2", "i2", "i3", "gone", "i4", "i1", "i1"],
        task=["search", "search", "similar", "search", "search", "search", "recommendation", "search"],
        user_id=["a", "a", "a", None, None, "b", "a", "b"],
        query=["red", "red", None, "RED", "blue", "blue", None, "red"],
        country=[None, None, "DE", "DE", "DE", None, "KR", "KR"],
        source_item_id=[None, "i4", "i4", None, "i1", None, None, None],
        request_id=["p", "p", "p", None, None, "q", "p", "q"],
        order=[3, 3, None, 1, 2, 2, 9, None],
        timestamp=day(5, None, 4, 3, 3, 2, 1, 1),
    )
    whole, past, _ = encode(frame)
    monkeypatch.setattr("features.events._BATCH", size)
    for parts in (frame, pl.concat([frame.head(3), frame.slice(3, 4), frame.tail(1)], rechunk=False)):
        rows, other, _ = encode(parts)
        for name, column in rows._asdict().items():
            np.testing.assert_array_equal(column, getattr(whole, name), err_msg=name)
            assert column.dtype == getattr(whole, name).dtype
        np.testing.assert_array_equal(other.end, past.end)


def test_requests_are_told_apart() -> None:
    rows, _, _ = encode(events(item_id=["i1"] * 6, request_id=["b", None, "a", "b", None, "a"]))
    assert [rows.request[0], rows.request[2]] == [rows.request[3], rows.request[5]]
    assert sorted(set(rows.request)) == [0, 1, 2, 3]


def test_no_events() -> None:
    frame = events(item_id=pl.Series([], dtype=pl.String), task=[], label=pl.Series([], dtype=pl.Float32))
    rows, past, _ = encode(frame)
    assert len(rows.item) == len(past.end) == len(request_rows(rows, past).owner) == 0


USERS, QUERIES, REQUESTS = ["a", "b", None], ["red", None], ["p", "q", None]
ROW = st.tuples(
    st.sampled_from(["i1", "i2", "i3", "i4"]),
    st.sampled_from(USERS),
    st.sampled_from(QUERIES),
    st.sampled_from(REQUESTS),
    st.sampled_from([0.0, 1.0]),
    st.integers(1, 9),
)


def frame_of(rows: list[tuple[Any, ...]], *, ordered: bool) -> pl.DataFrame:
    item, user, query, request, label, time = zip(*rows, strict=True)
    text = {"user_id": user, "query": query, "request_id": request}
    columns = {name: pl.Series(values, dtype=pl.String) for name, values in text.items()}
    columns["timestamp"] = pl.Series(day(*(time if ordered else [None] * len(time))), dtype=pl.Datetime("us"))
    return events(item_id=list(item), label=list(label), **columns)


def slow_view(rows: list[tuple[Any, ...]]) -> list[list[int]]:
    """What each row may know, row by row: engagements of its user that come before every row of its request."""
    order = sorted(range(len(rows)), key=lambda at: rows[at][5])
    place = {at: number for number, at in enumerate(order)}
    known = []
    for at, (_, user, _, request, _, _) in enumerate(rows):
        of_page = [o for o in range(len(rows)) if request is not None and rows[o][3] == request and rows[o][1] == user]
        first = min(place[o] for o in [at, *of_page])
        before = [o for o in order if place[o] < first and rows[o][1] == user and rows[o][4] > 0]
        known.append([int(rows[o][0][1]) for o in reversed(before)] if user else [])
    return known


@given(st.lists(ROW, min_size=1, max_size=12))
def test_ordered_histories_are_those_of_a_slow_reader(rows: list[tuple[Any, ...]]) -> None:
    assert seen(frame_of(rows, ordered=True), 12) == slow_view(rows)


@settings(max_examples=50)  # each of three tables
@given(st.lists(ROW, min_size=1, max_size=10), st.lists(ROW, min_size=1, max_size=5))
def test_the_future_changes_no_past(rows: list[tuple[Any, ...]], future: list[tuple[Any, ...]]) -> None:
    later = [(*row[:3], None, row[4], row[5] + 20) for row in future]
    changed = [(*row[:3], None, 1 - row[4], row[5] + 10) for row in future]
    alone = seen(frame_of(rows, ordered=True), 20)
    for tail in (later, changed):
        assert seen(frame_of(rows + tail, ordered=True), 20)[: len(rows)] == alone


@settings(max_examples=30)  # each of a dozen tables
@given(st.lists(ROW, min_size=1, max_size=12), st.booleans())
def test_no_row_sees_its_own_label_or_those_of_its_request(rows: list[tuple[Any, ...]], ordered: bool) -> None:
    """Turning the labels of a row's request around leaves what the row may know as it was."""
    before = seen(frame_of(rows, ordered=ordered), 30)
    for at, (_, user, _, request, _, _) in enumerate(rows):
        page = [o == at or (request is not None and rows[o][3] == request) for o in range(len(rows))]
        turned = [(*row[:4], 1 - row[4] if own else row[4], row[5]) for row, own in zip(rows, page, strict=True)]
        after = seen(frame_of(turned, ordered=ordered), 30)[at]
        if user is not None:
            assert sorted(after) == sorted(before[at])


def arrays_of(frame: pl.DataFrame) -> list[NDArray[Any]]:
    _, past, _ = encode(frame)
    return [past.history.start, past.history.item, past.query_history.start, past.query_history.item, past.query_keys]


@settings(max_examples=50)
@given(st.lists(ROW, min_size=1, max_size=12), st.integers(0, 99))
def test_without_order_the_histories_do_not_depend_on_the_order_of_rows(rows: list[Any], seed: int) -> None:
    shuffled = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))]
    for one, two in zip(
        arrays_of(frame_of(rows, ordered=False)), arrays_of(frame_of(shuffled, ordered=False)), strict=True
    ):
        np.testing.assert_array_equal(one, two)
