from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.columns import Split
from features.errors import DataError
from features.tables import open_data
from tests.training.diagnose.tastes import event, opposed, strangers, told_elsewhere, write
from training.diagnose import rows as rows_module
from training.diagnose.gain import Gain, measure_gain
from training.diagnose.rows import Engaged, read_engaged
from training.diagnose.words import HELPS, HURTS, sign


def _read(folder: Path, rows: list[dict[str, Any]]) -> Engaged:
    return read_engaged(open_data(write(folder, rows)), seed=0)


def _gain(folder: Path, rows: list[dict[str, Any]], task: str, *, exclude_seen: bool = False) -> Gain:
    engaged = _read(folder, rows)
    found = measure_gain(engaged, engaged.tasks.index(task), seed=0, exclude_seen=exclude_seen)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_joining_helps_where_the_other_task_knows_the_user(tmp_path: Path, seed: int) -> None:
    found = _gain(tmp_path, told_elsewhere(seed), "search")
    assert sign(found.gain) == HELPS
    assert found.joined > 1.5 * found.alone  # it knows which twenty of the forty items it can be


@pytest.mark.parametrize("task", ["search", "recommendation"])
def test_joining_strangers_is_worth_nothing_and_taking_them_for_one_costs(tmp_path: Path, task: str) -> None:
    found = _gain(tmp_path, strangers(seed=1), task)
    assert abs(found.gain.value) < 0.02
    assert sign(found.pooling) == HURTS


def test_one_popularity_for_opposed_tasks_costs_the_smaller(tmp_path: Path) -> None:
    found = _gain(tmp_path, opposed(), "search")
    assert abs(found.gain.value) < 0.02
    assert found.alone > 0.4
    assert found.pooled < 0.6 * found.alone  # an item of the other side comes before each of its own
    assert sign(found.pooling) == HURTS


def test_the_difference_is_that_of_the_means(tmp_path: Path) -> None:
    found = _gain(tmp_path, told_elsewhere(), "search")
    assert found.gain.value == pytest.approx(found.joined - found.alone)
    assert found.pooling.value == pytest.approx(found.pooled - found.alone)
    assert found.gain.low <= found.gain.value <= found.gain.high
    assert found.requests == 160


def test_the_same_seed_tells_the_same(tmp_path: Path) -> None:
    assert _gain(tmp_path / "a", told_elsewhere(), "search") == _gain(tmp_path / "b", told_elsewhere(), "search")


def test_nothing_of_test_is_read(tmp_path: Path) -> None:
    rows = told_elsewhere()
    future = [event("search", user, f"{'ba'[user % 2]}0", 400, "test") for user in range(160)]
    other = [event("similar", 0, "a1", 401, "test")]
    assert _gain(tmp_path / "a", rows, "search") == _gain(tmp_path / "b", rows + future + other, "search")


def test_valid_is_judged_and_not_counted(tmp_path: Path) -> None:
    # Who engages in valid alone is no neighbour of anybody: were valid counted, items of both sides would be linked.
    rows = told_elsewhere()
    noise = [event("recommendation", 1000 + n, f"{side}{n % 20}", 290, "valid") for n in range(60) for side in "ab"]
    before, after = _gain(tmp_path / "a", rows, "search"), _gain(tmp_path / "b", rows + noise, "search")
    assert (after.alone, after.joined, after.pooled) == (before.alone, before.joined, before.pooled)


def test_what_was_seen_in_any_task_is_left_out_for_all_alike(tmp_path: Path) -> None:
    # Every other user searches once more for what only recommendation knows that he has engaged with.
    rows = told_elsewhere()
    for user in range(0, 160, 2):
        at = next(at for at, row in enumerate(rows) if (row["user_id"], row["split"]) == (f"u{user}", "valid"))
        before = next(row for row in rows if row["user_id"] == f"u{user}" and row["task"] == "recommendation")
        rows[at] = rows[at] | {"item_id": before["item_id"]}
    kept = _gain(tmp_path, rows, "search")
    left_out = _gain(tmp_path, rows, "search", exclude_seen=True)
    assert kept.requests == 160
    assert left_out.requests <= 80
    assert left_out.joined > kept.joined  # the six items that are known are not in the way of the one that is wanted


def test_too_few_requests_tell_nothing(tmp_path: Path) -> None:
    rows = [row for row in told_elsewhere() if row["split"] == Split.TRAIN or row["user_id"] in ("u1", "u2")]
    assert measure_gain(_read(tmp_path, rows), 1, seed=0, exclude_seen=False) is None


def test_one_task_has_nothing_to_join(tmp_path: Path) -> None:
    rows = [row for row in told_elsewhere() if row["task"] == "search"]
    with pytest.raises(DataError, match="one task alone, search, so there is nothing to join"):
        _read(tmp_path, rows)


def test_a_task_that_is_only_shown_in_train_is_none_to_join(tmp_path: Path) -> None:
    rows = told_elsewhere()
    rows.append(event("similar", 0, "a1", 1, "train", label=0.0))
    rows.append(event("similar", 0, "a1", 250, "valid"))
    assert _read(tmp_path, rows).tasks == ("recommendation", "search")


def test_rows_of_programs_are_not_judged_and_an_item_counts_once_in_a_request(tmp_path: Path) -> None:
    rows = [row | {"source": "log", "request_id": None} for row in told_elsewhere()]
    page = {"source": "log", "request_id": "page"}
    rows += [event("search", 0, item, 299, "valid") | page for item in ("a1", "a1", "a2")]
    rows += [event("search", 0, "a3", 299, "valid") | {"source": "template", "request_id": None}]
    engaged = _read(tmp_path, rows)
    in_search = engaged.valid.task == engaged.tasks.index("search")
    assert int(in_search.sum()) == 160 + 2


def test_a_large_log_is_sampled_by_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = told_elsewhere()
    monkeypatch.setattr(rows_module, "LARGEST", 560)  # half of the rows of train: 160 users × 7
    engaged = _read(tmp_path, rows)
    assert engaged.share == 0.5
    whole = pl.Series(engaged.train.user).value_counts().get_column("count")
    assert whole.unique().to_list() == [7]
    assert 50 < len(whole) < 110
