from __future__ import annotations

from math import ceil, floor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from features.blocks.lexical import LexicalBlock
from features.blocks.popularity import PopularityBlock
from features.blocks.query import QueryBlock
from features.blocks.registry import BLOCKS
from features.evidence import Evidence
from features.history import History
from features.imputation import RequestRows
from serving.candidates import all_items, best, blocked_items, brought_by, from_evidence, merge
from serving.config import CandidateConfig


def array(*rows):
    return np.array(rows, dtype=np.float32)


def nothing_blocked(scores):
    blocked = np.zeros(scores.shape, dtype=bool)
    blocked[:, 0] = True
    return blocked


def test_the_best_are_those_of_the_largest_scores_in_their_order():
    scores = array([9, 1, 5, 3, 4], [9, 5, 4, 3, 2])
    assert best(scores, nothing_blocked(scores), 2).tolist() == [[2, 4], [1, 2]]


def test_what_is_blocked_or_without_a_score_is_none_of_the_best():
    scores = array([0, 7, 5, 0, 0])
    blocked = nothing_blocked(scores)
    blocked[0, 1] = True
    assert best(scores, blocked, 3).tolist() == [[2, 0, 0]]


def test_more_may_be_asked_for_than_there_are():
    scores = array([0, 1, 2])
    assert best(scores, nothing_blocked(scores), 10).tolist() == [[2, 1, 0]]


TIES = torch.tensor([99, 8, 7, 6, 5, 4, 3, 2, 1, 0])
"""Of items with equal scores, the one with the larger row is served first."""


def rows(*lists):
    return np.array(lists, dtype=np.int64)


def test_merged_candidates_are_distinct_and_padded_in_front():
    first, second = rows([3, 1, 0], [5, 0, 0]), rows([1, 2], [0, 5])
    assert merge([first, second], 0, TIES).tolist() == [[1, 2, 3], [0, 0, 5]]
    assert merge([first, second], 3, TIES).tolist() == [[1, 2, 3], [0, 0, 5]]


def test_merging_nothing_leaves_one_column_of_padding():
    assert merge([np.zeros((2, 3), dtype=np.int64)], 5, TIES).tolist() == [[0], [0]]


def test_a_limit_shortens_all_lists_by_the_same_share():
    """Item 1 is 0/4 deep, 2 is 1/4, 3 is 2/4 and 4 is 3/4; of the shorter list, 5 is 0/2 and 6 is 1/2 deep."""
    long, short = rows([1, 2, 3, 4]), rows([5, 6])
    assert merge([long, short], 2, TIES).tolist() == [[1, 5]]
    assert merge([long, short], 3, TIES).tolist() == [[1, 2, 5]]
    assert merge([long, short], 4, TIES).tolist() == [[1, 2, 5, 6]]  # 3 and 6 are equally deep: 6 is served first
    assert merge([long, short], 5, TIES).tolist() == [[1, 2, 3, 5, 6]]


def test_an_item_counts_where_it_is_least_deep_and_takes_one_place():
    """Item 4 is last of one list and first of the other; without it each list keeps two of its items."""
    assert merge([rows([1, 2, 3, 4]), rows([4, 5, 6, 7])], 4, TIES).tolist() == [[1, 2, 4, 5]]


def test_a_limit_cuts_the_requests_that_have_more_and_no_others():
    first, second = rows([1, 2, 3], [1, 0, 0]), rows([4, 5, 6], [1, 2, 0])
    assert merge([first, second], 2, TIES).tolist() == [[1, 4], [1, 2]]


lists_of_sources = st.lists(
    st.lists(st.integers(1, 9), unique=True, max_size=6).map(lambda items: rows([*items, 0])), min_size=1, max_size=4
)


@given(lists_of_sources, st.integers(0, 12))
def test_what_is_merged_holds_what_each_source_brings(sources, total):
    """Without a limit all of it, so that no source finds a target that the union does not find; with one, a share."""
    everything = merge(sources, 0, TIES)[0]
    assert set(everything[everything > 0]) == {item for found in sources for item in found[0] if item}
    kept = merge(sources, total, TIES)[0]
    kept = set(kept[kept > 0])
    assert len(kept) == (min(total, (everything > 0).sum()) if total else (everything > 0).sum())
    lengths = [found.shape[1] for found in sources]
    share = max((s for s in np.linspace(0, 1, 41) if sum(ceil(s * n) for n in lengths) <= total), default=0)
    for found, length in zip(sources, lengths, strict=True):
        assert set(found[0, : floor(share * length)]) - {0} <= kept


