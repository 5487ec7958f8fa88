"""Whether the user engaged with the candidate before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class RepeatBlock(Block):
    """The user's own engagements with the candidate; without an order once at most, for a history is a set then."""

    name = "repeat"
    columns = ("repeat",)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn nothing of its own: histories are read."""
        return cls()

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return how often the user engaged with every item."""
        return {"repeat": dense(reading.past)}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithm of the count."""
        return (np.log1p(found.at("repeat")),)
