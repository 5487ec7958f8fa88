from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from features.errors import DataError
from features.schema import SCHEMAS
from features.split import with_split
from features.tables import conform, open_data
from serving.ranker import ANSWER, Ranker
from serving.requests import as_requests
from tests.training.worlds import GERMAN, REQUESTS, SILENT

ITEMS = 40


@pytest.fixture(scope="module")
def seen(fitted) -> dict[str, set[str]]:
    """What each user engaged with in train and valid, by the tables alone."""
    events = with_split(open_data(fitted.parent / "data").events).collect()
    liked = events.filter(pl.col("split") != "test", pl.col("label") > 0).drop_nulls("user_id")
    return {user: set(items) for user, items in liked.group_by("user_id").agg("item_id").iter_rows()}


def items_of(answer, request=None):
    return (answer if request is None else answer.filter(request_id=request))["item_id"].to_list()


def ask(ranker, top_k=100, exclude_seen=(), **request):
    return items_of(ranker.rank([{"task": "recommendation", **request}], top_k, exclude_seen))


def test_every_request_gets_its_items_best_first(ranker):
    answer = ranker.rank(REQUESTS, 5)
    assert answer.schema == ANSWER
    assert answer["request_id"].unique(maintain_order=True).to_list() == [row["request_id"] for row in REQUESTS]
    for (_,), rows in answer.group_by("request_id", maintain_order=True):
        assert rows["rank"].to_list() == [1, 2, 3, 4, 5]
        assert rows["score"].is_sorted(descending=True)
        assert rows["score"].is_finite().all()
        assert rows["item_id"].n_unique() == 5


def test_the_order_of_the_requests_changes_their_order_alone(ranker):
    forward, backward = ranker.rank(REQUESTS, 5), ranker.rank(REQUESTS[::-1], 5)
    assert backward["request_id"][0] == REQUESTS[-1]["request_id"]
    joined = forward.join(backward, on=["request_id", "rank"], validate="1:1", suffix="_backward")
    assert len(joined) == len(forward)
    assert joined["item_id"].equals(joined["item_id_backward"])
    assert joined["score"].to_list() == pytest.approx(joined["score_backward"].to_list(), rel=1e-5, abs=1e-5)


def test_frames_lazy_frames_and_dicts_are_answered_alike(ranker):
    frame = pl.DataFrame(REQUESTS, infer_schema_length=None)
    answer = ranker.rank(REQUESTS, 4)
    assert ranker.rank(frame, 4).equals(answer)
    assert ranker.rank(frame.lazy(), 4).equals(answer)


def test_no_request_is_no_answer(ranker):
    assert ranker.rank([]).schema == ANSWER
    assert ranker.score([]).columns == ["request_id", "task", "item_id", "score"]


@pytest.mark.parametrize("request_id", [row["request_id"] for row in REQUESTS])
def test_whatever_is_missing_or_new_more_than_the_catalogue_gives_all_that_may_be_shown(ranker, request_id):
    request = next(row for row in REQUESTS if row["request_id"] == request_id)
    expected = ITEMS - ("source_item_id" in request) - (request.get("country") in ("KR", "BR"))
    answer = ranker.rank([request], 1000, exclude_seen=())
    assert len(answer) == expected
    assert answer["rank"].to_list() == list(range(1, expected + 1))


def test_an_item_without_events_is_served(ranker):
    assert SILENT in ask(ranker)


def test_the_source_item_is_never_its_own_candidate(ranker):
    assert "i4" in ask(ranker, task="similar", source_item_id="i5")
    assert "i4" not in ask(ranker, task="similar", source_item_id="i4")
    assert "i4" not in ask(ranker, task="search", query="red", source_item_id="i4")


def test_an_unknown_source_item_is_as_none(ranker):
    assert ask(ranker, task="similar", source_item_id="no such item") == ask(ranker, task="similar")


def test_a_stated_country_filters(ranker):
    assert GERMAN in ask(ranker, country="DE")
    assert GERMAN not in ask(ranker, country="KR")
    assert GERMAN not in ask(ranker, country="a country that no table names")


