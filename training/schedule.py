"""How long a stage trains, and what was chosen."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from training.config import StageConfig


@dataclass(frozen=True)
class Outcome:
    """How long a stage trained, and what its validation said."""

    rounds: int
    """Rounds of the weights that were kept."""
    round: int
    """Steps of a round."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Validation metrics of the kept round; empty where nothing was validated."""

    @property
    def steps(self) -> int:
        """Steps of the weights that were kept."""
        return self.rounds * self.round

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a file holds it."""
        return asdict(self)


class Schedule(NamedTuple):
    """How long a stage may train."""

    batch: int
    """Rows of a step."""
    round: int
    """Steps between two validations."""
    rounds: int
    """Rounds at most."""
    fixed: bool
    """Whether the stage trains for all of them without a validation."""


def schedule(config: StageConfig, rows: int, chosen: Outcome | None = None) -> Schedule:
    """Return the schedule of a stage over ``rows``, sized by the data, or for as long as was ``chosen`` before."""
    batch = max(1, min(config.batch, rows // 4))
    if chosen is not None:
        return Schedule(batch, chosen.round, chosen.rounds, fixed=True)
    epoch = max(1, math.ceil(rows / batch))
    steps = max(1, min(config.max_steps, round(config.max_epochs * epoch)))
    wanted = max(config.min_round, round(epoch / config.rounds_per_epoch), math.ceil(steps / config.max_rounds))
    length = min(wanted, steps)
    return Schedule(batch, length, max(1, steps // length), fixed=False)
