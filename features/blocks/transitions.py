"""What others engaged with soon after what the user engaged with last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense, floor_log
from features.blocks.reading import Found, Reading
from features.transitions import apply_transitions, fit_transitions

_LATEST = 20
"""Last items of a history that are read."""


@dataclass(frozen=True)
class TransitionBlock(Block):
    """Transitions from the last items of an ordered history; nothing without an order, where nothing comes after."""

    name = "transitions"
    columns = ("transition", "transition_log")
    sources = (("transition", "transitions"),)
    by_item = (("follows", (0, 1)),)

    follows: sparse.csr_matrix  # (N + 1, N + 1) rows are what came before

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count who follows whom in the users' engagements."""
        items = log.sizes.items
        if not log.ordered:
            return cls(sparse.csr_matrix((items, items), dtype=np.float32))
        rows = log.in_order
        return cls(fit_transitions(rows.user, rows.item, rows.request, items))

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return how much every item follows the user's last ones."""
        return {"transition": dense(apply_transitions(reading.latest(_LATEST), self.follows))}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the weight and its logarithm."""
        weight = found.at("transition")
        return weight, floor_log(weight)