def test_an_imputed_country_does_not_filter(ranker):
    home = {"u0": "DE", "u1": "KR"}
    for user, country in home.items():
        assert GERMAN in ask(ranker, user_id=user), country
    assert GERMAN not in ask(ranker, user_id="u1", country="KR")


def test_seen_items_are_left_out_of_all_tasks_but_search_by_default(ranker, seen):
    for task in ranker.tasks:
        answer = items_of(ranker.rank([{"task": task, "user_id": "u1"}], 100))
        assert set(answer).isdisjoint(seen["u1"]) == (task != "search")
        assert len(answer) == ITEMS - (0 if task == "search" else len(seen["u1"]))


def test_a_call_may_name_the_tasks_that_leave_out_seen_items(ranker, seen):
    assert seen["u1"] <= set(ask(ranker, user_id="u1"))
    assert seen["u1"].isdisjoint(ask(ranker, user_id="u1", task="search", exclude_seen=ranker.tasks))
    with pytest.raises(DataError, match="'levitation' is not a task of this run"):
        ask(ranker, exclude_seen=("levitation",))


def test_newer_events_can_be_known(ranker, seen):
    # The user has seen neither in the fitted events.
    fresh = sorted({"i1", "i3", "i5", "i9", "i11", "i13"} - seen["u2"])[:2]
    events = pl.DataFrame(
        {
            "item_id": fresh,
            "task": ["search", "recommendation"],
            "label": [1.0, 1.0],
            "user_id": ["u2", "u2"],
            "timestamp": [datetime(2025, 1, 1), datetime(2025, 1, 2)],
        }
    )
    later = ranker.knowing(conform(events.lazy(), SCHEMAS["events"], "events").collect())
    request = [{"task": "recommendation", "user_id": "u2"}]
    assert set(items_of(later.rank(request, 100))) == set(ranker.items["item_id"]) - set(fresh)
    assert later.score([{"task": "search", "user_id": "u2", "candidates": ["i8"]}])["score"][0] != pytest.approx(
        ranker.score([{"task": "search", "user_id": "u2", "candidates": ["i8"]}])["score"][0], abs=1e-6
    )


def test_named_candidates_are_answered_exactly(ranker, seen):
    """Also those that are seen, the source item, and those of another country: the caller has chosen them."""
    wanted = ["i4", GERMAN, *sorted(seen["u1"])[:2]]
    request = {"task": "similar", "user_id": "u1", "country": "KR", "source_item_id": "i4", "candidates": wanted}
    answer = ranker.rank([request], 10)
    assert sorted(items_of(answer)) == sorted(set(wanted))
    assert items_of(ranker.rank([request], 1)) == items_of(answer)[:1]


def test_requests_with_and_without_candidates_keep_their_order(ranker):
    requests = [
        {"request_id": "b", "task": "search", "query": "red"},
        {"request_id": "a", "task": "search", "query": "red", "candidates": ["i1", "i2", "i3"]},
        {"request_id": "c", "task": "search", "query": "red", "candidates": []},
        {"request_id": "d", "task": "recommendation"},
    ]
    answer = ranker.rank(requests, 2)
    assert answer.select("request_id", "rank").rows() == [("b", 1), ("b", 2), ("a", 1), ("a", 2), ("d", 1), ("d", 2)]


def test_a_ranked_item_has_the_score_of_the_same_named_candidate(ranker):
    answer = ranker.rank(REQUESTS, 6)
    named = answer.group_by("request_id", maintain_order=True).agg(pl.col("item_id").alias("candidates"))
    requests = pl.DataFrame(REQUESTS, infer_schema_length=None).join(named, on="request_id", maintain_order="left")
    scored = ranker.score(requests)
    assert scored.drop("score").equals(answer.drop("score", "rank"))
    assert scored["score"].to_list() == pytest.approx(answer["score"].to_list(), rel=1e-5, abs=1e-5)
    ranked = ranker.rank(requests, 6)
    assert ranked["item_id"].equals(answer["item_id"])


