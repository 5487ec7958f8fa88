"""One stage of training under Lightning: rounds of steps, a validation after each, the best round kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from serving.engine import Engine
from training.batches import Rounds, loader
from training.config import StageConfig
from training.validation import DEPTH, Validation

METRIC = f"valid_ndcg_at_{DEPTH}"


class Schedule(NamedTuple):
    """How long a stage may train."""

    batch: int
    """Rows of a step."""
    round: int
    """Steps between two validations."""
    rounds: int
    """Rounds at most."""


def schedule(config: StageConfig, rows: int) -> Schedule:
    """Return the schedule of a stage over ``rows``, sized by the data."""
    batch = max(1, min(config.batch, rows // 4))
    epoch = max(1, math.ceil(rows / batch))
    steps = max(1, min(config.max_steps, round(config.max_epochs * epoch)))
    wanted = max(config.min_round, round(epoch / config.rounds_per_epoch), math.ceil(steps / config.max_rounds))
    step = min(wanted, steps)
    return Schedule(batch, step, max(1, steps // step))


Batch = TypeVar("Batch")


class Stage(LightningModule, Generic[Batch]):
    """A module trained in rounds; ``engine`` builds the served path from its weights for a validation."""

    def __init__(
        self,
        net: nn.Module,
        make: Callable[[int], Batch],
        plan: Schedule,
        config: StageConfig,
        validation: Validation | None,
        *,
        name: str,
    ) -> None:
        """Train ``net`` on the batches that ``make`` builds."""
        super().__init__()
        self.net, self.make, self.plan, self.config, self.validation = net, make, plan, config, validation
        self.name = name
        self._answers: list[NDArray[np.int64]] = []
        self._engine: Engine | None = None

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        raise NotImplementedError

    def engine(self) -> Engine:
        """Return the served path with the weights as they are."""
        raise NotImplementedError

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters of this stage."""
        return list(self.net.parameters())

    def answer(self, engine: Engine, block: slice) -> NDArray[np.int64]:
        """Return the best item rows of a block of validation requests."""
        raise NotImplementedError

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, at a constant rate, so that a number of steps means the same wherever it was chosen."""
        return torch.optim.Adam(self.trained(), lr=self.config.learning_rate)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the current round."""
        return loader(Rounds(self.make, self.current_epoch * self.plan.round, self.plan.round))

    def val_dataloader(self) -> list[DataLoader[Any]] | DataLoader[Any]:
        """Return the blocks of the validation requests, or nothing."""
        if self.validation is None:
            return []
        size = self._block_size()
        blocks = self.validation.blocks(size)
        return loader(Rounds(lambda at: blocks[at], 0, len(blocks)))

    def _block_size(self) -> int:
        return 256

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a step."""
        loss = self.loss(batch)
        self.log(f"{self.name}_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=1)
        return loss

    def on_validation_start(self) -> None:
        """Build the served path once for the validation."""
        self._engine, self._answers = self.engine(), []

    def validation_step(self, block: slice, batch_idx: int) -> None:
        """Answer a block of requests."""
        if self._engine is None:
            raise RuntimeError("validation has not started")
        self._answers.append(self.answer(self._engine, block))

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the round."""
        self._engine = None
        if self.validation is None or not self._answers:
            return
        found = self.validation.metrics(np.concatenate(self._answers))
        self.log_dict({f"{self.name}_{name}": value for name, value in found.items() if name != METRIC})
        self.log(f"{self.name}_{METRIC}", found[METRIC], prog_bar=True)


@dataclass(frozen=True)
class Outcome:
    """What a stage chose."""

    rounds: int
    """Rounds of the weights that were kept."""
    steps: int
    """Steps of these rounds."""
    metrics: dict[str, float]
    """Validation metrics of the kept round."""


def run_stage(
    stage: Stage[Any],
    folder: Path,
    logger: Logger | None,
    *,
    rounds: int | None = None,
    progress: bool = False,
    callbacks: tuple[Callback, ...] = (),
) -> Outcome:
    """Train ``stage``, resuming from what ``folder`` holds, and leave its best weights in ``stage.net``.

    Args:
        stage: the module and its data.
        folder: of the checkpoints.
        logger: receives the curves.
        rounds: train exactly so many rounds and do not validate (refit); else stop early on the validation.
        progress: whether to show a bar.
        callbacks: more of them.
    """
    chosen = rounds is not None or stage.validation is None
    total = rounds if rounds is not None else stage.plan.rounds
    last = ModelCheckpoint(folder, filename="last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False)
    best = ModelCheckpoint(folder, filename="best", monitor=f"{stage.name}_{METRIC}", mode="max", enable_version_counter=False)
    stop = EarlyStopping(f"{stage.name}_{METRIC}", mode="max", patience=stage.config.patience)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=total,
        logger=logger or False,
        callbacks=[last, *(() if chosen else (best, stop)), *callbacks],
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        limit_val_batches=0 if chosen else 1.0,
        log_every_n_steps=1,
        gradient_clip_val=1.0,
        default_root_dir=folder,
    )
    checkpoint = folder / "last.ckpt"
    trainer.fit(stage, ckpt_path=checkpoint if checkpoint.exists() else None, weights_only=True)
    if chosen:
        return Outcome(total, total * stage.plan.round, {})
    state = torch.load(best.best_model_path, weights_only=True)
    stage.load_state_dict(state["state_dict"])
    kept = int(state["epoch"]) + 1
    score = best.best_model_score
    return Outcome(kept, kept * stage.plan.round, {METRIC: float(score) if score is not None else math.nan})
