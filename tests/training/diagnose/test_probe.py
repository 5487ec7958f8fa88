from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.tables import open_data
from tests.training.diagnose.tastes import event, write
from training.diagnose.evidence import NAMES
from training.diagnose.memory import Memory
from training.diagnose.probe import Knowledge, Probe, Targets, fit_probe, rank_targets, read_choices
from training.diagnose.rows import Engaged, read_engaged

CATALOGUE = pl.DataFrame({"item_id": [f"i{n}" for n in range(1, 7)]})
POPULAR = [("i1", 4), ("i2", 3), ("i3", 2), ("i4", 1)]
"""Items with their engagements; i5 and i6 have none."""


def _rows() -> list[dict[str, Any]]:
    rows = [event("search", None, item, 1 + at, "train") for item, times in POPULAR for at in range(times)]
    rows += [event("recommendation", None, "i1", 20, "train") for _ in range(3)]
    valid = [event("search", None, item, 30, "valid") for item in ("i3", "i5")]
    valid[0]["source_item_id"] = "i1"
    return [{"source_item_id": None} | row for row in rows + valid]


def _read(folder: Path) -> Engaged:
    return read_engaged(open_data(write(folder, _rows(), CATALOGUE)), seed=0)


def _weights(**named: float) -> np.ndarray:
    return np.array([[named.get(name, 0.0) for name in NAMES]], dtype=np.float32)


def _all_but(engaged: Engaged, *held: int) -> Knowledge:
    kept = np.ones(len(engaged.train.item), dtype=bool)
    hidden = np.isin(np.arange(len(kept)), held)
    return Knowledge(engaged, kept, hidden)


def test_ranks_by_popularity_without_the_source_item(tmp_path: Path) -> None:
    engaged = _read(tmp_path)
    targets = Targets(engaged.valid, np.array([0, 1]), engaged.valid.item, np.ones(2))
    probe = Probe((0,), _weights(popularity=1.0))
    rank = rank_targets(engaged, [_all_but(engaged)], [probe], targets, seed=0)[0]
    assert rank[0] == 2  # i3, after i2: i1 is the source item
    assert rank[1] in (5, 6)  # i5 and i6 share the last places


def test_what_the_user_has_seen_is_no_candidate(tmp_path: Path) -> None:
    rows = [row | {"user_id": "u"} if row["item_id"] == "i2" else row for row in _rows()]
    rows += [event("search", None, "i3", 31, "valid") | {"user_id": "u", "source_item_id": None}]
    engaged = read_engaged(open_data(write(tmp_path, rows, CATALOGUE)), seed=0)
    asked = engaged.valid.take(np.array([1, 2]))  # of nobody, and of u
    targets = Targets(asked, np.array([0, 1]), np.array([3, 3]), np.ones(2))
    everything = np.ones(len(engaged.train.item), dtype=bool)
    seen = Memory(engaged.train, everything, engaged.users, engaged.queries, engaged.items, ordered=engaged.ordered)
    probe = Probe((0,), _weights(popularity=1.0))
    assert rank_targets(engaged, [_all_but(engaged)], [probe], targets, 0, seen).tolist() == [[3, 2]]
    assert rank_targets(engaged, [_all_but(engaged)], [probe], targets, 0).tolist() == [[3, 3]]


def test_each_probe_reads_its_own_sources(tmp_path: Path) -> None:
    engaged = _read(tmp_path)
    in_search = engaged.train.task == engaged.tasks.index("search")
    nothing = np.zeros_like(in_search)
    knowledge = [Knowledge(engaged, kept, nothing) for kept in (~in_search, in_search)]
    targets = Targets(engaged.valid, np.array([0, 1]), np.array([4, 4]), np.ones(2))  # i4 in both requests
    probes = [Probe((source,), _weights(popularity=1.0)) for source in (0, 1)]
    probes.append(Probe((0, 1), np.concatenate([_weights(popularity=1.0), _weights(popularity=-1.0)])))
    rank = rank_targets(engaged, knowledge, probes, targets, seed=0)
    assert rank[1].tolist() == [3, 4]  # in search after i2 and i3, and after i1 where it is a candidate
    # log(1 + engagements) of i1 to i6: in recommendation (log 4, 0, 0, 0, 0, 0), in search log of (5, 4, 3, 2, 1, 1).
    assert rank[2].tolist() == [3, 4]  # log 4/5 is above log 1/2, i5 and i6 at 0 above all
    assert rank[0, 1] >= 2


def test_while_weights_are_fitted_what_is_held_is_not_counted(tmp_path: Path) -> None:
    engaged = _read(tmp_path)
    last = len(engaged.train.item) - 1
    held = _all_but(engaged, last - 1, last)  # two of the three engagements of recommendation
    blind = dict(zip(NAMES, held.of_train(np.array([last]), slice(None)), strict=True))
    assert blind["popularity"][0] == pytest.approx(np.log1p([0, 5, 3, 2, 1, 0, 0]))
    assert blind["shown"][0] == pytest.approx(np.log1p([0, 5, 3, 2, 1, 0, 0]))
    whole = dict(zip(NAMES, held.of_requests(engaged.valid), strict=True))
    assert whole["popularity"][0] == pytest.approx(np.log1p([0, 7, 3, 2, 1, 0, 0]))


def test_choices_put_what_was_engaged_first_and_the_same_others_beside_it(tmp_path: Path) -> None:
    engaged = _read(tmp_path)
    at = np.array([0, 4, 9])  # engagements with i1, i2 and i4
    known = _all_but(engaged)
    one, again = (read_choices(engaged, known, at, np.random.default_rng(5)) for _ in range(2))
    popularity = NAMES.index("popularity")
    assert one[:, 0, popularity] == pytest.approx(np.log1p([7, 3, 1]))
    assert (one == again).all()
    assert set(np.round(np.expm1(one[:, 1:, popularity])).astype(int).ravel()) == {0, 1, 2, 3, 7}


def test_a_probe_has_weights_for_each_of_its_sources(tmp_path: Path) -> None:
    engaged = _read(tmp_path)
    choices = [read_choices(engaged, _all_but(engaged), np.arange(10), np.random.default_rng(5)) for _ in range(2)]
    probe = fit_probe(choices, (0, 1))
    assert probe.weights.shape == (2, len(NAMES))
    assert probe.weights[0] == pytest.approx(probe.weights[1], abs=1e-4)  # the same evidence twice shares its weight
    assert probe.weights[0, NAMES.index("popularity")] > 0
    assert not probe.weights[:, NAMES.index("query_item")].any()
