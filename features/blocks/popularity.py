"""How much the candidate is engaged with, anywhere and in the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class PopularityBlock(Block):
    """Engagements in all tasks and in the request's own."""

    name = "popularity"
    columns = ("popularity", "task_popularity")
    sources = (("task_popularity", "popularity"),)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn nothing of its own: the counts are shared."""
        return cls()

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the engagements of every item in the task."""
        return {"task_popularity": reading.known.by_task[reading.filled.task] * np.float32(reading.known.scale)}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithms of the counts."""
        return np.log1p(found.popularity), np.log1p(found.at("task_popularity"))
