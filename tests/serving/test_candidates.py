from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from features.blocks.lexical import LexicalBlock
from features.blocks.popularity import PopularityBlock
from features.blocks.query import QueryBlock
from features.blocks.registry import BLOCKS
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


SOURCES = [(block, name, size) for block in BLOCKS.values() for name, size in block.sources]


def saying(block, **whole):
    """Return evidence of one request by one block, about three items; zeros where it has nothing to say."""
    nothing = {name: array([0, 0, 0, 0]) for name, _ in block.sources}
    return Evidence(SimpleNamespace(), {block.name: block}, nothing | whole)


def found(evidence, **sizes):
    every = CandidateConfig(**dict.fromkeys(CandidateConfig.__dataclass_fields__, 0) | sizes)
    return [rows.tolist() for rows in from_evidence(evidence, nothing_blocked(array([0, 0, 0, 0])), every)]


@pytest.mark.parametrize(("block", "name", "size"), SOURCES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_source_of_counts_brings_its_own_candidates(block, name, size):
    evidence = saying(block, **{name: array([0, 0, 2, 1])})
    assert found(evidence, **{size: 1}) == [[[2]]]
    assert np.sort(found(evidence, **{size: 2})).tolist() == [[[2, 3]]]
    assert found(evidence) == []  # of size 0


def test_sources_come_in_the_order_of_their_blocks_and_those_without_an_answer_not_at_all():
    query, popular = (
        saying(QueryBlock, query=array([0, 0, 2, 1])),
        saying(PopularityBlock, task_popularity=array([0, 3, 0, 1])),
    )
    both = Evidence(query.reading, {**query.blocks, **popular.blocks}, {**query.whole, **popular.whole})
    assert found(both, query=1, popularity=1) == [[[2]], [[1]]]
    assert found(saying(QueryBlock), query=1, popularity=1) == []


def test_what_is_blocked_is_no_candidate_of_any_source():
    evidence = saying(QueryBlock, query=array([0, 0, 2, 1]))
    blocked = np.array([[True, False, True, False]])
    assert [rows.tolist() for rows in from_evidence(evidence, blocked, CandidateConfig(query=1))] == [[[3]]]


def test_a_block_that_brings_no_candidates_is_not_asked():
    assert found(saying(LexicalBlock), lexical=2) == []
    assert found(Evidence(SimpleNamespace(), {"text": BLOCKS["text"]}, {"text": array([0, 1, 2, 3])}), lexical=2) == []
