"""One suite that every baseline passes, and what each is known to answer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from features.errors import DataError
from serving.order import tie_ranks, top_k
from tests.training.evaluation.small_world import ALL, catalogue, events, judged
from training.evaluation.baselines.base import World
from training.evaluation.baselines.driver import BaselineRanker, select
from training.evaluation.baselines.registry import BASELINES, baseline_contenders, make
from training.evaluation.judge import judge
from training.evaluation.protocol import Protocol

ITEMS = catalogue(
    *(f"i{n}" for n in range(12)),
    title=[f"{'red' if n % 2 else 'blue'} lamp {n}" for n in range(12)],
    countries=[["DE"] if n == 3 else None for n in range(12)],
)


def engagements(seed: int = 0, users: int = 6, rows: int = 60) -> pl.DataFrame:
    """Users of two tastes: even ones like even items."""
    random = np.random.default_rng(seed)
    user = random.integers(users, size=rows)
    item = 2 * random.integers(5, size=rows) + user % 2
    return events(
        *(
            {
                "user_id": f"u{u}",
                "item_id": f"i{i}",
                "split": "train",
                "query": "red" if i % 2 else "blue",
                "task": "search",
            }
            for u, i in zip(user, item, strict=True)
        )
    )


WORLD = World(ITEMS, engagements(), engagements())
REQUESTS = pl.DataFrame(
    [
        ("full", "search", "u1", "Red lamp", "DE", "i5"),
        ("user", "recommendation", "u0", None, None, None),
        ("stranger", "recommendation", "nobody", None, "KR", None),
        ("nothing", "recommendation", None, None, None, None),
        ("unseen", "search", None, "zzz ☃", "XX", "ghost"),
        ("empty query", "search", "u2", "", None, None),
        ("source", "similar", None, None, None, "i2"),
    ],
    schema=dict.fromkeys(("request_id", "task", "user_id", "query", "country", "source_item_id"), pl.String),
    orient="row",
)


@pytest.fixture(params=sorted(BASELINES))
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def ranker(name: str, world: World = WORLD, exclude_seen: tuple[str, ...] = ALL) -> BaselineRanker:
    baseline = make(name)
    baseline.fit(world)
    return BaselineRanker(baseline, world, exclude_seen)


def test_scores_are_finite_float32_of_the_whole_catalogue(name: str) -> None:
    baseline = make(name)
    baseline.fit(WORLD)
    score = baseline.scores(REQUESTS)
    assert score.shape == (len(REQUESTS), len(ITEMS))
    assert score.dtype == np.float32
    assert np.isfinite(score).all()


def test_a_request_is_answered_alike_alone_and_in_a_block(name: str) -> None:
    baseline = make(name)
    baseline.fit(WORLD)
    whole = baseline.scores(REQUESTS)
    for row in range(len(REQUESTS)):
        np.testing.assert_allclose(baseline.scores(REQUESTS[row : row + 1])[0], whole[row], rtol=1e-5, atol=1e-6)


def test_every_request_is_answered_with_all_that_it_may_be_served(name: str) -> None:
    answer = ranker(name).rank(REQUESTS, 50)
    seen = set(WORLD.history.filter(pl.col("user_id") == "u1")["item_id"])
    barred = {
        "full": seen | {"i5"},
        "user": None,
        "stranger": {"i3"},
        "nothing": set(),
        "unseen": {"i3"},
        "source": {"i2"},
    }
    for request, excluded in barred.items():
        items = answer.filter(pl.col("request_id") == request).sort("rank")
        assert items["rank"].to_list() == list(range(1, len(items) + 1))
        assert items["score"].is_sorted(descending=True)
        assert items["item_id"].n_unique() == len(items)
        if excluded is not None:
            assert set(items["item_id"]) == set(ITEMS["item_id"]) - excluded


def test_seen_items_stay_candidates_in_other_tasks(name: str) -> None:
    answer = ranker(name, exclude_seen=("recommendation",)).rank(REQUESTS, 50)
    assert len(answer.filter(pl.col("request_id") == "empty query")) == len(ITEMS)
    assert len(answer.filter(pl.col("request_id") == "user")) < len(ITEMS)


def test_score_agrees_with_rank(name: str) -> None:
    ours = ranker(name, exclude_seen=())
    ranked = ours.rank(REQUESTS, 5)
    lists = ranked.group_by("request_id").agg(pl.col("item_id").reverse().alias("candidates"))
    scored = ours.score(REQUESTS.join(lists, on="request_id"))
    both = ranked.join(scored, on=["request_id", "item_id"], suffix="_again", validate="1:1")
    assert len(both) == len(scored) == len(ranked)
    assert both["score"].to_list() == pytest.approx(both["score_again"].to_list(), rel=1e-5, abs=1e-6)


def test_history_that_is_not_fitted_teaches_nothing_about_others(name: str) -> None:
    late = engagements(seed=9).filter(pl.col("user_id") != "u0")
    more = World(ITEMS, WORLD.fitted, pl.concat([WORLD.history, late]))
    asked = REQUESTS.filter(pl.col("request_id").is_in(["user", "stranger", "nothing", "unseen"]))
    first, second = make(name), make(name)
    first.fit(WORLD)
    second.fit(more)
    np.testing.assert_array_equal(first.scores(asked), second.scores(asked))


def test_a_world_of_bare_items_and_anonymous_rows_is_enough(name: str) -> None:
    rows = events({"item_id": "b", "split": "train"}, {"item_id": "b", "split": "train"}, {"item_id": "c"})
    data = judged(catalogue("a", "b", "c"), rows)
    found = judge(baseline_contenders([name], data, Protocol()), data, Protocol(resamples=5))
    assert found["rankers"][name]["tasks"]["recommendation"]["metrics"]["recall_at_5"]["value"] == 1.0
    answer = ranker(name, World(data.items, data.fitted, data.history)).rank(REQUESTS, 1)
    assert set(answer["item_id"]) == {"b"}  # the only item that anyone engaged with


def test_nothing_fitted_is_served_in_the_order_of_ties(name: str) -> None:
    nothing = WORLD.fitted.clear()
    answer = ranker(name, World(catalogue("a", "b", "c"), nothing, nothing)).rank(REQUESTS[1:4], 3)
    order = [item for _, item in sorted(zip(tie_ranks("abc"), "abc", strict=True))]
    for request in ("user", "stranger", "nothing"):
        assert answer.filter(pl.col("request_id") == request)["item_id"].to_list() == order


def dated(seed: int = 1) -> World:
    """A world with everything that a setting may need: queries, an order, times and two countries."""
    rows = engagements(seed)
    size = len(rows)
    return World(
        ITEMS,
        rows.with_columns(
            pl.Series("order", range(size)),
            pl.Series(
                "timestamp", [datetime(2024, 1, 1) + timedelta(days=n) for n in range(size)]
            ).dt.replace_time_zone("UTC"),
            pl.Series("country", ["DE" if n % 3 else "KR" for n in range(size)]),
        ),
        rows,
    )


def test_every_setting_of_the_grid_is_accepted_and_serves(name: str) -> None:
    world = dated()
    world = World(ITEMS, world.fitted, world.fitted)
    assert 1 <= len(BASELINES[name].grid) <= 8
    for settings in BASELINES[name].choices(world):
        baseline = make(name, settings)
        baseline.fit(world)
        score = baseline.scores(REQUESTS)
        assert score.shape == (len(REQUESTS), len(ITEMS))
        assert np.isfinite(score).all()


def test_settings_that_the_data_cannot_tell_apart_are_not_tried_twice(name: str) -> None:
    bare = WORLD.fitted.with_columns(pl.lit(None, dtype=pl.String).alias("query"))
    for world in (WORLD, World(ITEMS, bare, bare)):
        choices = BASELINES[name].choices(world)
        assert len(choices) == len({tuple(sorted(settings.items())) for settings in choices})
        for absent in ("recency", "decay", "window", "half_life", "blend"):
            assert not any(absent in settings for settings in choices)


def test_without_an_order_the_order_of_rows_says_nothing(name: str) -> None:
    shuffled = WORLD.fitted.sample(fraction=1.0, shuffle=True, seed=5)
    first, second = make(name), make(name)
    first.fit(WORLD)
    second.fit(World(ITEMS, shuffled, shuffled))
    np.testing.assert_allclose(first.scores(REQUESTS), second.scores(REQUESTS), rtol=1e-4, atol=1e-5)


def test_no_matrix_of_the_catalogue_is_made_where_users_are_few(name: str) -> None:
    users, each = 200, 60  # 12,000 items, of which a dense matrix takes 576 MB
    rows = pl.DataFrame(
        {
            "user_id": [f"u{n // each}" for n in range(users * each)],
            "item_id": [f"i{n}" for n in range(users * each)],
            "query": [f"q{n // each}" for n in range(users * each)],
            "split": ["train"] * (users * each),
        }
    )
    rows = pl.concat([events({"item_id": "i0"}).clear(), rows], how="diagonal")
    baseline = make(name)
    tracemalloc.start()
    try:
        baseline.fit(World(catalogue(*rows["item_id"]), rows, rows))
        baseline.scores(REQUESTS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300e6


def test_no_requests_have_no_answer(name: str) -> None:
    assert ranker(name).rank(REQUESTS.clear(), 5).columns == ["request_id", "rank", "item_id", "score"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    known = (
        "bm25, ease, ease-queries, fusion, ials, item-knn, popularity, "
        "query-count, query-count-ease, transitions, vectors"
    )
    with pytest.raises(DataError, match=rf"'oracle' is not known\. Choose from {known}\."):
        make("oracle")
    with pytest.raises(DataError, match="twice"):
        baseline_contenders(
            ["ease", "ease"], judged(ITEMS, pl.concat([engagements(), events({"item_id": "i0"})])), Protocol()
        )


@pytest.mark.parametrize("levels", [2, 50, 100_000])
def test_selection_is_that_of_serving(levels: int) -> None:
    random = np.random.default_rng(levels)
    score = torch.from_numpy(random.integers(levels, size=(20, 400)).astype(np.float32))
    score[3] = -torch.inf
    score[4, 7:] = -torch.inf
    tie = torch.from_numpy(random.permutation(400))
    for k in (1, 10, 390, 500):
        ours, theirs = select(score, tie, k), top_k(score, tie, k)
        servable = score.gather(1, theirs) > -torch.inf
        assert torch.equal(score.gather(1, ours) > -torch.inf, servable)
        assert torch.equal(ours[servable], theirs[servable])
