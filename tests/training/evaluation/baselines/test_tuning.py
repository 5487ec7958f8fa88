"""Settings are chosen on valid, for each task by itself, and never by what is judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.training.evaluation.small_world import asking, catalogue, events, judged
from training.evaluation.baselines.base import Baseline, Settings, World
from training.evaluation.baselines.registry import BASELINES, baseline_contenders
from training.evaluation.baselines.tuning import Tuner
from training.evaluation.judge import judge
from training.evaluation.protocol import Contender, Protocol

ITEMS = catalogue(*(f"i{n}" for n in range(8)))
LAST = datetime(2024, 6, 1, tzinfo=UTC)
PROTOCOL = Protocol(exclude_seen=(), resamples=5, hidden=0)

# Ten users engaged with "old" 400 days before three did with "new". Of 10 · 2^(-400/365) = 4.7 and 3 the old item is
# the greater, of 10 · 2^(-400/90) = 0.46 and 3 the new one.
OLD_AND_NEW = events(
    *(
        {"item_id": "i0", "user_id": f"u{n}", "split": "train", "timestamp": LAST - timedelta(days=400)}
        for n in range(10)
    ),
    *({"item_id": "i1", "user_id": f"u{n}", "split": "train", "timestamp": LAST} for n in range(3)),
)


def rows(valid: dict[str, str], test: str = "i5") -> pl.DataFrame:
    """Train as above, a valid row of each task in ``valid`` with its item, and a test row of every task."""
    later = [{"item_id": item, "task": task, "split": "valid"} for task, item in valid.items()]
    judged_rows = [{"item_id": test, "task": task} for task in ("recommendation", "search", "similar")]
    return pl.concat([OLD_AND_NEW, events(*later, *judged_rows)])


def contenders(names: list[str], frame: pl.DataFrame, *, tuned: bool = True) -> list[Contender]:
    tuning = judged(ITEMS, frame, replace(PROTOCOL, split="valid")) if tuned else None
    return baseline_contenders(names, judged(ITEMS, frame, PROTOCOL), PROTOCOL, tuning)


def test_each_task_gets_the_setting_that_serves_its_valid_rows_best() -> None:
    frame = rows({"recommendation": "i1", "search": "i0"})
    found = contenders(["popularity"], frame)
    default = {"half_life": None}
    expected = {"recommendation": {"half_life": 90.0}, "search": default, "similar": default}
    assert found[0].settings == expected
    report = judge(found, judged(ITEMS, frame, PROTOCOL), PROTOCOL)["rankers"]["popularity"]
    assert report["settings"] == expected
    tasks = ["search", "recommendation", "similar"]
    answer = found[0].rank(asking(request_id=["s", "r", "m"], task=tasks), 1)
    assert dict(answer.select("request_id", "item_id").rows()) == {"s": "i0", "r": "i1", "m": "i0"}


def test_candidates_are_scored_by_the_setting_of_their_task() -> None:
    found = contenders(["popularity"], rows({"recommendation": "i1", "search": "i0"}))[0]
    asked = asking(request_id=["s", "r"], task=["search", "recommendation"])
    assert found.score is not None
    answer = found.score(asked.with_columns(pl.Series("candidates", [["i0", "i1"], ["i0", "i1"]])))
    values = {(request, item): score for request, item, score in answer.select("request_id", "item_id", "score").rows()}
    # Valid adds one of each without a user and a time, which counts like the oldest.
    assert (values["s", "i0"], values["s", "i1"]) == (10 + 1, 3 + 1)
    assert values["r", "i0"] == pytest.approx((10 + 1) * 2 ** (-400 / 90))
    assert values["r", "i1"] == pytest.approx(3 + 2 ** (-400 / 90))
    assert found.rank(asked.clear(), 5).columns == ["request_id", "rank", "item_id", "score"]


def test_without_valid_the_default_is_served() -> None:
    found = contenders(["popularity"], rows({"recommendation": "i1"}), tuned=False)
    assert found[0].settings == {task: {"half_life": None} for task in ("recommendation", "search", "similar")}


def test_valid_is_fitted_once_the_settings_are_chosen() -> None:
    more = events(*({"item_id": "i7", "user_id": f"v{n}", "split": "valid", "timestamp": LAST} for n in range(20)))
    found = contenders(["popularity"], pl.concat([rows({}), more]))
    assert found[0].rank(asking(request_id=["1"], task=["recommendation"]), 1)["item_id"].to_list() == ["i7"]


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_test_rows_change_nothing(name: str) -> None:
    valid = {"recommendation": "i1", "search": "i0"}
    asked = asking(request_id=["1", "2"], user_id=["u1", None], task=["recommendation", "search"])
    first, second = (contenders([name], rows(valid, test))[0] for test in ("i5", "i1"))
    assert first.settings == second.settings
    assert first.rank(asked, 8).equals(second.rank(asked, 8))


class Guess(Baseline):
    """Serves the item that its setting names, and counts what it is asked."""

    name = "guess"
    grid = ({"item": 0}, {"item": 1}, {"item": 1, "again": True})
    asked: dict[tuple[int, bool], int]

    def __init__(self, item: int, again: bool = False) -> None:
        self._item, self._key = item, (item, again)

    def fit(self, world: World) -> None:
        self._items = len(world.items)
        assert set(world.fitted["split"]) <= {"train"}

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        self.asked[self._key] = self.asked.get(self._key, 0) + len(requests)
        return np.repeat(np.eye(self._items, dtype=np.float32)[[self._item]], len(requests), axis=0)


def choose(frame: pl.DataFrame) -> dict[str, Settings]:
    Guess.asked = {}
    return Tuner(judged(ITEMS, frame, replace(PROTOCOL, split="valid")), PROTOCOL).choose(Guess)


def test_a_setting_is_tried_on_at_most_2000_requests_of_a_task() -> None:
    many = events(*({"item_id": "i1", "user_id": f"u{n}", "split": "valid"} for n in range(2_300)))
    few = events(*({"item_id": "i0", "user_id": f"u{n}", "split": "valid", "task": "search"} for n in range(70)))
    assert choose(pl.concat([many, few])) == {"recommendation": {"item": 1}, "search": {"item": 0}}
    assert Guess.asked == {(0, False): 2_070, (1, False): 2_070, (1, True): 2_070}


def test_the_first_of_equal_settings_is_taken() -> None:
    assert choose(events({"item_id": "i1", "split": "valid"})) == {"recommendation": {"item": 1}}


def test_a_split_with_no_target_left_chooses_nothing() -> None:
    frame = events(
        {"item_id": "i0", "user_id": "u", "split": "train"}, {"item_id": "i0", "user_id": "u", "split": "valid"}
    )
    protocol = Protocol(exclude_seen=("recommendation",))
    assert Tuner(judged(ITEMS, frame, replace(protocol, split="valid")), protocol).choose(Guess) == {}
