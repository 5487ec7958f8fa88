"""What a model answers while it is trained."""

from __future__ import annotations

from typing import Any

import polars as pl
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from serving.ranker import Ranker
from serving.run import RunFacts
from tests.training.worlds import REQUESTS

TOP_K = 8


class Overhearing(Callback):
    """Asks the engine of every validation, from inside the trainer."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], pl.DataFrame] = {}

    def on_validation_batch_start(
        self, trainer: Trainer, stage: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        ranker = Ranker(stage._engine, RunFacts("", "", ()))
        self.answers[stage.name, trainer.current_epoch] = ranker.rank(REQUESTS, TOP_K, ())


class Failing(Callback):
    """Fails in the second round of a stage."""

    class Error(Exception):
        pass

    def __init__(self, stage: str = "ranker") -> None:
        self.stage = stage

    def on_train_epoch_start(self, trainer: Trainer, stage: Any) -> None:
        if stage.name == self.stage and trainer.current_epoch == 1:
            raise self.Error
