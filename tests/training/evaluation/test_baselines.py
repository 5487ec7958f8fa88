"""One suite that every baseline passes, and what each is known to answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
import torch

from features.errors import DataError
from serving.order import tie_ranks, top_k
from tests.training.evaluation.small_world import ALL, asking, catalogue, events, judged
from training.evaluation.baselines.base import World
from training.evaluation.baselines.driver import BaselineRanker, select
from training.evaluation.baselines.ease import Ease
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


def test_no_requests_have_no_answer(name: str) -> None:
    assert ranker(name).rank(REQUESTS.clear(), 5).columns == ["request_id", "rank", "item_id", "score"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'oracle' is not known\. Choose from bm25, ease, popularity"):
        make("oracle")
    with pytest.raises(DataError, match="twice"):
        baseline_contenders(
            ["ease", "ease"], judged(ITEMS, pl.concat([engagements(), events({"item_id": "i0"})])), Protocol()
        )


def test_popularity_counts_users_once_and_each_anonymous_engagement() -> None:
    rows = events(
        *[{"item_id": "i0", "user_id": "u", "split": "train"}] * 5,
        *[{"item_id": "i1", "split": "train"}] * 2,
        *[{"item_id": "i2", "user_id": user, "split": "train"} for user in "uvw"],
    )
    baseline = make("popularity")
    baseline.fit(World(ITEMS, rows, rows))
    assert baseline.scores(REQUESTS[:1])[0, :4].tolist() == [1.0, 2.0, 3.0, 0.0]


def test_bm25_finds_titles_and_train_queries_and_falls_back_to_popularity() -> None:
    items = catalogue("a", "b", "c", title=["green chair", "lamp", None])
    rows = events(
        {"item_id": "b", "split": "train", "query": "bright light"},
        *[{"item_id": "c", "split": "train"}] * 3,
    )
    ours = ranker("bm25", World(items, rows, rows))
    found = ours.rank(
        asking(request_id=["title", "query", "unknown", "none"], query=["CHAIR", "light", "sofa", None]), 1
    )
    first = dict(found.select("request_id", "item_id").rows())
    assert first == {"title": "a", "query": "b", "unknown": "c", "none": "c"}


@pytest.mark.parametrize("users", [5, 40])
def test_ease_is_the_closed_form_on_either_side(users: int) -> None:
    rows = engagements(seed=3, users=users, rows=150)
    baseline = Ease(l2=2.0)
    baseline.fit(World(ITEMS, rows, rows))
    x = np.zeros((users, len(ITEMS)))
    for user, item in rows.select("user_id", "item_id").rows():
        x[int(user[1:]), int(item[1:])] = 1.0
    precision = np.linalg.inv(x.T @ x + 2.0 * np.eye(len(ITEMS)))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    names = [str(user) for user in range(users)]
    asked = asking(request_id=names, user_id=[f"u{name}" for name in names])
    known = x.any(axis=1)
    np.testing.assert_allclose(baseline.scores(asked)[known], (x @ weights)[known], rtol=1e-4, atol=1e-5)


def test_ease_separates_two_tastes() -> None:
    answer = ranker("ease", exclude_seen=()).rank(REQUESTS.filter(pl.col("request_id") == "user"), 5)
    assert {int(item[1:]) % 2 for item in answer["item_id"]} == {0}


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
