"""EASE: a linear item-item map in closed form, applied to what the user engaged with in any task."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Index, Settings, World, distinct_ids, leaving_out, user_items
from training.evaluation.baselines.ease_map import ease_map
from training.evaluation.baselines.personal import Personal

L2 = 200.0
"""Ridge of the published figures on Last.fm."""


class Ease(Personal):
    """EASE from the distinct user-item pairs of all tasks, see ``ease_map``."""

    name = "ease"
    kind = "ease"
    """Baselines that learn the same map share it."""
    grid: ClassVar[tuple[Settings, ...]] = (
        {"l2": L2, "recency": 0.0},
        {"l2": L2, "recency": 0.5},
        {"l2": L2, "recency": 1.0},
        {"l2": 70.0, "recency": 0.0},
        {"l2": 70.0, "recency": 1.0},
        {"l2": 700.0, "recency": 0.0},
        {"l2": 700.0, "recency": 1.0},
    )

    def __init__(self, l2: float = L2, recency: float = 0.0) -> None:
        """Take the ridge ``l2``; a history item weighs ``(1 + later items) ** -recency`` where there is an order."""
        self._l2 = l2
        self.recency = recency

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid; without an order there is no recency."""
        return cls.grid if world.ordered else leaving_out(cls.grid, "recency")

    def learn(self, world: World, items: Index) -> None:
        """Invert on the smaller side."""
        self._map = world.shared(self.kind, self._l2, lambda: ease_map(self.rows(world, items), self._l2, self.name))

    def rows(self, world: World, items: Index) -> sparse.csr_matrix:
        """Return the rows (R, E) that the map is learned from: the users."""
        return user_items(world.fitted, Index(distinct_ids(world.fitted, Col.USER)), items)

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the map of histories (D, E)."""
        return self._map.apply(history)
