from __future__ import annotations

import numpy as np

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.texts import Names, documents, item_texts, spread

ITEMS = catalogue(
    "a", "b", "c", "d", title=["Red chair", " ", None, "Red chair"], text=["Solid oak", "A lamp", None, None]
)


def test_a_request_asks_with_its_query_else_with_the_title_of_its_source_item() -> None:
    requests = asking(
        request_id=list("1234567"),
        query=["sofa", None, " ", None, "sofa", None, None],
        source_item_id=["a", "a", "b", "c", None, "ghost", None],
    )
    asked = Names(ITEMS).asked(requests)
    assert asked.texts == ["sofa", "Red chair", "A lamp"]
    assert asked.place.tolist() == [0, 1, 2, -1, 0, -1, -1]
    assert asked.requests.select("query", "source_item_id", "user_id").rows() == [
        ("sofa", None, None),
        (None, "a", None),
        (None, "b", None),
    ]


def test_source_items_of_one_title_ask_apart() -> None:
    asked = Names(ITEMS).asked(asking(request_id=["1", "2"], source_item_id=["a", "d"]))
    assert (asked.texts, asked.place.tolist()) == (["Red chair", "Red chair"], [0, 1])


def test_nothing_asked_and_an_empty_catalogue() -> None:
    assert Names(ITEMS).asked(asking(request_id=[])).place.tolist() == []
    asked = Names(catalogue()).asked(asking(request_id=["1", "2"], query=["x", None], source_item_id=[None, "a"]))
    assert (asked.texts, asked.place.tolist()) == (["x"], [0, -1])


def test_title_and_text_are_joined_without_stray_blanks() -> None:
    assert item_texts(ITEMS) == ["Red chair Solid oak", "A lamp", "", "Red chair"]


def test_a_document_holds_the_train_queries_of_the_item_between_title_and_text() -> None:
    rows = events(
        {"item_id": "a", "query": "seat"},
        {"item_id": "a", "query": "oak"},
        {"item_id": "a", "query": "seat"},
        {"item_id": "c"},
    )
    world = World(ITEMS, rows, rows)
    assert documents(world, queries=True)[::2] == ["Red chair seat oak seat Solid oak", ""]
    assert documents(world, queries=False)[::2] == ["Red chair Solid oak", ""]


def test_scores_are_spread_and_what_says_nothing_is_popularity() -> None:
    found = np.array([[0.5, 0, 0], [0, 0, 0]], dtype=np.float32)
    popularity = np.array([3, 2, 1], dtype=np.float32)
    out = spread(found, np.array([0, -1, 1, 0]), popularity)
    assert out.tolist() == [[0.5, 0, 0], [3, 2, 1], [3, 2, 1], [0.5, 0, 0]]
    assert spread(found[:0], np.array([-1]), popularity).tolist() == [[3, 2, 1]]
