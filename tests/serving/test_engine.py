from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from serving.engine import Engine, Requests
from serving.ranker import Ranker
from serving.requests import as_requests
from tests.training.worlds import REQUESTS
from unicorn.model import UniCoRn


@pytest.fixture(scope="module")
def engine(ranker: Ranker) -> Engine:
    return ranker.engine


@pytest.fixture(scope="module")
def requests(ranker: Ranker) -> Requests:
    return read(ranker, REQUESTS)


def read(ranker, rows):
    return Requests(*ranker.engine.features.read_requests(as_requests(rows, ranker.tasks)))


def whole(engine: Engine) -> Engine:
    """Return the engine as it ranks a catalogue that is small enough to be ranked whole."""
    serving = replace(engine.config, candidates=replace(engine.config.candidates, everything=1000))
    return replace(engine, config=serving)


def none_excluded(engine):
    return engine.excluded(())


def test_a_small_catalogue_is_ranked_whole(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    candidates = whole(engine).candidates(block, 1)
    assert [set(row[row > 0]) for row in candidates] == [set(np.flatnonzero(~row)) for row in block.blocked]


def test_a_large_catalogue_is_searched(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    candidates = engine.candidates(block, 1)
    assert candidates.shape[1] < engine.features.catalogue.rows - 1
    assert not np.take_along_axis(block.blocked, candidates, axis=1)[candidates > 0].any()
    for row in candidates:
        assert len(set(row[row > 0])) == (row > 0).sum()


def with_sizes(engine, **sizes):
    serving = replace(engine.config, candidates=replace(engine.config.candidates, **sizes))
    return replace(engine, config=serving)


def test_what_is_nearest_in_the_space_is_always_a_candidate(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    near = engine.index.search(block.request.searched, block.blocked, 4)
    candidates = engine.candidates(block, 1)
    for found, listed in zip(near, candidates, strict=True):
        assert set(found) <= set(listed)


def test_candidates_are_what_their_sources_bring(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    brought, found = engine.brought(block), engine.find(block, 1)
    assert list(brought)[:2] == ["space", "query"]
    assert found.further is None
    for row, items in enumerate(found.items):
        assert set(items) - {0} == {item for rows in brought.values() for item in rows[row]} - {0}


def test_a_catalogue_that_is_ranked_whole_has_one_source_and_no_limit(engine, requests):
    small = whole(with_sizes(engine, total=3))
    block = small.prepare(requests, none_excluded(engine))
    found = small.find(block, 100)
    assert list(found.brought) == ["everything"] and found.further is None
    assert (found.items > 0).sum(axis=1).tolist() == (~block.blocked).sum(axis=1).tolist()


@pytest.mark.parametrize("total", [1, 6])
def test_no_request_has_more_candidates_than_the_limit(engine, requests, total):
    block = engine.prepare(requests, none_excluded(engine))
    free, limited = engine.find(block, 1).items, with_sizes(engine, total=total).find(block, 1).items
    assert limited.shape[1] == total
    for before, after in zip(free, limited, strict=True):
        assert set(after) <= set(before) | {0}
        assert (after > 0).sum() == min(total, (before > 0).sum())


def test_a_source_of_size_0_brings_nothing(engine, requests):
    nothing = with_sizes(engine, **dict.fromkeys(vars(engine.config.candidates), 0))
    block = nothing.prepare(requests, none_excluded(engine))
    assert nothing.find(block, 0).items.tolist() == [[0]] * len(REQUESTS)
    assert nothing.rank(requests, none_excluded(engine), 0)[0].shape == (len(REQUESTS), 0)
    items, _ = nothing.rank(requests, none_excluded(engine), 5)  # the space goes on where there are no candidates
    assert (items == nothing.retrieve(requests, none_excluded(engine), 5)[0]).all()


@pytest.mark.parametrize("everything", [0, 1000])
def test_the_threshold_of_a_level_prunes_what_the_space_brings(engine, requests, everything):
    model = copy.deepcopy(engine.model)
    steps = torch.tensor([0.05, 0.2, 0.3, 3.0])
    with torch.no_grad():
        model.space.threshold_steps.copy_(torch.log(torch.expm1(steps)))  # thresholds .05, .25, .55 and 3.55
    without = with_sizes(replace(engine, model=model), **dict.fromkeys(vars(engine.config.candidates), 0))
    sizes = {"everything": everything, "space": 1000}
    block = without.prepare(requests, none_excluded(engine))
    cosine = block.request.vector[:, 0] @ engine.side.vector.T
    allowed = torch.from_numpy(~block.blocked)
    counts = []
    for level, threshold in enumerate((0.05, 0.25, 0.55, 3.55), start=1):
        pruned = replace(without, config=replace(with_sizes(without, **sizes).config, prune_level=level))
        found = pruned.find(block, 30).items
        wanted = allowed & (cosine >= threshold)
        assert [set(row[row > 0]) for row in found] == [set(np.flatnonzero(row)) for row in wanted.numpy()]
        items, _ = pruned.rank(requests, none_excluded(engine), 30)  # nothing follows what is left
        assert (items > 0).sum() == wanted.sum()
        counts.append(int(wanted.sum()))
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0


def test_as_many_items_are_found_as_are_asked_for(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    for count in (1, 20, 30, 1000):
        found = engine.find(block, count)
        own = (found.items > 0).sum(axis=1)
        more = 0 if found.further is None else (found.further.items > 0).sum(axis=1)
        assert (own + more == np.maximum(own, np.minimum(count, (~block.blocked).sum(axis=1)))).all()
        every = engine.candidates(block, count)
        assert [len(set(row) - {0}) for row in every] == list(own + more)
        assert not np.take_along_axis(block.blocked, every, axis=1)[every > 0].any()


def test_a_short_list_is_the_beginning_of_a_long_one(engine, requests):
    excluded = engine.excluded(("recommendation",))
    items, scores = engine.rank(requests, excluded, 1000)
    candidates = engine.find(engine.prepare(requests, excluded), 1).items
    assert items.shape[1] > candidates.shape[1]  # some of them follow the candidates
    for row, (found, score) in enumerate(zip(items, scores, strict=True)):
        assert set(candidates[row]) - {0} == set(found[: (candidates[row] > 0).sum()])
        assert (np.diff(score[found > 0]) <= 0).all()
    for count in (1, 10, 25, 33):
        short_items, short_scores = engine.rank(requests, excluded, count)
        assert (short_items == items[:, :count]).all()
        np.testing.assert_array_equal(short_scores, scores[:, :count])


def test_what_follows_the_candidates_is_in_the_order_of_the_space(engine, requests):
    excluded = none_excluded(engine)
    block = engine.prepare(requests, excluded)
    items, _ = engine.rank(requests, excluded, 1000)
    near, _ = engine.retrieve(requests, excluded, 1000)
    candidates = engine.find(block, 1).items
    for row, found in enumerate(items):
        own = set(candidates[row]) | {0}
        following = [item for item in found if item and item not in own]
        assert following and following == [item for item in near[row] if item not in own]


def test_an_allow_list_is_kept_by_every_source(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    allowed = np.zeros_like(block.blocked)
    allowed[0, [2, 5, 11]] = True
    allowed[1:, 1::2] = True
    filtered = block._replace(blocked=block.blocked | ~allowed)
    found = engine.find(filtered, 100)
    for rows in (found.items, found.further.items, *found.brought.values()):
        assert np.take_along_axis(~filtered.blocked, rows, axis=1)[rows > 0].all()
    assert sorted(engine.candidates(filtered, 100)[0].tolist())[-3:] == [2, 5, 11]
    assert (engine.candidates(filtered, 100)[0] > 0).sum() == 3


def test_nothing_left_after_the_filters_is_an_empty_answer(engine, requests, monkeypatch):
    """The second request has nothing left; the others are answered as ever."""
    blocked = Engine.blocked

    def filtered(engine, rows, exclude_seen):
        found = blocked(engine, rows, exclude_seen)
        found[1] = True
        return found

    excluded = none_excluded(engine)
    before, _ = engine.rank(requests, excluded, 100)
    monkeypatch.setattr(Engine, "blocked", filtered)
    items, scores = engine.rank(requests, excluded, 100)
    assert (items[1] == 0).all() and np.isneginf(scores[1]).all()
    others = np.arange(len(items)) != 1
    assert (items[others] == before[others]).all()
    assert (engine.retrieve(requests, excluded, 10)[0][1] == 0).all()
    assert (whole(engine).rank(requests, excluded, 10)[0][1] == 0).all()


def test_an_item_has_the_same_score_among_few_candidates_and_among_all(engine, requests):
    all_items, all_scores = whole(engine).rank(requests, none_excluded(engine), 100)
    items, scores = engine.rank(requests, none_excluded(engine), 5)
    for row in range(len(items)):
        of = dict(zip(all_items[row], all_scores[row], strict=True))
        assert scores[row] == pytest.approx([of[item] for item in items[row]], rel=1e-5, abs=1e-5)


def test_padding_scores_minus_infinity(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    candidates = np.zeros((len(REQUESTS), 3), dtype=np.int64)
    candidates[:, 1] = 1
    scores = engine.score(block, candidates)
    assert torch.isneginf(scores[:, [0, 2]]).all()
    assert torch.isfinite(scores[:, 1]).all()


def test_padding_among_the_candidates_changes_no_score(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    candidates = np.tile(np.arange(1, 9), (len(REQUESTS), 1))
    padded = np.concatenate([np.zeros((len(REQUESTS), 5), dtype=np.int64), candidates], axis=1)
    torch.testing.assert_close(
        engine.score(block, padded)[:, 5:], engine.score(block, candidates), rtol=1e-5, atol=1e-5
    )


def test_the_order_of_candidates_orders_the_scores(engine, requests):
    block = engine.prepare(requests, none_excluded(engine))
    candidates = np.tile(np.arange(1, 9), (len(REQUESTS), 1))
    order = np.array([3, 0, 7, 1, 2, 6, 5, 4])
    scores = engine.score(block, candidates)
    torch.testing.assert_close(engine.score(block, candidates[:, order]), scores[:, order], rtol=1e-5, atol=1e-5)


def test_retrieval_is_exact(engine, requests):
    items, scores = engine.retrieve(requests, none_excluded(engine), 6)
    block = engine.prepare(requests, none_excluded(engine))
    exact = block.request.searched[:, 0] @ engine.side.indexed.T
    exact[torch.from_numpy(block.blocked)] = -torch.inf
    value, item = exact.topk(6, dim=1)
    assert (np.sort(items, axis=1) == np.sort(item.numpy(), axis=1)).mean() > 0.99  # ties aside
    np.testing.assert_allclose(scores, value, rtol=1e-5, atol=1e-5)


def test_the_space_scores_similarity_and_quality_in_one_product(engine, requests):
    model = copy.deepcopy(engine.model)
    space = model.space
    space.quality_weight.normal_(generator=torch.Generator().manual_seed(0))
    weighted = Engine.build(engine.features, model, engine.config)
    block = weighted.prepare(requests, none_excluded(engine))
    quality = torch.from_numpy(engine.features.statistics.quality.values)
    expected = space.scale.item() * block.request.vector[:, 0] @ weighted.side.vector.T
    expected = expected + space.quality_weight[block.contexts.task] @ quality.T
    torch.testing.assert_close(block.request.searched[:, 0] @ weighted.side.indexed.T, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_requests_of_a_block_do_not_touch_each_other(engine, requests, size):
    excluded = engine.excluded(("recommendation", "similar"))
    items, scores = engine.rank(requests, excluded, 10)
    for start in range(0, len(REQUESTS), size):
        part = slice(start, start + size)
        alone_items, alone_scores = engine.rank(requests.take(part), excluded, 10)
        np.testing.assert_allclose(alone_scores, scores[part], rtol=1e-5, atol=1e-5)
        assert (alone_items == items[part]).all()


def test_a_request_is_the_same_however_its_query_table_was_built(engine, ranker, requests):
    together, _ = engine.contexts(requests)
    for place, request in enumerate(REQUESTS):
        alone, _ = engine.contexts(read(ranker, [request]))
        for name in alone._fields:
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[place]), (request["request_id"], name)


def test_blocks_bound_memory(engine):
    assert engine.block_size == 1024
    small = replace(engine, config=replace(engine.config, block_mb=0))
    assert small.block_size == 1


def test_small_blocks_give_the_same_answers(ranker, engine):
    small = Ranker(replace(engine, config=replace(engine.config, block_mb=0)), ranker.facts)
    one, other = small.rank(list(REQUESTS), 10), ranker.rank(list(REQUESTS), 10)
    assert one.drop("score").equals(other.drop("score"))
    np.testing.assert_allclose(one["score"], other["score"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pairs", [1, 7, 10**9])
def test_lists_scored_in_pieces_get_the_same_scores(ranker, monkeypatch, pairs):
    expected = ranker.rank(list(REQUESTS), 10)
    monkeypatch.setattr("serving.engine._CACHED_PAIRS", pairs)
    found = ranker.rank(list(REQUESTS), 10)
    assert found.drop("score").equals(expected.drop("score"))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5, atol=1e-5)


def test_equal_scores_are_served_in_the_order_of_their_hashes(ranker, monkeypatch):
    monkeypatch.setattr(UniCoRn, "score", lambda *arguments: torch.zeros(arguments[4].shape))
    ids = ranker.items["item_id"].to_list()
    by_hash = [item for _, item in sorted(zip(ranker.engine.ties[1:].tolist(), ids, strict=True))]
    ranked_whole = Ranker(whole(ranker.engine), ranker.facts)
    answer = ranked_whole.rank([{"task": "search"}], len(ids))
    assert answer["item_id"].to_list() == by_hash
    named = ranker.rank([{"task": "search", "candidates": ids}], len(ids))
    assert named["item_id"].to_list() == by_hash
    assert not pl.Series(by_hash).is_sorted()
