"""A fit that kills itself: ``python -m tests.training.kill_fit DATA OUT CONFIG STAGE ROUND``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from training.fit import fit
from training.settings import read_config


class Killing(Callback):
    """Ends the process, with no chance to tidy up, in the middle of a round."""

    def __init__(self, stage: str, round_: int) -> None:
        self.stage, self.round = stage, round_

    def on_train_batch_start(self, trainer: Trainer, stage: Any, batch: Any, batch_idx: int) -> None:
        if (stage.name, trainer.current_epoch, batch_idx) == (self.stage, self.round, 2):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    data, out, config, stage, round_ = sys.argv[1:]
    fit(Path(data), Path(out), read_config([Path(config)], []), quiet=True, callbacks=(Killing(stage, int(round_)),))
