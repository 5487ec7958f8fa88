"""How often the candidate was shown, engaged with or not; where every row is an engagement there is nothing to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World, count, count_by_task
from features.blocks.numbers import Dense, dense
from features.blocks.reading import Found, Reading
from features.vocabulary import UNKNOWN


@dataclass(frozen=True)
class ShownBlock(Block):
    """Rows that showed the item for the query, next to the source item, in the task and anywhere."""

    name = "shown"
    columns = ("query_shown", "source_shown", "shown", "task_shown")
    sources = (
        ("query_shown", "shown"),
        ("source_shown", "shown"),
    )
    by_item = (("by_task", (1,)), ("by_query", (1,)), ("by_source", (0, 1)))

    by_task: Dense  # (T, N + 1)
    by_query: sparse.csr_matrix  # (K, N + 1)
    by_source: sparse.csr_matrix  # (N + 1, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the rows of pages."""
        rows, sizes = log.pages, log.sizes
        return cls(
            by_task=count_by_task(rows, sizes),
            by_query=count(rows.query, rows.item, (sizes.queries, sizes.items), first=UNKNOWN + 1),
            by_source=count(rows.source, rows.item, (sizes.items, sizes.items), first=1),
        )

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the rows that showed every item for the query, and next to the source item."""
        scale = reading.known.scale
        return {
            "query_shown": dense(self.by_query[reading.query]) * scale,
            "source_shown": dense(self.by_source[reading.filled.source]) * scale,
        }

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithms of the counts."""
        scale = np.float32(found.reading.known.scale)
        task = found.reading.filled.task[:, None]
        return (
            np.log1p(found.at("query_shown")),
            np.log1p(found.at("source_shown")),
            np.log1p(self.by_task.sum(axis=0)[found.candidates] * scale),
            np.log1p(self.by_task[task, found.candidates] * scale),
        )
