"""First stage of training: the space, on engaged rows against in-batch, uniform, mined and logged negatives."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from features.store import Features
from serving.assemble import item_tensors
from serving.config import ServingConfig
from serving.engine import Engine
from training.batches import drawn_by
from training.mining import Miner
from training.schedule import Schedule
from training.space_data import SpaceBatch, SpaceData
from training.space_losses import multi_part_hinge, sampled_softmax
from training.stage import Stage
from training.validation import Validation
from unicorn.model import UniCoRn


class Columns(NamedTuple):
    """The items that the rows of a step are held against; the first B are the rows' own targets. C = columns."""

    item: Tensor  # (C,) int64 item rows, 0 = none
    log_weight: Tensor  # (C,) logarithms of how many items a column stands for, -inf = none
    left_out: Tensor  # (B, C) bool, no negative of the row
    hidden_id: Tensor  # (C,) bool
    hidden_graph: Tensor  # (C,) bool, the same for all columns of an item


class SpaceStage(Stage[SpaceBatch]):
    """Trains both towers."""

    def __init__(
        self,
        model: UniCoRn,
        data: SpaceData,
        served: Features,
        serving: ServingConfig,
        plan: Schedule,
        validation: Validation | None,
    ) -> None:
        """Train on ``data``; validate with the features that are ``served``."""
        make = data.batches(plan)
        super().__init__(model, make, plan, data.config, validation, name="space")
        self.data, self.served, self.serving, self.settings = data, served, serving, data.config
        self.items = item_tensors(data.features)
        self.in_batch = torch.from_numpy(data.frequency()) * plan.batch  # (N + 1,) expected targets of a step
        self.memory = torch.zeros(1)
        self.miner = Miner(make, self.settings.hard, self.settings.hard_depth, self.settings.hard_pool)
        self.mined = torch.zeros(0, 0, dtype=torch.int64)  # (steps of the round, M)

    @property
    def part(self) -> nn.Module:
        """The towers."""
        return self.model.space

    def on_train_epoch_start(self) -> None:
        """Refresh the item vectors that histories and source items are read from, and mine for the round."""
        first = self.current_epoch * self.plan.round
        with torch.no_grad():
            self.memory = self.model.space.items(self.items).vector
            if self.settings.hard:
                self.mined = self.miner.mine(self.model.space, self.memory, range(first, first + self.plan.round))

    def loss(self, batch: SpaceBatch) -> Tensor:
        """Return the loss of the batch's rows over the columns that they share."""
        space = self.model.space
        columns = self.columns(batch)
        items = self.items.take(columns.item)
        items = items._replace(
            exposure=items.exposure.masked_fill(columns.hidden_id, 0.0),
            graph=items.graph.masked_fill(columns.hidden_graph[:, None], 0.0),
        )
        vectors = space.items(items).vector  # (C, D)
        contexts = batch.contexts
        source = self.memory[contexts.source] * (contexts.source != 0).unsqueeze(-1)
        context = space.contexts(contexts, source, self.memory).vector  # (B, V, D)
        with torch.autocast("cpu", enabled=False):  # a softmax over thousands needs the digits
            cosine = (context.float() @ vectors.float().T).amax(dim=1)  # (B, C), of the nearest of V vectors
            given = columns.log_weight, columns.left_out, batch.weight
            if self.settings.loss == "hinge":
                return multi_part_hinge(cosine, *given, batch.level, space.thresholds, self.settings.margin)
            return sampled_softmax(space.scale * cosine, *given)

    def columns(self, batch: SpaceBatch) -> Columns:
        """Return targets, uniform, mined and logged negatives of a step, each kind with its weight.

        Targets and uniform ones together are a sample of the catalogue, weighted by how often an item is expected among
        them. Mined ones stand for themselves alone, as do logged zeros, which only their own request is held against.
        No item that was engaged with in the request of a row is a negative of the row.
        """
        hard = self.settings.hard_weight(batch.step)
        mined = self.mined[batch.step % self.plan.round] if hard else batch.target[:0]
        item = torch.cat([batch.target, batch.uniform, mined, batch.zero])
        sampled = len(batch.target) + len(batch.uniform)
        per_item = (1 - hard) * len(batch.uniform) / (self.data.features.catalogue.rows - 1)
        log_weight = torch.zeros(len(item))
        expected = self.in_batch[item[:sampled]] + per_item  # 0 where uniform ones weigh nothing and it is no target
        log_weight[:sampled] = -torch.log(expected.clamp(min=1e-9))
        log_weight[len(batch.target) : sampled] += _log(1 - hard)
        log_weight[sampled : sampled + len(mined)] = _log(hard)
        log_weight[item == 0] = -torch.inf
        rows = len(batch.target)
        left_out = torch.zeros(rows, len(item), dtype=torch.bool)
        left_out[:, len(item) - len(batch.zero) :] = batch.request[:, None] != batch.zero_of
        left_out[self.data.hits(batch.request.numpy(), item.numpy())] = True
        left_out[torch.arange(rows), torch.arange(rows)] = False
        shown = torch.zeros(len(mined), dtype=torch.bool)
        hidden = torch.cat([batch.hidden_id[:sampled], shown, batch.hidden_id[sampled:]])
        drawn = drawn_by(self.data.seed, np.full(len(item), batch.step), item.numpy())
        hidden_graph = torch.from_numpy(drawn < self.data.dropout.graph)
        return Columns(item, log_weight, left_out, hidden, hidden_graph)

    def engine(self) -> Engine:
        """Return the served path with the weights as they are."""
        return Engine.build(self.served, self.model, self.serving)

    def answer(self, engine: Engine, validation: Validation, block: slice) -> NDArray[np.int64]:
        """Return what the space alone finds."""
        return validation.retrieved(engine, block)


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf
