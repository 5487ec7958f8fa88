from __future__ import annotations

import math

import polars as pl
import pytest

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.bm25 import BM25

ITEMS = catalogue("a", "b", "c", title=["green chair", "lamp", None], text=[None, "a lamp of brass", None])
NOBODY = events({"item_id": "a"}).clear()
POPULAR = events(*[{"item_id": "c", "split": "train"}] * 3)


def fitted(rows: pl.DataFrame = NOBODY, items: pl.DataFrame = ITEMS, **settings: float) -> BM25:
    baseline = BM25(**settings)
    baseline.fit(World(items, rows, rows))
    return baseline


def scores(baseline: BM25, **columns: list[str | None]) -> list[list[float]]:
    size = len(next(iter(columns.values())))
    found: list[list[float]] = baseline.scores(asking(request_id=[str(n) for n in range(size)], **columns)).tolist()
    return found


def test_the_score_is_lucene_s() -> None:
    length = 5  # words of "lamp a lamp of brass"; there are 2 in a, none in c, so 7 / 3 on average
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    norm = 1.2 * (1 - 0.4 + 0.4 * length / (7 / 3))
    found = scores(fitted(k1=1.2, b=0.4), query=["lamp brass"])[0]
    assert found == pytest.approx([0, idf * 2 / (2 + norm) + idf * 1 / (1 + norm), 0])


def test_words_meet_by_their_stems_where_they_are_asked_to() -> None:
    assert scores(fitted(POPULAR), query=["Chairs"])[0][0] > 0
    assert scores(fitted(POPULAR, stemmed=False), query=["Chairs"]) == [[0, 0, 3]]  # popularity
    assert scores(fitted(POPULAR, stemmed=False), query=["CHAIR"])[0][0] > 0


def test_train_queries_are_part_of_a_document_as_often_as_they_were_asked() -> None:
    rows = events(
        {"item_id": "a", "query": "seat"},
        {"item_id": "b", "query": "seat"},
        {"item_id": "b", "query": "seat"},
        {"item_id": "b"},
    )
    once, twice, never = scores(fitted(rows, b=0.0), query=["seat"])[0]
    assert twice / once == pytest.approx((2 / (2 + 1.2)) / (1 / (1 + 1.2)))
    assert never == 0
    assert scores(fitted(rows, queries=False), query=["seat"]) == [[1, 3, 0]]  # popularity


def test_each_request_of_a_mixed_block_has_its_own_answer() -> None:
    baseline = fitted(POPULAR)
    chair, lamp, unknown, title, blank, nameless, nothing = scores(
        baseline,
        query=["chair", "lamp", "sofa", None, " ", None, None],
        source_item_id=[None, "a", "a", "b", "b", "c", None],
    )
    assert chair[0] > 0 and chair[1:] == [0, 0]
    assert lamp[1] > 0 and lamp[::2] == [0, 0]  # the query rules, not the source item
    assert title == blank == lamp
    assert unknown == nameless == nothing == [0, 0, 3]


def test_settings_on_queries_are_tried_only_where_there_are_some() -> None:
    with_queries = events({"item_id": "a", "query": "x"})
    assert len(BM25.choices(World(ITEMS, with_queries, with_queries))) == 8
    without = BM25.choices(World(ITEMS, POPULAR, POPULAR))
    assert len(without) == 4
    assert all("queries" not in settings for settings in without)


def test_words_of_other_alphabets_stay_as_they_are() -> None:
    items = catalogue("a", "b", title=["빨간 의자", "красный стул"])
    assert scores(fitted(items=items), query=["의자", "стул"])[0][0] > 0
    assert scores(fitted(items=items), query=["의자", "стул"])[1][1] > 0
