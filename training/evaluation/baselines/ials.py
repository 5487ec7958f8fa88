"""iALS: factors of users and items by alternating least squares, with a confidence in what was engaged with."""

from __future__ import annotations

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from features.columns import Col
from training.evaluation.baselines.base import Index, World, distinct_ids, user_items
from training.evaluation.baselines.personal import Personal

ITERATIONS = 15
SEED = 0


class Ials(Personal):
    """Implicit-feedback matrix factorisation (Hu, Koren & Volinsky 2008), from the package ``implicit``.

    A user is whoever has the history that is asked for: its factor is solved for from the history and the items'
    factors, so that a user who was not fitted is served like the others.
    """

    name = "ials"
    grid = (
        {"factors": 128, "alpha": 5.0, "l2": 10.0},
        {"factors": 128, "alpha": 1.0, "l2": 10.0},
        {"factors": 128, "alpha": 20.0, "l2": 10.0},
        {"factors": 128, "alpha": 20.0, "l2": 50.0},
        {"factors": 64, "alpha": 1.0, "l2": 10.0},
        {"factors": 64, "alpha": 5.0, "l2": 10.0},
    )

    def __init__(self, factors: int = 128, alpha: float = 5.0, l2: float = 10.0) -> None:
        """Take the width, the confidence ``alpha`` in an engagement, and the ridge ``l2``."""
        self._factors = factors
        self._alpha = alpha
        self._l2 = l2

    def learn(self, world: World, items: Index) -> None:
        """Alternate from seeded factors."""
        x = user_items(world.fitted, Index(distinct_ids(world.fitted, Col.USER).sort()), items)
        with threadpool_limits(1, "blas"):  # or each small product waits for threads, of which implicit warns
            self._model = AlternatingLeastSquares(
                factors=self._factors,
                alpha=self._alpha,
                regularization=self._l2,
                iterations=ITERATIONS,
                num_threads=1,
                random_state=SEED,
            )
            self._model.fit(x, show_progress=False)

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the products (D, E) of the items' factors with those of histories (D, E)."""
        found = self._model.recalculate_user(np.arange(history.shape[0]), history)  # (D, F)
        return np.asarray(found @ self._model.item_factors.T, dtype=np.float32)
