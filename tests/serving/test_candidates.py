from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from features.evidence import Evidence
from features.history import History
from features.imputation import RequestRows
from serving.candidates import all_items, best, blocked_items, from_evidence, merge
from serving.config import CandidateConfig


def array(*rows):
    return np.array(rows, dtype=np.float32)


def nothing_blocked(scores):
    blocked = np.zeros(scores.shape, dtype=bool)
    blocked[:, 0] = True
    return blocked


def test_the_best_are_those_of_the_largest_scores():
    scores = array([9, 1, 5, 3, 4], [9, 5, 4, 3, 2])
    assert np.sort(best(scores, nothing_blocked(scores), 2)).tolist() == [[2, 4], [1, 2]]


def test_what_is_blocked_or_without_a_score_is_none_of_the_best():
    scores = array([0, 7, 5, 0, 0])
    blocked = nothing_blocked(scores)
    blocked[0, 1] = True
    assert np.sort(best(scores, blocked, 3)).tolist() == [[0, 0, 2]]


def test_more_may_be_asked_for_than_there_are():
    scores = array([0, 1, 2])
    assert np.sort(best(scores, nothing_blocked(scores), 10)).tolist() == [[0, 1, 2]]


def test_merged_candidates_are_distinct_and_padded_in_front():
    first = np.array([[3, 1, 0], [5, 0, 0]])
    second = np.array([[1, 2], [0, 5]])
    assert merge([first, second]).tolist() == [[1, 2, 3], [0, 0, 5]]


def test_merging_nothing_leaves_one_column_of_padding():
    assert merge([np.zeros((2, 3), dtype=np.int64)]).tolist() == [[0], [0]]


def test_all_items_are_those_that_are_not_blocked():
    blocked = np.array([[True, False, True, False], [True, True, True, False]])
    assert all_items(blocked).tolist() == [[1, 3], [0, 3]]


# User 2 engaged with items 1 and 2, user 3 with item 3. Item 4 is for country 2 alone.
HISTORY = History.build(np.array([2, 2, 3]), np.array([1, 2, 3]), 5, ordered=True)


def catalogue(restricted=(4,)):
    mask = np.zeros(6, dtype=bool)
    mask[list(restricted)] = True
    shown = ~mask
    return SimpleNamespace(rows=6, restricted=mask, shown_in=lambda country: shown | (mask & (country == 2)))


def asking(user, *, task=0, country=0, source=0, end=None, hide=0):
    one = {name: np.zeros(1, dtype=np.int64) for name in RequestRows._fields}
    owner = np.array([user])
    one |= {
        "task": np.array([task]),
        "user": owner,
        "owner": owner,
        "country": np.array([country]),
        "source": np.array([source]),
        "end": HISTORY.ends(owner) if end is None else np.array([end]),
        "hide": np.array([[hide]]),
    }
    return RequestRows(**one)


def left(rows, exclude_seen=(True,), items=None):
    blocked = blocked_items(rows, HISTORY, items or catalogue(), np.array(exclude_seen))
    return np.flatnonzero(~blocked[0]).tolist()


def test_padding_is_always_blocked_and_nothing_else_for_an_unknown_user():
    assert left(asking(1)) == [1, 2, 3, 4, 5]


def test_seen_items_are_blocked_in_the_tasks_that_say_so():
    assert left(asking(2)) == [3, 4, 5]
    assert left(asking(2), exclude_seen=(False,)) == [1, 2, 3, 4, 5]
    assert left(asking(2, task=1), exclude_seen=(True, False)) == [1, 2, 3, 4, 5]


def test_only_what_was_seen_before_the_end_of_the_history_is_blocked():
    assert left(asking(2, end=int(HISTORY.start[2]) + 1)) == [2, 3, 4, 5]


def test_the_source_item_is_blocked():
    assert left(asking(1, source=5)) == [1, 2, 3, 4]


def test_a_stated_country_blocks_items_of_others():
    assert left(asking(1, country=2)) == [1, 2, 3, 4, 5]
    assert left(asking(1, country=3)) == [1, 2, 3, 5]


def test_a_country_that_no_table_names_blocks_every_restricted_item():
    assert left(asking(1, country=1)) == [1, 2, 3, 5]


def test_requests_of_a_block_do_not_share_what_is_blocked():
    rows = RequestRows(*(np.concatenate(pair) for pair in zip(asking(2), asking(3), strict=True)))
    blocked = blocked_items(rows, HISTORY, catalogue(()), np.array([True]))
    assert [np.flatnonzero(~row).tolist() for row in blocked] == [[3, 4, 5], [1, 2, 4, 5]]


SOURCES = {name: name for name in Evidence._fields} | {
    "by_group": "groups",
    "query_shown": "shown",
    "source_shown": "shown",
}
BRING_NONE = ("text", "repeat", "country", "history_text", "source_text", "groups")


@pytest.mark.parametrize("name", [name for name in Evidence._fields if name not in BRING_NONE])
def test_each_source_of_counts_brings_its_own_candidates(name):
    empty = {field: np.zeros((1, 4), dtype=np.float32) for field in Evidence._fields}
    evidence = Evidence(**(empty | {name: array([0, 0, 2, 1])}))
    sizes = CandidateConfig(**{field.name: 0 for field in fields(CandidateConfig)} | {SOURCES[name]: 1})
    found = from_evidence(evidence, np.zeros((1, 4), dtype=np.float32), nothing_blocked(evidence.text), sizes)
    assert [rows.tolist() for rows in found] == [[[2]]]


def test_popularity_brings_candidates_where_nothing_else_is_known():
    nothing = Evidence(*(np.zeros((1, 4), dtype=np.float32) for _ in Evidence._fields))
    popular = array([0, 1, 3, 2])
    found = from_evidence(nothing, popular, nothing_blocked(popular), CandidateConfig(popularity=2))
    assert [np.sort(rows).tolist() for rows in found] == [[[2, 3]]]
