"""What is switched off in ``features.use`` is neither fitted nor told, and nothing else changes."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
import torch

from features.blocks.registry import BLOCKS, pair_columns
from features.config import UseConfig
from features.statistics import save_statistics
from features.store import load_features, save_features
from serving.assemble import context_tensors, item_tensors, model_sizes
from serving.config import ServingConfig
from serving.engine import Engine, Requests
from tests.features.blocks.contract_world import KINDS, SCORES, USERS, asked, catalogue, log
from tests.features.feature_world import EVERYTHING, fit, told
from unicorn.config import ModelConfig, RankerConfig, SpaceConfig
from unicorn.model import UniCoRn

SWITCHES = tuple(field.name for field in fields(UseConfig))
ITEMS = {
    "text": {"text"},
    "ngrams": {"tokens"},
    "category": {"category"},
    "countries": {"countries"},
    "quality": {"quality", "quality_missing"},
}
"""What is zero in the items where a switch is off."""
CONTEXTS = {
    "text": {"static"},
    "ngrams": {"tokens"},
    "countries": {"country"},
    "history": {"history", "ages"},
    "user": {"user"},
}
"""What is zero in the requests where a switch is off."""
MAPPED = ("affinity", "own_query", "source")
"""Blocks that read the item-item map."""


@cache
def world(encoder, *off):
    use = replace(EVERYTHING, **dict.fromkeys(off, False))
    return fit(catalogue(), log(ordered=True), encoder, users=USERS, scores=SCORES, use=use)[0]


def tensors(features):
    rows, table, title_row = asked(features, *KINDS)
    contexts, _ = context_tensors(features, features.history, rows, table, title_row)
    return item_tensors(features)._asdict(), contexts._asdict()


@pytest.mark.parametrize("name", SWITCHES)
def test_what_is_off_is_zero_for_the_model_and_all_else_as_it_was(tiny_encoder, name):
    every, without = (tensors(world(tiny_encoder, *off)) for off in ((), (name,)))
    for one, two, zero in zip(every, without, (ITEMS, CONTEXTS), strict=True):
        gone = zero.get(name, set())
        assert gone <= one.keys() == two.keys()
        for field, tensor in one.items():
            other = two[field]
            assert other.dtype == tensor.dtype
            if (name, field) == ("graph_part", "graph"):
                assert tensor.any() and other.shape == (len(tensor), 0)
            elif field in gone:
                assert tensor.any() and not other.any() and other.shape == tensor.shape
            else:
                assert torch.equal(tensor, other), field


@pytest.mark.parametrize("name", SWITCHES)
def test_what_is_off_is_absent_from_the_columns_and_all_else_as_it_was(tiny_encoder, name):
    every, without = (world(tiny_encoder, *off) for off in ((), (name,)))
    (pairs, facts), (left, facts_left) = (told(one, *asked(one, *KINDS)) for one in (every, without))
    columns = pair_columns(every.config.use)
    kept = [place for place, column in enumerate(columns) if name not in BLOCKS or column not in BLOCKS[name].columns]
    assert pair_columns(without.config.use) == tuple(columns[place] for place in kept)
    np.testing.assert_array_equal(left, pairs[:, :, kept])
    assert model_sizes(without).pairs == len(kept)
    if name == "query":  # which says how often a query was engaged with
        np.testing.assert_array_equal(facts_left[:, 1:4], facts[:, 1:4])
        assert facts[:, [0, 4]].any() and not facts_left[:, [0, 4]].any()
    else:
        np.testing.assert_array_equal(facts_left, facts)


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_off_is_not_fitted(tiny_encoder, tmp_path, name):
    statistics = world(tiny_encoder, name).statistics
    assert name not in statistics.blocks
    save_statistics(statistics, tmp_path)
    assert not (tmp_path / "blocks" / name).exists()


def test_the_item_map_is_fitted_where_some_block_reads_it(tiny_encoder):
    whole = world(tiny_encoder).statistics.item_map
    for name in MAPPED:
        found = world(tiny_encoder, *(other for other in MAPPED if other != name)).statistics.item_map
        np.testing.assert_array_equal(found.toarray(), whole.toarray())
    assert whole.nnz and world(tiny_encoder, *MAPPED).statistics.item_map.nnz == 0


def test_graph_vectors_are_fitted_where_the_tower_or_the_block_reads_them(tiny_encoder):
    whole, neither = (world(tiny_encoder, *off).statistics.graph for off in ((), ("graph", "graph_part")))
    for name in ("graph", "graph_part"):
        np.testing.assert_array_equal(world(tiny_encoder, name).statistics.graph, whole)
    assert whole.any() and neither.shape == (len(whole), 0)


def test_what_is_read_from_disk_becomes_the_same_tensors_without_a_warning(tiny_encoder, tmp_path):
    features = world(tiny_encoder)
    save_features(features, tmp_path)
    loaded = load_features(tmp_path, features.config)
    for one, two in zip(tensors(loaded), tensors(features), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in two)


@pytest.mark.parametrize("off", [(), SWITCHES], ids=["everything", "nothing"])
def test_a_model_ranks_with_everything_and_with_nothing_on(tiny_encoder, off):
    features = world(tiny_encoder, *off)
    torch.manual_seed(0)
    small = ModelConfig(space=SpaceConfig(width=8), ranker=RankerConfig(hidden=8, cross_rank=2))
    engine = Engine.build(features, UniCoRn(model_sizes(features), small).eval(), ServingConfig())
    requests = Requests(*asked(features, *KINDS))
    block = engine.prepare(requests, np.zeros(3, dtype=bool))
    candidates = engine.candidates(block, 0)
    assert candidates.any(axis=1).all()
    scores = engine.score(block, candidates)
    assert np.isfinite(np.asarray(scores)[candidates > 0]).all()
