"""Transition kNN: what others engaged with soon after what the user engaged with last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Index, Settings, World, distinct_ids, in_order
from training.evaluation.baselines.personal import Personal

WINDOW = 20
"""Engagements after an item that count as its followers."""


class Transitions(Personal):
    """Transitions between the items of a user's ordered engagements, in any task.

    An item that comes ``distance`` engagements after another counts ``distance ** -fall`` for it, up to ``WINDOW``. The
    sum T_ij over all users is divided by ``out_i ** source``, of what follows i, and by ``in_j ** popularity``, of what
    j follows. An item's score is the sum of T over the history, whose items weigh ``1 / (1 + later items)``. Where
    histories have no order, every request is served by popularity.
    """

    name = "transitions"
    recency = 1.0
    grid = (
        {"fall": 0.5, "source": 0.5, "popularity": 0.0},
        {"fall": 0.5, "source": 0.75, "popularity": 0.25},
        {"fall": 0.5, "source": 1.0, "popularity": 0.0},
        {"fall": 0.5, "source": 1.0, "popularity": 0.25},
        {"fall": 1.0, "source": 0.5, "popularity": 0.0},
        {"fall": 1.0, "source": 0.75, "popularity": 0.25},
        {"fall": 1.0, "source": 1.0, "popularity": 0.0},
        {"fall": 1.0, "source": 1.0, "popularity": 0.25},
    )

    def __init__(self, fall: float = 0.5, source: float = 0.5, popularity: float = 0.0) -> None:
        """Take the exponents of the distance, and of the normalisation by either item."""
        self._fall = fall
        self._source = source
        self._popularity_exponent = popularity

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid; without an order there is nothing to choose."""
        return cls.grid if world.ordered else cls.grid[:1]

    def learn(self, world: World, items: Index) -> None:
        """Count who follows whom."""
        count = world.shared("transitions", self._fall, lambda: transition_counts(world, items, self._fall))
        followed = _power(np.asarray(count.sum(axis=1)).ravel(), -self._source)
        follows = _power(np.asarray(count.sum(axis=0)).ravel(), -self._popularity_exponent)
        self._weights = sparse.csr_matrix(sparse.diags(followed) @ count @ sparse.diags(follows), dtype=np.float32)

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the weights of what follows histories (D, E), (D, E)."""
        return np.asarray((history @ self._weights).toarray(), dtype=np.float32)


def transition_counts(world: World, items: Index, fall: float) -> sparse.csr_matrix:
    """Return how much each item (E, E) follows each other in ``world.fitted``; nothing where there is no order."""
    shape = (len(items), len(items))
    total = sparse.csr_matrix(shape, dtype=np.float32)
    if not world.ordered:
        return total
    rows = in_order(world.fitted)
    user = Index(distinct_ids(rows, Col.USER)).rows(rows[Col.USER])
    item = items.rows(rows[Col.ITEM])
    known = np.flatnonzero((user >= 0) & (item >= 0))
    known = known[np.argsort(user[known], kind="stable")]
    user, item = user[known], item[known]
    for distance in range(1, WINDOW + 1):
        pair = (user[distance:] == user[:-distance]) & (item[distance:] != item[:-distance])
        weight = np.full(int(pair.sum()), float(distance) ** -fall, dtype=np.float32)
        total = total + sparse.csr_matrix((weight, (item[:-distance][pair], item[distance:][pair])), shape=shape)
    return sparse.csr_matrix(total)


def _power(values: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    """Return ``values ** exponent``, 0 where there is nothing."""
    return np.where(values > 0, np.maximum(values, 1e-9) ** exponent, 0.0).astype(np.float32)
