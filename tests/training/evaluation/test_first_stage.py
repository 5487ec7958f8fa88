from __future__ import annotations

import io
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from features.errors import DataError
from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol
from training.evaluation.table import print_evaluation

ITEMS = catalogue(*"abcd")
ROWS = events(
    {"item_id": "a", "user_id": "u", "request_id": "page"},
    {"item_id": "b", "user_id": "u", "request_id": "page"},
    {"item_id": "a", "user_id": "v"},
    {"item_id": "c", "user_id": "w"},
    {"item_id": "c", "user_id": "w", "task": "search", "query": "x"},
)
PROTOCOL = Protocol(k=(1, 10), resamples=100, block=2)


def ceilings(lists: dict[str, str]) -> dict[str, Any]:
    def candidates(requests: pl.DataFrame) -> pl.DataFrame:
        rows = [
            (request, item) for request, user in requests.select("request_id", "user_id").rows() for item in lists[user]
        ]
        return pl.DataFrame(rows, schema={"request_id": pl.String, "item_id": pl.String}, orient="row")

    contender = Contender("ours", serving(lambda request: "a"), candidates=candidates)
    tasks = judge([contender], judged(ITEMS, ROWS, PROTOCOL), PROTOCOL)["rankers"]["ours"]["tasks"]
    return {task: node["ceiling"] for task, node in tasks.items()}


def test_the_share_of_targets_among_the_candidates() -> None:
    found = ceilings({"u": "ac", "v": "dab", "w": ""})
    assert found["recommendation"]["candidates"] == pytest.approx((2 + 3 + 0) / 3)
    recall = found["recommendation"]["recall"]
    assert recall["value"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert recall["low"] <= recall["value"] <= recall["high"]
    assert found["search"] == {"candidates": 0.0, "recall": {"value": 0.0, "low": 0.0, "high": 0.0}}


def test_all_items_as_candidates_miss_nothing() -> None:
    found = ceilings(dict.fromkeys("uvw", "abcd"))
    assert found["recommendation"]["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["search"]["candidates"] == 4.0


def test_a_ranker_that_tells_no_candidates_has_no_ceiling() -> None:
    tasks = judge([Contender("ours", serving(lambda request: "a"))], judged(ITEMS, ROWS), PROTOCOL)["rankers"]["ours"]
    assert all("ceiling" not in node for node in tasks["tasks"].values())


def of_sources(lists: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return the ceilings of a contender whose candidates, by user and item, name the letters of their sources."""

    def candidates(requests: pl.DataFrame) -> pl.DataFrame:
        rows = [
            (request, item, list(sources))
            for request, user in requests.select("request_id", "user_id").rows()
            for item, sources in lists[user].items()
        ]
        schema = {"request_id": pl.String, "item_id": pl.String, "sources": pl.List(pl.String)}
        return pl.DataFrame(rows, schema=schema, orient="row")

    contender = Contender("ours", serving(lambda request: "a"), candidates=candidates)
    tasks = judge([contender], judged(ITEMS, ROWS, PROTOCOL), PROTOCOL)["rankers"]["ours"]["tasks"]
    return {task: node["ceiling"] for task, node in tasks.items()}


def test_each_source_tells_what_it_brings_and_what_is_lost_without_it() -> None:
    """Of the targets a and b of u, x brings a and y brings both; that of v is brought by x alone, that of w by none."""
    found = of_sources({"u": {"a": "xy", "b": "y", "d": "x"}, "v": {"a": "x"}, "w": {"a": "z"}})
    ceiling = found["recommendation"]
    assert ceiling["recall"]["value"] == pytest.approx((2 / 2 + 1 + 0) / 3)
    x, y, z = (ceiling["sources"][name] for name in "xyz")
    assert (x["candidates"], y["candidates"], z["candidates"]) == pytest.approx(((2 + 1) / 3, 2 / 3, 1 / 3))
    assert x["recall"]["value"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert y["recall"]["value"] == pytest.approx((2 / 2 + 0 + 0) / 3)
    assert x["lost_without"]["value"] == pytest.approx((0 + 1 + 0) / 3)
    assert y["lost_without"]["value"] == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert z["recall"] == z["lost_without"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    for source in (x, y):
        for entry in (source["recall"], source["lost_without"]):
            assert entry["low"] <= entry["value"] <= entry["high"]
    assert list(found["search"]["sources"]) == ["z"]


def test_sources_that_are_not_named_are_not_told() -> None:
    assert "sources" not in ceilings({"u": "ac", "v": "dab", "w": ""})["recommendation"]
    assert "sources" not in of_sources({"u": {"a": ""}, "v": {}, "w": {}})["recommendation"]


def test_sources_do_not_move_the_ceiling() -> None:
    named = of_sources({"u": {"a": "xy", "c": "y"}, "v": {"d": "x", "a": "y", "b": "x"}, "w": {}})["recommendation"]
    assert named.keys() == {"candidates", "recall", "sources"}
    del named["sources"]
    assert named == ceilings({"u": "ac", "v": "dab", "w": ""})["recommendation"]


@given(
    st.fixed_dictionaries(
        {user: st.dictionaries(st.sampled_from("abcd"), st.sets(st.sampled_from("xyz"), min_size=1)) for user in "uvw"}
    )
)
def test_no_source_finds_more_than_all_of_them(lists: dict[str, dict[str, set[str]]]) -> None:
    found = of_sources(
        {user: {item: "".join(sorted(of)) for item, of in items.items()} for user, items in lists.items()}
    )
    for ceiling in found.values():
        sources = ceiling.get("sources", {}).values()
        whole = ceiling["recall"]["value"]
        assert sum(source["lost_without"]["value"] for source in sources) <= whole + 1e-12
        for source in sources:
            assert source["lost_without"]["value"] <= source["recall"]["value"] <= whole + 1e-12


def test_the_table_tells_sources_by_task() -> None:
    found = of_sources({"u": {"a": "xy", "b": "y", "d": "x"}, "v": {"a": "x"}, "w": {"a": "z"}})
    ranker = {"tasks": {task: {"requests": 1, "metrics": {}, "ceiling": ceiling} for task, ceiling in found.items()}}
    text = io.StringIO()
    evaluation = {"rankers": {"ours": ranker | {"judgments": {"requests": 0}}}, "comparisons": []}
    print_evaluation(evaluation, Console(file=text, width=120))
    rows = [re.findall(r"[^\s│┃]+", line) for line in text.getvalue().splitlines()]
    assert ["source", "recommendation", "search"] in rows
    at = rows.index(["x", "0.500", "(0.333)", "–"])
    assert rows[at + 1 : at + 3] == [["y", "0.333", "(0.167)", "–"], ["z", "0.000", "(0.000)", "0.000", "(0.000)"]]


def test_a_candidate_twice_is_refused() -> None:
    with pytest.raises(DataError, match="ranker 'ours' lists a candidate twice"):
        ceilings({"u": "aa", "v": "a", "w": "a"})
