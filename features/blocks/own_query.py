"""The user's own earlier uses of the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, binary, dense, floor_log
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class OwnQueryBlock(Block):
    """What the user engaged with for this query before: through the item-item map, and the candidate itself."""

    name = "own_query"
    columns = ("query_affinity", "query_affinity_log", "query_repeat")
    sources = (("query_affinity", "query_affinity"),)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn nothing of its own: the map is shared, and the lists are histories."""
        return cls()

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the affinity of every item, and how often the user engaged with it for this query."""
        return {
            "query_affinity": dense(binary(reading.used) @ reading.known.item_map),
            "query_repeat": dense(reading.used),
        }

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the affinity, its logarithm, and the logarithm of the user's own engagements."""
        affinity = found.at("query_affinity")
        return affinity, floor_log(affinity), np.log1p(found.at("query_repeat"))