def test_scores_come_for_every_candidate_in_the_given_order(ranker):
    requests = [
        {"request_id": "x", "task": "search", "query": "blue", "candidates": ["i9", "i1", "i9"]},
        {"request_id": "y", "task": "recommendation", "candidates": []},
        {"request_id": "z", "task": "similar", "candidates": ["i2"]},
    ]
    answer = ranker.score(requests)
    assert answer.select("request_id", "item_id").rows() == [("x", "i9"), ("x", "i1"), ("x", "i9"), ("z", "i2")]
    assert answer["score"][0] == answer["score"][2]


def test_an_unknown_candidate_is_named(ranker):
    requests = [{"request_id": "r", "task": "search", "candidates": ["i1", "ghost", "i2", "phantom"]}]
    for call in (ranker.rank, ranker.score):
        with pytest.raises(
            DataError, match=r"2 candidates are not in the catalogue of the run, e\.g\. 'ghost' of request"
        ):
            call(requests)


def test_requests_to_score_name_candidates(ranker):
    with pytest.raises(DataError, match="name no candidates"):
        ranker.score([{"task": "search"}])


@pytest.mark.parametrize(
    ("requests", "top_k", "message"),
    [
        ([{"task": "levitation"}], 5, "unknown task 'levitation'"),
        ([{"task": None}], 5, "no task"),
        ([{"query": "red"}], 5, "task"),
        ([{"task": "search", "user_id": 7}], 5, "user_id 7 is int"),
        ([{"task": "search"}], 0, "top_k is 0"),
    ],
)
def test_a_wrong_request_is_one_line(ranker, requests, top_k, message):
    with pytest.raises(DataError, match=message) as error:
        ranker.rank(requests, top_k)
    assert "\n" not in str(error.value)


def test_a_run_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no such run folder"):
        Ranker.load(tmp_path / "nowhere")


def test_candidates_are_what_rank_puts_in_order(ranker):
    requests = [
        {"request_id": "a", "task": "search", "query": "red", "user_id": "u1"},
        {"request_id": "b", "task": "similar", "source_item_id": "i3"},
    ]
    listed = ranker.candidates(requests, 1000)
    ranked = ranker.rank(requests, 1000)
    for name in ("a", "b"):
        found = listed.filter(pl.col("request_id") == name)["item_id"]
        assert sorted(found) == sorted(ranked.filter(pl.col("request_id") == name)["item_id"])
    assert listed["request_id"].unique(maintain_order=True).to_list() == ["a", "b"]
    assert "i3" not in listed.filter(pl.col("request_id") == "b")["item_id"]
    assert ranker.candidates([], 5).schema == listed.schema
    assert listed.columns == ["request_id", "task", "item_id", "sources"]


def test_a_candidate_names_the_sources_that_brought_it(ranker):
    requests = [{"request_id": "a", "task": "search", "query": "red", "user_id": "u1"}]
    engine = ranker.engine
    ids = ["", *ranker.items["item_id"]]
    block = engine.prepare(ranker._read(as_requests(requests, ranker.tasks)), engine.excluded(ranker.exclude_seen))
    brought = {name: {ids[row] for row in rows[0] if row} for name, rows in engine.brought(block).items()}
    assert {"space", "query", "popularity"} <= brought.keys()
    listed = ranker.candidates(requests, 1)
    assert dict(listed.select("item_id", "sources").iter_rows()) == {
        item: [name for name, items in brought.items() if item in items] for item in set().union(*brought.values())
    }


def test_what_follows_the_candidates_is_of_no_other_source(ranker):
    requests = [
        {"request_id": "a", "task": "search", "query": "red", "user_id": "u1"},
        {"request_id": "b", "task": "recommendation"},
    ]
    few, many = ranker.candidates(requests, 1), ranker.candidates(requests, ITEMS)
    assert many.filter(pl.col("sources") != ["further"]).equals(few)
    assert not few["sources"].list.contains("further").any()
    assert (few["sources"].list.len() > 0).all()
    assert many.filter(request_id="b").height == ITEMS


def test_a_request_has_the_same_candidates_beside_others_and_alone(ranker):
    together = ranker.candidates(REQUESTS, 30)
    for request in REQUESTS:
        alone = ranker.candidates([request], 30)
        assert alone.sort("item_id").equals(together.filter(request_id=request["request_id"]).sort("item_id"))
