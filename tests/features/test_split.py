from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.schema import SCHEMAS
from features.split import with_split
from features.tables import conform
from tests.features.table_world import timed_events

START = datetime(2024, 1, 1)


def _split(events: pl.DataFrame) -> list[str]:
    lazy = conform(events.lazy(), SCHEMAS["events"], "events")
    return with_split(lazy).collect()["split"].to_list()


def _days(*days: int) -> list[datetime]:
    return [START + timedelta(days=day) for day in days]


def test_the_last_tenth_is_test_and_the_tenth_before_it_valid() -> None:
    events = timed_events(_days(*range(20)))
    assert _split(events) == ["train"] * 16 + ["valid"] * 2 + ["test"] * 2


def test_time_decides_and_not_the_order_of_the_rows() -> None:
    events = timed_events(_days(9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
    assert _split(events) == ["test", "valid"] + ["train"] * 8


def test_equal_times_keep_the_order_of_the_rows() -> None:
    assert _split(timed_events(_days(*[3] * 10))) == ["train"] * 8 + ["valid", "test"]


def test_a_request_is_never_torn() -> None:
    days = _days(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    # The last three rows are one page; the page before it is valid as a whole.
    pages = [None, None, None, None, None, "a", "a", "b", "b", "b"]
    assert _split(timed_events(days, pages)) == ["train"] * 5 + ["valid"] * 2 + ["test"] * 3


def test_a_request_happens_at_its_earliest_row() -> None:
    # Rows 0 and 9 are one page, begun first of all.
    pages = ["a", None, None, None, None, None, None, None, None, "a"]
    days = _days(*range(10))
    assert _split(timed_events(days, pages)) == ["train"] * 7 + ["valid", "test", "train"]


def test_pages_of_the_same_time_that_interleave_stay_whole() -> None:
    pages = ["a", "b"] * 10
    assert _split(timed_events(_days(*[0] * 20), pages)) == ["valid", "test"] * 10


def test_a_split_that_is_there_is_obeyed() -> None:
    events = timed_events(_days(0, 1, 2)).with_columns(split=pl.Series(["test", "train", "valid"]))
    assert _split(events) == ["test", "train", "valid"]


def test_a_split_needs_no_times() -> None:
    events = timed_events([None, None]).with_columns(split=pl.Series(["train", "test"]))
    assert _split(events) == ["train", "test"]


def test_a_split_that_names_some_rows_only_is_an_error() -> None:
    events = timed_events(_days(0, 1, 2)).with_columns(split=pl.Series(["train", None, "dev"]))
    with pytest.raises(DataError, match=r"2 of 3 rows have a \"split\" that is not one of train, valid, test"):
        _split(events)


def test_without_split_and_time_the_error_says_what_to_add() -> None:
    with pytest.raises(DataError, match=r'neither a "split" nor a "timestamp".*Add a "split"'):
        _split(timed_events([None, None]))
    with pytest.raises(DataError, match=r'1 of 3 rows have no "timestamp"'):
        _split(timed_events([*_days(0, 1), None]))


def test_no_rows_stay_no_rows() -> None:
    assert _split(timed_events([])) == []


def test_columns_and_rows_stay_as_they_were() -> None:
    lazy = conform(timed_events(_days(3, 1, 2), items=3).lazy(), SCHEMAS["events"], "events")
    split = with_split(lazy)
    assert split.collect_schema().names() == lazy.collect_schema().names()
    assert split.collect()["item_id"].to_list() == ["i1", "i2", "i3"]


PAGES = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([None, "a", "b", "c", "d"])), min_size=3, max_size=60)


@given(PAGES)
def test_requests_are_whole_and_the_parts_follow_each_other(rows: list[tuple[int, str | None]]) -> None:
    events = timed_events(_days(*[day for day, _ in rows]), [page for _, page in rows])
    events = events.with_columns(split=pl.Series(_split(events.drop_nulls("timestamp"))))
    pages = events.filter(pl.col("request_id").is_not_null()).group_by("request_id")
    assert (
        pages.agg(pl.col("split").n_unique())["split"].to_list() == [1] * events["request_id"].drop_nulls().n_unique()
    )
    request = pl.coalesce("request_id", pl.int_range(pl.len()).cast(pl.String))
    begins = events.group_by(request, "split").agg(pl.col("timestamp").min())
    ends = begins.group_by("split").agg(first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
    spans = {split: (first, last) for split, first, last in ends.rows()}
    order = [spans[name] for name in ("train", "valid", "test") if name in spans]
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(order))
    assert (events["split"] == "test").sum() >= len(rows) / 10
