from __future__ import annotations

import numpy as np
import pytest
import torch

from features.fitting import fit_features
from serving.assemble import item_tensors, model_sizes
from tests.features.feature_world import TASKS, events, items
from tests.training.test_space_stage import NO_DROPOUT
from tests.training.worlds import config
from training.config import SpaceStageConfig
from training.mining import Miner
from training.schedule import Schedule
from training.space_data import SpaceData
from unicorn.model import UniCoRn

ITEMS = 30
STEPS = range(2, 5)


@pytest.fixture(scope="module")
def world(tiny_encoder):
    """Thirty items; three users engage with ten each, and an anonymous page with two that nobody else takes."""
    table = events(
        user_id=["abc"[row % 3] for row in range(24)] + [None, None],
        item_id=[f"i{row:02}" for row in range(26)],
        order=list(range(26)),
        request_id=[None] * 24 + ["page", "page"],
    )
    catalogue = items(*(f"i{n:02}" for n in range(ITEMS)))
    features, past = fit_features(catalogue, None, table, TASKS, config(tiny_encoder).features, 0)
    data = SpaceData.build(features, past, np.ones(26, dtype=bool), SpaceStageConfig(), NO_DROPOUT, 0)
    torch.manual_seed(0)
    model = UniCoRn(model_sizes(features), config("unused").model)
    torch.nn.init.normal_(model.space.items.shared.item.weight)
    with torch.no_grad():
        vectors = model.space.items(item_tensors(features)).vector
    return data.batches(Schedule(batch=16, round=3, rounds=1, fixed=True)), model.space, vectors


def mined(world, most=8, depth=5, pool=1000):
    make, space, vectors = world
    with torch.no_grad():
        return Miner(make, most, depth, pool).mine(space, vectors, STEPS)


def asked(world, most):
    """The rows of the events that are mined for, (S, M)."""
    make = world[0]
    return np.stack([make.data.chosen[make.epochs.rows(step)[:most]] for step in STEPS])


def test_what_is_mined_is_near_and_never_engaged_with(world):
    make, space, vectors = world
    found = mined(world)
    assert found.shape == (3, 8)
    rows = make.data.fitted.rows
    for step, row, item in zip(*np.nonzero(asked(world, 8) >= 0), found.ravel().tolist(), strict=True):
        at = asked(world, 8)[step, row]
        same = (rows.request == rows.request[at]) | ((rows.user == rows.user[at]) & (rows.user[at] > 1))
        engaged = set(rows.item[same].tolist())
        with torch.no_grad():
            contexts = make.contexts(STEPS[step], NO_DROPOUT, np.random.default_rng(0))
            near = (space.contexts(contexts, torch.zeros(16, vectors.shape[1]), vectors).vector[:, 0] @ vectors.T)[row]
        ranking = [other for other in near.argsort(descending=True).tolist() if other and other not in engaged]
        assert item in ranking[:5]


def test_one_of_the_nearest_is_drawn_and_not_always_the_first(world):
    assert len({tuple(mined(world, depth=5).ravel().tolist()), tuple(mined(world, depth=1).ravel().tolist())}) == 2


def test_mining_is_a_function_of_seed_weights_and_round(world):
    assert torch.equal(mined(world), mined(world))


def test_a_large_catalogue_is_searched_in_part(world):
    """Seven of thirty items are searched, for all requests the same."""
    found = mined(world, most=16, depth=2, pool=7)
    assert 1 < len(set(found.ravel().tolist()) - {0}) <= 7


def test_nothing_is_mined_where_everything_was_engaged_with(tiny_encoder):
    table = events(user_id=["a", "a", "b"], item_id=["i1", "i2", "i2"], order=[0, 1, 2])
    features, past = fit_features(items("i1", "i2"), None, table, TASKS, config(tiny_encoder).features, 0)
    data = SpaceData.build(features, past, np.ones(3, dtype=bool), SpaceStageConfig(), NO_DROPOUT, 0)
    model = UniCoRn(model_sizes(features), config("unused").model)
    with torch.no_grad():
        vectors = model.space.items(item_tensors(features)).vector
        make = data.batches(Schedule(batch=3, round=1, rounds=1, fixed=True))
        found = Miner(make, 3, 5, 100).mine(model.space, vectors, range(1))
    users = past.rows.user[data.chosen[make.epochs.rows(0)]].tolist()
    known = features.known.users.rows(features.known.users.values)
    a, b = known.tolist()
    assert found[0].tolist() == [{a: 0, b: 1}[user] for user in users]
