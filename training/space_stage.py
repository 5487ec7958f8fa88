"""First stage of training: the space, by sampled softmax over in-batch and uniform negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from features.events import request_rows
from features.fitting import FittedEvents
from features.imputation import hide_fields
from features.store import Features
from features.vocabulary import UNKNOWN
from serving.assemble import context_tensors, item_tensors
from serving.config import ServingConfig
from serving.engine import Engine
from training.batches import Epochs, drawn_by, generator
from training.config import DropoutConfig, SpaceStageConfig
from training.schedule import Schedule
from training.stage import Stage
from training.validation import Validation
from unicorn.batch import Contexts
from unicorn.model import UniCoRn

_STAGE = 1


class SpaceBatch(NamedTuple):
    """Engaged rows with shared negatives. B = rows, U = uniform negatives."""

    contexts: Contexts
    target: Tensor  # (B,) int64 item rows
    request: Tensor  # (B,) int64 request numbers
    weight: Tensor  # (B,) float32
    negative: Tensor  # (U,) int64 item rows
    hidden_id: Tensor  # (B + U,) bool, the item id is hidden


@dataclass(frozen=True)
class SpaceData:
    """Builds the batches of the space.

    Attributes:
        features: what was fitted on the rows that are trained on.
        fitted: the events, knowing no more than ``features`` does.
        chosen: (R,) positions of the engaged rows that are trained on.
        weight: (R,) weights of these rows, 1 on average.
        config: of the stage.
        dropout: hidden fields.
        seed: of every draw.
    """

    features: Features
    fitted: FittedEvents
    chosen: NDArray[np.int64]
    weight: NDArray[np.float32]
    config: SpaceStageConfig
    dropout: DropoutConfig
    seed: int

    @classmethod
    def build(
        cls,
        features: Features,
        fitted: FittedEvents,
        kept: NDArray[np.bool_],
        config: SpaceStageConfig,
        dropout: DropoutConfig,
        seed: int,
    ) -> SpaceData:
        """Take the engaged rows that are ``kept`` (E,)."""
        rows = fitted.rows
        chosen = np.flatnonzero(kept & (rows.label > 0) & (rows.weight > 0))
        task = rows.task[chosen]
        weight = rows.weight[chosen] * rows.label[chosen]
        weight = weight * task_weights(task, config.task_balance)
        return cls(features, fitted, chosen, (weight / weight.mean()).astype(np.float32), config, dropout, seed)

    def frequency(self) -> NDArray[np.float32]:
        """Return the share (N + 1,) of the rows whose target is the item."""
        items = self.features.catalogue.rows
        return (np.bincount(self.fitted.rows.item[self.chosen], minlength=items) / len(self.chosen)).astype(np.float32)

    @property
    def negatives(self) -> int:
        """Uniform negatives of a step: as configured, but no more than there are items."""
        return min(self.config.negatives, self.features.catalogue.rows - 1)

    def batches(self, plan: Schedule) -> BatchMaker:
        """Return the function from a step to its batch."""
        return BatchMaker(self, Epochs(len(self.chosen), plan.batch, self.seed))


def task_weights(task: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return a weight per row: ``(rows of the largest task / rows of its task) ** balance``."""
    count = np.bincount(task)
    return np.asarray((count.max() / np.maximum(count, 1))[task] ** balance)


@dataclass(frozen=True)
class BatchMaker:
    """From the number of a step to its batch."""

    data: SpaceData
    epochs: Epochs

    def __call__(self, step: int) -> SpaceBatch:
        """Gather the batch of ``step``."""
        data = self.data
        rng = generator(data.seed, _STAGE, 2, step)
        place = self.epochs.rows(step)
        at = data.chosen[place]
        part, past = data.fitted.rows.take(at), data.fitted.past
        end = past.end[at]
        if data.features.config.history_window == "random":
            draw = drawn_by(data.seed, self.epochs.passes(step), part.user)
            end = past.history.earlier_ends(part.user, end, data.features.config.history, draw)
        own = past._replace(end=end, query_end=past.query_end[at])
        rows = hide_fields(request_rows(part, own), vars(data.dropout), rng)
        new = rng.random(len(at)) < data.dropout.user_id
        contexts, _ = context_tensors(data.features, past.history, rows, data.fitted.table, data.fitted.title_row, rng)
        user = torch.from_numpy(new & (rows.user > UNKNOWN))
        negative = rng.integers(1, data.features.catalogue.rows, data.negatives)
        hidden = rng.random(len(at) + len(negative)) < data.dropout.item_id
        return SpaceBatch(
            contexts=contexts._replace(user=torch.where(user, UNKNOWN, contexts.user)),
            target=torch.from_numpy(part.item),
            request=torch.from_numpy(part.request),
            weight=torch.from_numpy(data.weight[place]),
            negative=torch.from_numpy(negative),
            hidden_id=torch.from_numpy(hidden),
        )


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
        super().__init__(model, data.batches(plan), plan, data.config, validation, name="space")
        self.data, self.served, self.serving = data, served, serving
        self.items = item_tensors(data.features)
        in_batch = torch.from_numpy(data.frequency()) * plan.batch
        self.log_expected = torch.log(in_batch + data.negatives / (data.features.catalogue.rows - 1))  # (N + 1,)
        self.memory = torch.zeros(1)

    @property
    def part(self) -> nn.Module:
        """The towers."""
        return self.model.space

    def on_train_epoch_start(self) -> None:
        """Refresh the item vectors that histories and source items are read from."""
        with torch.no_grad():
            self.memory = self.model.space.items(self.items).vector

    def loss(self, batch: SpaceBatch) -> Tensor:
        """Return the sampled softmax over the targets of the batch and the uniform negatives.

        Every logit is corrected by the logarithm of how often its item is expected among the columns (Bengio & Senécal
        2008). Other copies of a row's target, and other targets of its request, are no negatives.
        """
        space = self.model.space
        column = torch.cat([batch.target, batch.negative])  # (B + U,)
        items = self.items.take(column)
        items = items._replace(exposure=items.exposure.masked_fill(batch.hidden_id, 0.0))
        vectors = space.items(items).vector  # (B + U, D)
        contexts = batch.contexts
        source = self.memory[contexts.source] * (contexts.source != 0).unsqueeze(-1)
        context = space.contexts(contexts, source, self.memory).vector  # (B, D)
        with torch.autocast("cpu", enabled=False):  # a softmax over thousands needs the digits
            logits = space.scale * context.float() @ vectors.float().T - self.log_expected[column]  # (B, B + U)
        size = len(batch.target)
        other = ~torch.eye(size, len(column), dtype=torch.bool)
        hit = batch.target.unsqueeze(1) == column  # (B, B + U)
        hit[:, :size] |= batch.request.unsqueeze(1) == batch.request
        logits = logits.masked_fill(hit & other, -torch.inf)
        loss = functional.cross_entropy(logits, torch.arange(size), reduction="none")
        return (loss * batch.weight).mean()

    def engine(self) -> Engine:
        """Return the served path with the weights as they are."""
        return Engine.build(self.served, self.model, self.serving)

    def answer(self, engine: Engine, validation: Validation, block: slice) -> NDArray[np.int64]:
        """Return what the space alone finds."""
        return validation.retrieved(engine, block)
