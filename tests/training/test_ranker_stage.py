from __future__ import annotations

import numpy as np
import pytest
import torch

from serving.config import ServingConfig
from serving.engine import Engine
from tests.training.prepared import STAGE, Prepared
from training.ranker_stage import RankerStage
from training.schedule import Schedule

PLAN = Schedule(batch=16, round=2, rounds=1, fixed=True)


@pytest.fixture(scope="module", params=[True, False], ids=["ordered", "set"])
def prepared(request, tiny_encoder):
    """With room for whole histories: of a longer one without order, training reads a part by chance."""
    return Prepared(tiny_encoder, ordered=request.param, history=100)


@pytest.fixture(scope="module")
def lists(prepared):
    return prepared.lists()


def make_stage(prepared, lists, user_dropout=0.0):
    served = prepared.features
    arguments = (prepared.model, prepared.blind, lists, user_dropout, served, ServingConfig(), STAGE, PLAN, None, 0)
    stage = RankerStage(*arguments)
    generator = torch.Generator().manual_seed(1)
    torch.nn.init.normal_(stage.model.ranker.out.weight, generator=generator)
    return stage


@pytest.fixture(scope="module")
def stage(prepared, lists):
    return make_stage(prepared, lists)


@pytest.mark.parametrize("step", range(3))
def test_the_loss_is_the_cross_entropy_of_the_scores_that_would_be_served(prepared, lists, stage, step):
    """One path: what training scores is what the engine scores, with the same features."""
    at = stage.make.epochs.rows(step)
    batch = stage.make(step)
    engine = Engine.build(prepared.blind, stage.model, ServingConfig())
    block = engine.prepare(lists.requests.take(at), engine.excluded(()))
    logits = engine.score(block, lists.item[at].astype(np.int64)).double()
    total, weight = 0.0, 0.0
    for row, place in zip(logits, at, strict=True):
        for logit, item, label, own in zip(
            row, lists.item[place], lists.label[place], lists.weight[place], strict=True
        ):
            if item:
                probability = torch.sigmoid(logit if label else -logit)
                total -= float(own) * float(torch.log(probability))
                weight += float(own)
    assert stage.loss(batch).item() == pytest.approx(total / weight, rel=1e-5)


def test_padding_adds_nothing(stage):
    batch = stage.make(0)
    padded = batch._replace(
        item=torch.nn.functional.pad(batch.item, (0, 3)),
        label=torch.nn.functional.pad(batch.label, (0, 3), value=1.0),
        weight=torch.nn.functional.pad(batch.weight, (0, 3), value=100.0),
        pairs=torch.nn.functional.pad(batch.pairs, (0, 0, 0, 3), value=1e6),
    )
    assert stage.loss(padded).item() == pytest.approx(stage.loss(batch).item(), rel=1e-6)


def test_features_are_standardised_over_what_is_real(stage):
    """What varies has about mean 0 and deviation 1; what is the same everywhere is left out."""
    numbers, raw = [], []
    with torch.no_grad():
        for step in range(6):
            batch = stage.make(step)
            request = stage.model.encode_requests(batch.contexts, stage.vector)
            hidden = torch.zeros(*batch.item.shape, stage.model.config.ranker.hidden)
            real = batch.item != 0
            raw.append(stage._raw(request.vector, batch))
            numbers.append(stage.model.ranker.first(request, stage.vector[batch.item], hidden, raw[-1])[1][real])
            raw[-1] = raw[-1][real]
    standard, spread = torch.cat(numbers), torch.cat(raw).std(dim=0, correction=0)
    varied = spread > 0.05
    assert varied.sum() > 5
    assert standard[:, varied].mean(dim=0).abs().max() < 0.3
    assert standard[:, varied].std(dim=0).tolist() == pytest.approx([1.0] * int(varied.sum()), abs=0.3)
    assert not standard[:, spread == 0].any()


def test_the_towers_stand_still(stage):
    stage.loss(stage.make(0)).backward()
    assert all(parameter.grad is None for parameter in stage.model.space.parameters())
    assert all(parameter.grad is not None for parameter in stage.trained())


def test_a_batch_is_a_function_of_its_step(prepared, lists, stage):
    again = make_stage(prepared, lists)
    for left, right in zip(
        [*stage.make(4).contexts, *stage.make(4)[1:]], [*again.make(4).contexts, *again.make(4)[1:]], strict=True
    ):
        assert torch.equal(left, right)


def test_a_user_may_be_new_and_keep_the_history(prepared, lists):
    batch = make_stage(prepared, lists, user_dropout=1.0).make(0)
    assert set(batch.contexts.user.tolist()) <= {0, 1}
    assert (batch.contexts.history != 0).any()


def test_the_average_is_what_is_validated_and_kept(prepared, lists):
    stage = make_stage(prepared, lists)
    weight = stage.model.ranker.out.weight
    with torch.no_grad():
        weight.fill_(1.0)
    stage.on_train_batch_end(None, None, 0)  # the first step is the average
    with torch.no_grad():
        weight.fill_(3.0)
    stage.on_train_batch_end(None, None, 1)
    average = 1.0 + (1 - 2 / 11) * 2.0  # after one step it keeps (1 + 1) / (10 + 1) of itself
    with torch.no_grad():
        weight.fill_(5.0)
    stage.on_validation_start()
    assert stage.model.ranker.out.weight.flatten().tolist() == pytest.approx([average] * weight.numel())
    stage.on_validation_epoch_end()
    assert (stage.model.ranker.out.weight == 5.0).all()  # training goes on from where it was
    stage.settle()
    assert stage.model.ranker.out.weight.flatten().tolist() == pytest.approx([average] * weight.numel())
