"""The user's linear affinity: what all that the user engaged with says about the candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, binary, dense, floor_log
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class AffinityBlock(Block):
    """The user's history through the item-item map."""

    name = "affinity"
    columns = ("affinity", "affinity_log")
    sources = (("affinity", "affinity"),)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn nothing of its own: the map is shared."""
        return cls()

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the affinity of every item."""
        return {"affinity": dense(binary(reading.past) @ reading.known.item_map)}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the affinity and its logarithm."""
        affinity = found.at("affinity")
        return affinity, floor_log(affinity)
