"""One stage of training under Lightning: rounds of steps, a validation after each, the best round kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from features.encoder import has_bfloat16
from features.errors import DataError
from serving.atomic import replacing
from serving.engine import Engine
from serving.weights import load_weights, save_weights
from training.batches import Rounds, loader
from training.config import StageConfig
from training.schedule import Outcome, Schedule
from training.trainer import WholeCheckpoints, manners
from training.validation import DEPTH, Validation
from unicorn.model import UniCoRn

METRIC = f"valid_ndcg_at_{DEPTH}"
_BLOCK = 256
"""Validation requests that are answered at once."""

Batch = TypeVar("Batch")


class Stage(LightningModule, Generic[Batch]):
    """Trains a part of the model in rounds, and validates on the served path built from its weights."""

    def __init__(
        self,
        model: UniCoRn,
        make: Callable[[int], Batch],
        plan: Schedule,
        config: StageConfig,
        validation: Validation | None,
        *,
        name: str,
    ) -> None:
        """Train ``model`` on the batches that ``make`` builds."""
        super().__init__()
        self.model, self.make, self.plan, self.config, self.validation = model, make, plan, config, validation
        self.name = name
        self._halves = has_bfloat16()
        self.average = AveragedModel(self.part, avg_fn=_averaging(config.averaging))
        self.rounds: list[dict[str, float]] = []
        self._answers: list[NDArray[np.int64]] = []
        self._engine: Engine | None = None

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        raise NotImplementedError

    def engine(self) -> Engine:
        """Return the served path with the weights as they are."""
        raise NotImplementedError

    @property
    def part(self) -> nn.Module:
        """The part of the model that is trained."""
        raise NotImplementedError

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters of this stage."""
        return list(self.part.parameters())

    def answer(self, engine: Engine, validation: Validation, block: slice) -> NDArray[np.int64]:
        """Return the best item rows of a block of validation requests."""
        raise NotImplementedError

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam, at a rate that depends on the step alone: a number of steps means the same wherever it was chosen."""
        adam = torch.optim.Adam(self.trained(), lr=self.config.learning_rate, fused=True)
        rate = torch.optim.lr_scheduler.LambdaLR(adam, self.config.rate_at)
        return {"optimizer": adam, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the current round."""
        return loader(Rounds(self.make, self.current_epoch * self.plan.round, self.plan.round))

    def val_dataloader(self) -> DataLoader[slice]:
        """Return the blocks of the validation requests."""
        blocks = [] if self.validation is None else self.validation.blocks(_BLOCK)
        return loader(Rounds(lambda at: blocks[at], 0, len(blocks)))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a step."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._halves):  # weights and their steps stay float32
            loss = self.loss(batch)
        if not torch.isfinite(loss):
            raise DataError(
                f"{self.name}: the loss of step {self.global_step} is {float(loss)}. Lower "
                f"--training.{self.name}.learning_rate, or look for huge labels and weights in the events."
            )
        self.log(f"{self.name}_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=1)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Take the step into the average."""
        self.average.update_parameters(self.part)

    def on_validation_start(self) -> None:
        """Build the served path once for the validation, with the average of the weights."""
        self._exchange()
        self._engine, self._answers = self.engine(), []

    def validation_step(self, block: slice, batch_idx: int) -> None:
        """Answer a block of requests."""
        if self._engine is not None and self.validation is not None:
            self._answers.append(self.answer(self._engine, self.validation, block))

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the round, and go on with the weights as they were."""
        self._engine = None
        self._exchange()
        if self.validation is None:
            return
        found = self.validation.metrics(np.concatenate(self._answers))
        self.rounds.append(found)
        self.log_dict({f"{self.name}_{name}": value for name, value in found.items() if name != METRIC})
        self.log(f"{self.name}_{METRIC}", found[METRIC], prog_bar=True)

    def _exchange(self) -> None:
        """Put the average of the weights in the place of the weights, and these in its place."""
        for own, average in zip(self.part.parameters(), self.average.module.parameters(), strict=True):
            own.data, average.data = average.data, own.data

    def settle(self) -> None:
        """Keep the average of the weights, at the end."""
        with torch.no_grad():
            for own, average in zip(self.part.parameters(), self.average.module.parameters(), strict=True):
                own.copy_(average)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the metrics of the rounds."""
        checkpoint["rounds"] = self.rounds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the metrics of the rounds back."""
        self.rounds = list(checkpoint["rounds"])


def _averaging(most: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return the moving average that keeps ``most`` of itself in a step, and less in the first steps."""

    def step(average: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        kept = min(most, (1 + int(steps)) / (10 + int(steps)))
        return average.lerp(current, 1 - kept)

    return step


def run_stage(
    stage: Stage[Any],
    folder: Path,
    logger: Logger | None = None,
    *,
    progress: bool = False,
    callbacks: tuple[Callback, ...] = (),
) -> Outcome:
    """Train ``stage``, or go on where ``folder`` says it stopped, and leave the kept weights in its model.

    Args:
        stage: the module and its data; its plan says whether it stops early on its validation or trains a fixed time.
        folder: takes the checkpoints, and in the end the outcome.
        logger: receives the curves.
        progress: whether to show a bar.
        callbacks: more of them.
    """
    done, weights = folder / "outcome.json", folder / "weights.safetensors"
    if done.exists():
        load_weights(stage.model, weights)
        return Outcome(**json.loads(done.read_text()))
    outcome = _train(stage, folder, logger, progress, callbacks)
    save_weights(stage.model, weights)
    with replacing(done) as path:
        path.write_text(json.dumps(outcome.as_json()))
    return outcome


def _train(
    stage: Stage[Any], folder: Path, logger: Logger | None, progress: bool, callbacks: tuple[Callback, ...]
) -> Outcome:
    with manners():
        return _trained(stage, folder, logger, progress, callbacks)


def _trained(
    stage: Stage[Any], folder: Path, logger: Logger | None, progress: bool, callbacks: tuple[Callback, ...]
) -> Outcome:
    metric, validated = f"{stage.name}_{METRIC}", stage.validation is not None and not stage.plan.fixed
    last = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    best = ModelCheckpoint(folder, filename="best", monitor=metric, mode="max", enable_version_counter=False)
    stop = EarlyStopping(metric, mode="max", patience=stage.config.patience, min_delta=stage.config.least_gain)
    bar = (RichProgressBar(console_kwargs={"stderr": True}),) if progress else ()
    monitors = (best, stop) if validated else ()
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=stage.plan.rounds,
        logger=logger or False,
        callbacks=[*monitors, *bar, *callbacks, last],  # in this order: the last checkpoint holds the state of best
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        limit_val_batches=1.0 if validated else 0,
        gradient_clip_val=1.0,
        default_root_dir=folder,
        plugins=[WholeCheckpoints()],
    )
    checkpoint = folder / f"{last.filename}.ckpt"
    before = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else None
    if before is not None and _has_stopped(before, stop):  # Lightning would train one more round
        stage.on_load_checkpoint(before)
    else:
        trainer.fit(stage, ckpt_path=None if before is None else checkpoint, weights_only=True)
    if not validated:
        stage.settle()
        return Outcome(stage.plan.rounds, stage.plan.round)
    state = torch.load(folder / f"{best.filename}.ckpt", weights_only=True)
    stage.load_state_dict(state["state_dict"])
    stage.settle()
    kept = int(state["epoch"]) + 1
    return Outcome(kept, stage.plan.round, stage.rounds[kept - 1])


def _has_stopped(checkpoint: dict[str, Any], stop: EarlyStopping) -> bool:
    """Return whether early stopping had ended the stage when the checkpoint was written."""
    state = checkpoint["callbacks"].get(stop.state_key, {})
    return bool(state.get("wait_count", 0) >= stop.patience)
