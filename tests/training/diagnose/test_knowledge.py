"""What is counted and remembered: shares in view, and nothing of the future or of what is held back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.tables import open_data
from tests.training.diagnose.tastes import event, write
from training.diagnose.counts import Counts, count
from training.diagnose.evidence import NAMES, Asked, evidence
from training.diagnose.memory import Memory
from training.diagnose.rows import Engaged, read_engaged

CATALOGUE = pl.DataFrame(
    {
        "item_id": ["i1", "i2", "i3", "i4"],
        "title": ["red chair", "blue chair", "red lamp", None],
        "category": ["Home > Chairs", "Home > Chairs", "Home > Lamps", None],
    }
)
LATER = event("recommendation", 1, "i4", 9, "train")
ROWS = [
    event("search", 1, "i1", 1, "train") | {"query": "red"},
    event("search", 2, "i1", 2, "train") | {"query": "red"},
    event("search", 2, "i3", 3, "train") | {"query": "red"},
    event("search", 1, "i2", 4, "train", label=0.0) | {"query": "red"},
    event("recommendation", 1, "i2", 5, "train") | {"source_item_id": "i1"},
    event("recommendation", 1, "i1", 6, "train"),
    LATER,
]


def _read(folder: Path, rows: list[dict[str, Any]]) -> Engaged:
    rows = [{"source_item_id": None} | row for row in rows]
    return read_engaged(open_data(write(folder, rows, CATALOGUE)), seed=0)


def _memory(engaged: Engaged, kept: np.ndarray) -> Memory:
    return Memory(engaged.train, kept, engaged.users, engaged.queries, engaged.items, ordered=engaged.ordered)


def _counted(engaged: Engaged) -> Counts:
    return count(engaged.train, engaged.content, engaged.users)


def _evidence(engaged: Engaged, at: int) -> dict[str, np.ndarray]:
    """Return the evidence (N + 1,) of the request of a row of train, by name."""
    memory = _memory(engaged, np.ones(len(engaged.train.item), dtype=bool))
    row, known = engaged.train.take(np.array([at])), memory.before(np.array([at]))
    parts = evidence(
        _counted(engaged), engaged.content, Asked(row.query, row.source, known.past, known.latest), slice(None)
    )
    return {name: part[0] for name, part in zip(NAMES, parts, strict=True)}


def test_a_row_knows_what_came_before_its_request(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    memory = _memory(engaged, np.ones(len(ROWS), dtype=bool))
    known = memory.before(np.array([0, 4, 6]))
    assert known.past.toarray()[:, 1:].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [2, 1, 0, 0]]
    # Before the last row: i1, then i2, then i1 again, the newest counting 1, the others 0.7 and 0.49 of that.
    assert known.latest.toarray()[2, 1:] == pytest.approx(np.array([1.49, 0.7, 0, 0]) / 2.19)


def test_what_is_known_in_the_end_is_everything(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    memory = _memory(engaged, np.ones(len(ROWS), dtype=bool))
    user = engaged.train.user[[0]]
    assert memory.all_of(user).past.toarray()[0, 1:].tolist() == [2, 1, 0, 1]


def test_what_is_not_kept_is_not_remembered(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    in_recommendation = engaged.train.task == engaged.tasks.index("recommendation")
    memory = _memory(engaged, in_recommendation)
    assert memory.before(np.array([6])).past.toarray()[0, 1:].tolist() == [1, 1, 0, 0]


def test_without_an_order_a_row_does_not_see_its_own_request(tmp_path: Path) -> None:
    rows = [row | {"timestamp": None, "request_id": f"r{at // 2}"} for at, row in enumerate(ROWS)]
    engaged = _read(tmp_path, rows)
    memory = _memory(engaged, np.ones(len(ROWS), dtype=bool))
    assert not engaged.ordered
    # The last row, alone on its page, sees i1 and i2; that of i2 (row 4) shares its page with i1 and sees i4 alone.
    known = memory.before(np.array([6, 4]))
    assert known.past.toarray()[:, 1:].tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]]
    assert known.latest.nnz == 0


def test_the_future_changes_nothing_of_the_past(tmp_path: Path) -> None:
    whole, cut = _read(tmp_path / "whole", ROWS), _read(tmp_path / "cut", ROWS[:-1])
    known = [_memory(read, np.ones(len(read.train.item), dtype=bool)).before(np.arange(6)) for read in (whole, cut)]
    assert (known[0].past != known[1].past).nnz == 0
    assert (known[0].latest != known[1].latest).nnz == 0


def test_shares_of_a_query_and_of_its_words(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    found = _evidence(engaged, 0)  # "red", by a user of whom nothing is known
    # Six engagements and one for each of four items and padding: i1 has 3 + 1 of 11, i3 1 + 1. Of the three
    # engagements for "red", which weigh 3 / (3 + 5), i1 has two.
    assert found["query_item"][1] == pytest.approx(math.log1p(2 / 8 / (4 / 11)))
    assert found["query_item"][3] == pytest.approx(math.log1p(1 / 8 / (2 / 11)))
    assert found["word_item"] == pytest.approx(found["query_item"])  # a query of one word that no other query has
    assert found["query_shown"][2] == pytest.approx(math.log1p(1 / 9 / (2 / 11)))  # shown once of four times
    assert found["query_item"][2] == 0
    assert found["popularity"] == pytest.approx(np.log1p([0, 3, 1, 1, 1]))
    assert found["shown"] == pytest.approx(np.log1p([0, 3, 2, 1, 1]))
    assert not found["history_item"].any()
    assert not found["source_item"].any()


def test_titles_and_groups(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    found = _evidence(engaged, 4)  # next to i1, by a user who engaged with i1
    title = found["source_title"]
    assert title[1] == pytest.approx(1.0, abs=1e-5)
    assert title[2] == pytest.approx(title[3])  # a word in common each, both in two titles
    assert title[4] == 0
    assert found["history_title"] == pytest.approx(title)
    assert found["history_group"][1] == found["history_group"][2] > 0  # i2 is a chair too
    assert found["history_group"][3] == found["history_group"][4] == 0
    assert found["again"] == pytest.approx(np.log1p([0, 1, 0, 0, 0]))


def test_an_item_of_a_history_counts_once(tmp_path: Path) -> None:
    found = _evidence(_read(tmp_path, ROWS), 6)  # by a user who engaged with i1 twice and with i2 once
    assert found["history_title"][1] == pytest.approx(found["history_title"][2])
    assert found["latest_title"][1] > found["latest_title"][2]
    assert found["again"] == pytest.approx(np.log1p([0, 2, 1, 0, 0]))


def test_a_walk_from_an_item_to_its_users_and_theirs(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    walk = _evidence(engaged, 4)["source_walk"]
    # From i1 to each of its two users 1 / (2 + 5); u1 knows i1 i2 i4, u2 knows i1 i3.
    assert walk[2] == pytest.approx(math.log1p(1 / 7 / 3 / (2 / 11)))
    assert walk[3] == pytest.approx(math.log1p(1 / 7 / 2 / (2 / 11)))


def test_some_columns_are_those_of_all(tmp_path: Path) -> None:
    engaged = _read(tmp_path, ROWS)
    memory = _memory(engaged, np.ones(len(ROWS), dtype=bool))
    at, columns = np.array([2, 4, 6]), np.array([1, 3, 4])
    rows, known = engaged.train.take(at), memory.before(at)
    asked = Asked(rows.query, rows.source, known.past, known.latest)
    counts = _counted(engaged)
    for some, every in zip(
        evidence(counts, engaged.content, asked, columns),
        evidence(counts, engaged.content, asked, slice(None)),
        strict=True,
    ):
        assert some == pytest.approx(every[:, columns], abs=1e-6)