@given(lists_of_sources, st.integers(0, 12))
def test_a_candidate_knows_all_that_brought_it(sources, total):
    candidates = merge(sources, total, TIES)
    mask = brought_by(candidates, sources)
    for item, bits in zip(candidates[0], mask[0], strict=True):
        assert bits == sum(2**bit for bit, found in enumerate(sources) if item and item in found)


def test_candidates_of_several_requests_are_told_apart():
    """Item 5 of the first request is no candidate, and as far beyond its last one as the next request's item 1."""
    first, second = rows([2, 1], [1, 0], [0, 0]), rows([1, 5], [3, 0], [0, 0])
    candidates = rows([1, 2], [1, 3], [0, 0])
    assert brought_by(candidates, [first, second]).tolist() == [[3, 1], [1, 2], [0, 0]]


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


def left(request, exclude_seen=(True,), items=None):
    blocked = blocked_items(request, HISTORY, items or catalogue(), np.array(exclude_seen))
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
    both = RequestRows(*(np.concatenate(pair) for pair in zip(asking(2), asking(3), strict=True)))
    blocked = blocked_items(both, HISTORY, catalogue(()), np.array([True]))
    assert [np.flatnonzero(~row).tolist() for row in blocked] == [[3, 4, 5], [1, 2, 4, 5]]


SOURCES = [(block, name, size) for block in BLOCKS.values() for name, size in block.sources]


def saying(block, **whole):
    """Return evidence of one request by one block, about three items; zeros where it has nothing to say."""
    nothing = {name: array([0, 0, 0, 0]) for name, _ in block.sources}
    return Evidence(SimpleNamespace(), {block.name: block}, nothing | whole)


def found(evidence, **sizes):
    every = CandidateConfig(**dict.fromkeys(CandidateConfig.__dataclass_fields__, 0) | sizes)
    brought = from_evidence(evidence, nothing_blocked(array([0, 0, 0, 0])), every)
    return {name: items.tolist() for name, items in brought.items()}


@pytest.mark.parametrize(("block", "name", "size"), SOURCES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_source_of_counts_brings_its_own_candidates(block, name, size):
    evidence = saying(block, **{name: array([0, 0, 2, 1])})
    assert found(evidence, **{size: 1}) == {size: [[2]]}
    assert found(evidence, **{size: 2}) == {size: [[2, 3]]}
    assert found(evidence) == {}  # of size 0


def test_sources_come_in_the_order_of_their_blocks_and_those_without_an_answer_not_at_all():
    query, popular = (
        saying(QueryBlock, query=array([0, 0, 2, 1])),
        saying(PopularityBlock, task_popularity=array([0, 3, 0, 1])),
    )
    both = Evidence(query.reading, {**query.blocks, **popular.blocks}, {**query.whole, **popular.whole})
    assert list(found(both, query=1, popularity=1).items()) == [("query", [[2]]), ("popularity", [[1]])]
    assert found(saying(QueryBlock), query=1, popularity=1) == {}


def test_two_kinds_of_evidence_of_one_size_are_one_source_in_which_they_take_turns():
    shown = saying(BLOCKS["shown"], query_shown=array([0, 3, 2, 0]), source_shown=array([0, 0, 1, 2]))
    assert found(shown, shown=2) == {"shown": [[1, 3, 2, 2]]}
    assert brought_by(rows([1, 2, 3]), [rows([1, 3, 2, 2])]).tolist() == [[1, 1, 1]]


def test_what_is_blocked_is_no_candidate_of_any_source():
    evidence = saying(QueryBlock, query=array([0, 0, 2, 1]))
    blocked = np.array([[True, False, True, False]])
    brought = from_evidence(evidence, blocked, CandidateConfig(query=1))
    assert {name: items.tolist() for name, items in brought.items()} == {"query": [[3]]}


def test_a_block_that_brings_no_candidates_is_not_asked():
    assert found(saying(LexicalBlock), lexical=2) == {}
    assert found(Evidence(SimpleNamespace(), {"text": BLOCKS["text"]}, {"text": array([0, 1, 2, 3])}), lexical=2) == {}
