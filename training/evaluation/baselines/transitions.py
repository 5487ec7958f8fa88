"""Transition kNN: what others engaged with soon after what the user engaged with last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Index, Settings, World, distinct_ids, in_order
from training.evaluation.baselines.personal import Personal

BACKWARD = 0.1
"""What coming before counts, beside coming after; chosen on valid of the sets of TokenRec."""


class Transitions(Personal):
    """Transitions between the items of a user's ordered engagements, in any task.

    An item that comes ``distance`` engagements after another, up to ``window``, counts ``distance ** -fall`` for it;
    the other counts ``BACKWARD`` times that for the first, as events of one moment have an order by chance. The sum
    T_ij over all users is divided by ``out_i ** source``, where out is its sum over j, and by ``in_j ** popularity``,
    where in is its sum over i. An item's score is the sum of T over the history, whose items weigh
    ``(1 + later items) ** -recency``. Where histories have no order, every request is served by popularity.
    """

    name = "transitions"
    grid = tuple(
        {"window": window, "fall": fall, "source": source, "popularity": popularity, "recency": recency}
        for window, fall in ((20, 1.0), (50, 0.5))
        for source, popularity in ((0.75, 0.25), (0.5, 0.0))
        for recency in (1.0, 0.5)
    )

    def __init__(
        self,
        window: int = 20,
        fall: float = 1.0,
        source: float = 0.75,
        popularity: float = 0.25,
        recency: float = 1.0,
    ) -> None:
        """Take the window, and the exponents of distance, of the normalisation by either item, and of age."""
        self._window, self._fall = window, fall
        self._source, self._target = source, popularity
        self.recency = recency

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid; without an order there is nothing to choose."""
        return cls.grid if world.ordered else ({},)

    def learn(self, world: World, items: Index) -> None:
        """Count who follows whom."""
        count = world.shared("transitions", (self._window, self._fall), lambda: self._counted(world, items))
        followed = _power(np.asarray(count.sum(axis=1)).ravel(), -self._source)
        follows = _power(np.asarray(count.sum(axis=0)).ravel(), -self._target)
        self._weights = sparse.csr_matrix(sparse.diags(followed) @ count @ sparse.diags(follows), dtype=np.float32)

    def _counted(self, world: World, items: Index) -> sparse.csr_matrix:
        after = transition_counts(world, items, self._window, self._fall)
        return sparse.csr_matrix(after + BACKWARD * after.T)

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the weights (D, E) of what follows histories (D, E)."""
        return np.asarray((history @ self._weights).toarray(), dtype=np.float32)


def transition_counts(world: World, items: Index, window: int, fall: float) -> sparse.csr_matrix:
    """Return how much each item (rows, E) is followed by each other (E); nothing where there is no order."""
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
    for distance in range(1, window + 1):
        pair = (user[distance:] == user[:-distance]) & (item[distance:] != item[:-distance])
        weight = np.full(int(pair.sum()), float(distance) ** -fall, dtype=np.float32)
        total = total + sparse.csr_matrix((weight, (item[:-distance][pair], item[distance:][pair])), shape=shape)
    return sparse.csr_matrix(total)


def _power(values: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    """Return ``values ** exponent``, 0 where there is nothing."""
    return np.where(values > 0, np.maximum(values, 1e-9) ** exponent, 0.0).astype(np.float32)
