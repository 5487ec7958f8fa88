"""What the source item says: engagements next to it, and its linear affinity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense, floor_log
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class SourceBlock(Block):
    """Co-engagement with the source item, on its own surface and by the histories of users."""

    name = "source"
    columns = ("source_affinity", "source_count")
    sources = (
        ("source", "source"),
        ("source_affinity", "source_affinity"),
    )
    by_item = (("by_source", (0, 1)),)

    by_source: sparse.csr_matrix  # (N + 1, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the engagements next to each source item."""
        return cls(log.source_items)

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the engagements of every item next to the source item, and its row of the item-item map."""
        source = reading.filled.source
        return {
            "source": dense(self.by_source[source]) * reading.known.scale,
            "source_affinity": dense(reading.known.item_map[source]),
        }

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithms of affinity and count."""
        return floor_log(found.at("source_affinity")), np.log1p(found.at("source"))
