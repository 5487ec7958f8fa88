import polars as pl
import pytest

from features.errors import DataError
from serving.requests import SCHEMA, as_requests, check_top_k

TASKS = ("search", "similar")


def test_missing_columns_become_nulls_and_ids_are_made_up():
    frame = as_requests([{"task": "search", "query": "red"}, {"task": "similar", "source_item_id": "i1"}], TASKS)
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame["request_id"].to_list() == ["0", "1"]
    assert frame["query"].to_list() == ["red", None]
    assert frame["candidates"].to_list() == [None, None]


@pytest.mark.parametrize("kind", ["dicts", "frame", "lazy"])
def test_every_kind_of_requests_gives_the_same_frame(kind):
    rows = [
        {"request_id": "b", "task": "search", "user_id": "u", "candidates": ["i2", "i1", "i2"], "colour": "red"},
        {"request_id": "a", "task": "similar", "user_id": None, "candidates": None, "colour": "blue"},
    ]
    given = {"dicts": rows, "frame": pl.DataFrame(rows), "lazy": pl.LazyFrame(rows)}[kind]
    frame = as_requests(given, TASKS)
    assert frame.rows() == [
        ("b", "search", "u", None, None, None, ["i2", "i1"]),
        ("a", "similar", None, None, None, None, None),
    ]


def test_a_lazy_frame_keeps_the_order_of_its_rows():
    ids = [str(n) for n in range(50_000)]
    frame = as_requests(pl.LazyFrame({"request_id": ids, "task": "search"}), TASKS)
    assert frame["request_id"].to_list() == ids


def test_blank_context_counts_as_missing():
    blank = {"user_id": "", "query": " \t", "country": "", "source_item_id": " "}
    (row,) = as_requests([{"task": "search", **blank}], TASKS).rows(named=True)
    assert {row[name] for name in blank} == {None}


def test_text_is_left_as_it_is():
    assert as_requests([{"task": "search", "query": " Red  Chair "}], TASKS)["query"].item() == " Red  Chair "


def test_categories_are_strings():
    frame = pl.DataFrame({"task": pl.Series(["search"], dtype=pl.Categorical)})
    assert as_requests(frame, TASKS)["task"].to_list() == ["search"]


def test_no_requests_make_an_empty_frame():
    assert as_requests([], TASKS).schema == pl.Schema(SCHEMA)
    assert as_requests(pl.DataFrame(schema={"task": pl.String}), TASKS).height == 0


def test_candidates_to_score_keep_their_order_and_repeats():
    frame = as_requests([{"task": "search", "candidates": ["i2", "i1", "i2"]}], TASKS, need_candidates=True)
    assert frame["candidates"].to_list() == [["i2", "i1", "i2"]]


def test_an_empty_list_of_candidates_is_not_the_whole_catalogue():
    assert as_requests([{"task": "search", "candidates": []}], TASKS)["candidates"].to_list() == [[]]


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([{"query": "red"}], "1 rows have no task. This run knows search, similar"),
        (pl.DataFrame({"query": ["red"]}), "there is no column task"),
        ([{"task": "levitation"}, {"task": "search"}], "1 rows have the unknown task 'levitation'"),
        ([{"task": "search", "user_id": 7}], "user_id 7 is int, it must be strings"),
        ([{"task": "search", "candidates": "i1"}], "candidates 'i1' is str, it must be a list of strings"),
        ([{"task": "search", "candidates": [1]}], "candidates .1. is list, it must be a list of strings"),
        ([{"task": "search", "candidates": ["i1", None]}], "request '0' names a null among its candidates"),
        (pl.DataFrame({"task": ["search"], "user_id": [7]}), "column user_id is Int64, it must be strings"),
        (pl.DataFrame({"task": ["search"], "candidates": [[7]]}), "must be a list of strings"),
        ([{"task": "search", "request_id": "a"}] * 2, "request_id 'a' is given more than once"),
        ([{"task": "search", "request_id": "a"}, {"task": "search"}], "1 of 2 rows have no request_id"),
        (["search"], "entry 0 is str, it must be a dict"),
    ],
)
def test_what_is_wrong_is_named(requests, message):
    with pytest.raises(DataError, match=message):
        as_requests(requests, TASKS)


def test_scoring_needs_candidates():
    with pytest.raises(DataError, match=r"1 of 2 requests name no candidates to score, e.g. '1'"):
        as_requests([{"task": "search", "candidates": ["i1"]}, {"task": "search"}], TASKS, need_candidates=True)


@pytest.mark.parametrize("top_k", [0, -1, 2.0, True, "3", None])
def test_top_k_is_a_whole_number_from_one(top_k):
    with pytest.raises(DataError, match="top_k is"):
        check_top_k(top_k)
    assert check_top_k(1) == 1
