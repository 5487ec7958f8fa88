from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import EventRows
from training.holdout import manner_of, ranker_rows


def events(*rows):
    """Return (day, split) rows; a day of None has no timestamp."""
    return pl.DataFrame(
        {
            "timestamp": [None if day is None else datetime(2024, 1, 1) + timedelta(days=day) for day, _ in rows],
            "split": [split for _, split in rows],
            "user_id": [f"u{n}" for n in range(len(rows))],
            "item_id": "i1",
            "label": 1.0,
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC"), "split": pl.String},
    )


LATER = [*((day, "train") for day in range(8)), (8, "valid"), (9, "valid")]
ENDS = [(day, split) for user in range(5) for day, split in ((user, "train"), (user + 1, "train"), (user + 2, "valid"))]


@pytest.mark.parametrize(
    ("rows", "ordered", "manner"),
    [
        (LATER, True, "time"),
        (ENDS, True, "sequence"),
        (LATER, False, "pairs"),
        ([*LATER, (None, "train")], True, "sequence"),
        ([(0, "train"), (1, "train")], True, "time"),  # no valid rows
    ],
)
def test_the_manner_is_how_valid_lies_beside_train(rows, ordered, manner):
    assert manner_of(events(*rows), ordered=ordered) == manner


def test_without_an_order_it_matters_whether_users_come_back_to_an_item():
    table = events(*LATER)
    again = table.with_columns(user_id=pl.lit("u1"))
    assert manner_of(table, ordered=False) == "pairs"
    assert manner_of(again, ordered=False) == "rows"
    assert manner_of(again.with_columns(label=0.0), ordered=False) == "pairs"
    assert manner_of(again.with_columns(user_id=None), ordered=False) == "pairs"


def test_by_rows_whole_requests_are_the_rankers():
    mask = ranker_rows(rows([2] * 40, item=[1] * 40, request=[n // 2 for n in range(40)]), "rows", 0.25, 0)
    assert mask[::2].tolist() == mask[1::2].tolist()
    assert 0 < mask.sum() < 20


def test_a_request_that_reaches_into_valid_does_not_hide_that_valid_is_later():
    many = [*((day / 100, "train") for day in range(200)), *((2 + day / 100, "valid") for day in range(200))]
    assert manner_of(events(*many, (2.005, "train")), ordered=True) == "time"


def rows(user, *, item=None, time=None, request=None, label=None) -> EventRows:
    count = len(user)
    columns = {name: np.zeros(count, dtype=np.int64) for name in EventRows._fields}
    columns |= {
        "user": np.array(user),
        "item": np.arange(1, count + 1) if item is None else np.array(item),
        "time": np.arange(count, dtype=np.float64) if time is None else np.array(time, dtype=np.float64),
        "request": np.arange(count) if request is None else np.array(request),
        "label": np.ones(count, dtype=np.float32) if label is None else np.array(label, dtype=np.float32),
        "weight": np.ones(count, dtype=np.float32),
        "rank": np.arange(count),
    }
    return EventRows(**columns)


def chosen(table, manner, share=0.25, seed=0):
    return np.flatnonzero(ranker_rows(table, manner, share, seed)).tolist()


def test_by_time_the_latest_rows_are_the_rankers():
    assert chosen(rows([2] * 8), "time") == [6, 7]
    assert chosen(rows([2] * 8, time=[8, 7, 6, 5, 4, 3, 2, 1]), "time") == [0, 1]


def test_whole_requests_stay_together():
    assert chosen(rows([2] * 8, request=[0, 1, 2, 3, 4, 5, 5, 6]), "time") == [5, 6, 7]
    assert chosen(rows([2, 2, 2, 2, 3, 3], request=[0, 1, 2, 3, 4, 4]), "sequence") == [3, 4, 5]


def test_by_sequence_the_end_of_each_user_is_the_rankers():
    # Eight rows of user 2: the last two. Two rows of user 3: the last. One row of user 4: none.
    table = rows([2, 3, 2, 2, 2, 4, 2, 2, 2, 3, 2])
    assert chosen(table, "sequence") == [8, 9, 10]


def test_by_sequence_rows_without_a_user_are_chosen_by_chance():
    table = rows([0] * 400 + [2] * 4)
    found = np.array(chosen(table, "sequence"))
    assert 60 <= (found < 400).sum() <= 140
    assert found[found >= 400].tolist() == [403]


def test_as_a_set_all_rows_of_a_user_and_an_item_go_together():
    table = rows([2, 2, 3, 3] * 50, item=[*range(1, 101), *range(1, 101)])
    mask = ranker_rows(table, "pairs", 0.25, 0)
    assert 30 <= mask.sum() <= 70
    pairs = list(zip(table.user, table.item, strict=True))
    for pair in set(pairs):
        assert len({bool(mask[place]) for place, other in enumerate(pairs) if other == pair}) == 1


def test_the_same_seed_chooses_the_same_rows():
    table = rows([2] * 100)
    assert chosen(table, "pairs", seed=1) == chosen(table, "pairs", seed=1) != chosen(table, "pairs", seed=2)


def test_users_of_a_single_row_leave_some_to_the_ranker_all_the_same():
    """Their sequences have no end to set aside."""
    assert 0 < len(chosen(rows(list(range(2, 42))), "sequence")) < 40


def test_two_engaged_requests_are_one_for_each_stage():
    for manner in ("time", "sequence", "pairs", "rows"):
        assert chosen(rows([2, 2]), manner, share=0.01) == [1]


def test_a_single_engaged_request_is_set_aside_for_nobody():
    assert chosen(rows([2, 2], request=[0, 0]), "time") == []
    assert chosen(rows([2, 2], label=[1, 0]), "time") == []
    assert chosen(rows([]), "pairs") == []


@given(data=st.data())
def test_both_sides_have_engagements_wherever_there_are_two_requests_of_them(data):
    count = data.draw(st.integers(2, 12))
    draw = lambda values: data.draw(st.lists(values, min_size=count, max_size=count))  # noqa: E731
    table = rows(draw(st.integers(0, 4)), request=draw(st.integers(0, 5)), label=draw(st.integers(0, 1)))
    table = table._replace(request=np.unique(table.request, return_inverse=True)[1])
    mask = ranker_rows(table, data.draw(st.sampled_from(["time", "sequence", "pairs", "rows"])), 0.25, 0)
    for request in set(table.request):
        assert len(set(mask[table.request == request])) == 1
    if len(set(table.request[table.engaged])) >= 2:
        assert table.engaged[mask].any()
        assert table.engaged[~mask].any()
    else:
        assert not mask.any()
