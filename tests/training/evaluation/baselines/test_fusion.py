from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.bm25 import BM25
from training.evaluation.baselines.fusion import Fusion, ranks
from training.evaluation.baselines.tfidf import CharacterTfidf
from training.evaluation.baselines.vectors import Vectors

TITLES = ["red chair", "blue chair", "piano lamp", "rock jazz", "red chairs and a lamp"]
DOCUMENTS = ["red chair", "blue chair", "piano lamp music", "rock jazz", "red chairs and a lamp"]
ITEMS = catalogue(*"abcde", title=TITLES)
ROWS = events(*[{"item_id": "d", "split": "train"}] * 2, {"item_id": "c", "split": "train", "query": "music"})
REQUESTS = asking(
    request_id=list("123456"),
    query=["red chair", None, None, "jaz", None, " "],
    source_item_id=[None, "c", None, "a", "ghost", None],
    user_id=[None, None, "u", None, None, "u"],
)


def fitted(model: str, **settings: float) -> Fusion:
    baseline = Fusion(model=model, **settings)
    baseline.fit(World(ITEMS, ROWS, ROWS))
    return baseline


def rank(score: list[float], item: int) -> int:
    return 1 + sum(other > score[item] for other in score)


def test_equal_scores_share_the_best_of_their_ranks() -> None:
    assert ranks(np.array([[3, 1, 3, 0, 1], [0, 0, 0, 0, 0]], dtype=np.float32)).tolist() == [
        [1, 3, 1, 5, 3],
        [1, 1, 1, 1, 1],
    ]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.randoms())
def test_a_rank_counts_the_larger_scores_whatever_their_order(values: list[int], random: np.random.Generator) -> None:
    places = list(range(len(values)))
    random.shuffle(places)
    score = np.array([values, [values[place] for place in places]], dtype=np.float32)
    found = ranks(score)
    assert found[0].tolist() == [rank([float(value) for value in values], item) for item in range(len(values))]
    assert found[1].tolist() == [found[0][place] for place in places]


@pytest.mark.parametrize(("k", "lexical"), [(60, 1.0), (10, 2.0)])
def test_a_score_is_the_sum_of_weights_over_k_plus_rank(tiny_encoder: str, k: int, lexical: float) -> None:
    found = fitted(tiny_encoder, k=k, lexical=lexical).scores(REQUESTS)
    world = World(ITEMS, ROWS, ROWS)
    bm25, vectors = BM25(), Vectors(model=tiny_encoder)
    bm25.fit(world)
    vectors.fit(world)
    for row, text in ((0, "red chair"), (1, "piano lamp")):
        words = bm25.matches([text])[0].tolist()
        grams = CharacterTfidf(DOCUMENTS).matches([text])[0].tolist()
        cosine = vectors.cosines(REQUESTS[row : row + 1])[0].round(5).tolist()
        for item in range(5):
            wanted = lexical / (k + rank(words, item)) + 1 / (k + rank(grams, item)) + 1 / (k + rank(cosine, item))
            assert found[row, item] == pytest.approx(wanted, rel=1e-5)


def test_a_ranking_that_finds_nothing_has_no_say(tiny_encoder: str) -> None:
    found = fitted(tiny_encoder).scores(REQUESTS)
    grams = CharacterTfidf(DOCUMENTS).matches(["jaz"])[0].tolist()  # no item has the word
    vectors = Vectors(model=tiny_encoder)
    vectors.fit(World(ITEMS, ROWS, ROWS))
    cosine = vectors.cosines(REQUESTS[3:4])[0].round(5).tolist()
    wanted = [1 / (60 + rank(grams, item)) + 1 / (60 + rank(cosine, item)) for item in range(5)]
    assert found[3].tolist() == pytest.approx(wanted, rel=1e-5)


def test_popularity_is_served_without_a_query_and_without_a_source_item(tiny_encoder: str) -> None:
    found = fitted(tiny_encoder).scores(REQUESTS)
    assert found[[2, 4, 5]].tolist() == [[0, 0, 1, 2, 0]] * 3


def test_settings_on_queries_are_tried_only_where_there_are_some() -> None:
    silent = ROWS.with_columns(pl.lit(None, dtype=pl.String).alias("query"))
    assert len(Fusion.choices(World(ITEMS, ROWS, ROWS))) == 4
    assert len(Fusion.choices(World(ITEMS, silent, silent))) == 2
