"""EASE: a linear item-item map in closed form, applied to what the user engaged with in any task."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from features.errors import DataError
from training.evaluation.baselines.base import Baseline, Index, World, distinct_ids, item_counts, user_items

L2 = 200.0
"""Ridge of the published figures on Last.fm."""
LARGEST_SIDE = 25_000
"""Side of the largest matrix that is inverted: 2.5 GB in float32."""


class Ease(Baseline):
    """Embarrassingly shallow autoencoder (Steck 2019), from the distinct user-item pairs of all tasks.

    With P = (XᵀX + λI)⁻¹ a history h is scored h - hP / diag(P). Where users are fewer than items, the inverse is on
    their side, P = (I - XᵀKX) / λ with K = (XXᵀ + λI)⁻¹, and no (N, N) matrix is made. A request without a user, or of
    a user without a history, is served by popularity.
    """

    name = "ease"

    def __init__(self, l2: float = L2) -> None:
        self._l2 = l2

    def fit(self, world: World) -> None:
        """Invert on the smaller side, and keep the history of each user."""
        items = Index(world.items[Col.ITEM])
        self._popularity = item_counts(world.fitted, items)  # (N,)
        self._users = Index(distinct_ids(world.history, Col.USER))
        self._histories = user_items(world.history, self._users, items)  # (H, N)
        users = Index(distinct_ids(world.fitted, Col.USER))
        x = user_items(world.fitted, users, items)  # (U, N)
        self._engaged = np.flatnonzero(np.diff(x.tocsc().indptr))  # (E,) the items of which there is something to learn
        self._map = _map(x[:, self._engaged].tocsr(), self._l2)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the map of each user's history (B, N), or popularity where there is none."""
        out = np.repeat(self._popularity[None, :], len(requests), axis=0)
        user = self._users.rows(requests[Col.USER])  # (B,)
        known = np.flatnonzero(user >= 0)
        distinct, again = np.unique(user[known], return_inverse=True)
        history = self._histories[distinct][:, self._engaged].tocsr()  # (D, E)
        personal = np.diff(history.indptr)[again] > 0  # a history of items that nobody was fitted on says nothing
        found = np.zeros((len(distinct), len(self._popularity)), dtype=np.float32)
        found[:, self._engaged] = self._map.apply(history)
        out[known[personal]] = found[again[personal]]
        return out


class _UserSide:
    """The map by the inverse of a user-user matrix."""

    def __init__(self, x: sparse.csr_matrix, l2: float) -> None:
        inverse = _inverse((x @ x.T).toarray(), l2)  # (U, U)
        self._x = x
        self._projected = np.asarray((x.T @ inverse).T)  # (U, E) = KX, as K is symmetric
        own = np.asarray(x.T.multiply(self._projected.T).sum(axis=1)).ravel()  # (E,) diagonal of XᵀKX
        self._rest = 1 - own  # (E,) λ diag(P)

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return scores (D, E) of histories (D, E): h - (h - hXᵀKX) / (λ diag P)."""
        dense = history.toarray()
        shared = (history @ self._x.T).toarray()  # (D, U)
        return np.asarray(dense - (dense - shared @ self._projected) / self._rest, dtype=np.float32)


class _ItemSide:
    """The map by the inverse of an item-item matrix."""

    def __init__(self, x: sparse.csr_matrix, l2: float) -> None:
        inverse = _inverse((x.T @ x).toarray(), l2)  # (E, E)
        inverse /= -np.diag(inverse).copy()
        np.fill_diagonal(inverse, 0.0)
        self._weights = inverse

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return scores (D, E) of histories (D, E)."""
        return np.asarray(history @ self._weights, dtype=np.float32)


def _map(x: sparse.csr_matrix, l2: float) -> _UserSide | _ItemSide:
    users, items = x.shape
    if min(users, items) > LARGEST_SIDE:
        raise DataError(
            f"ease: there are {users:,} users and {items:,} items with engagements, and one of both may be at most "
            f"{LARGEST_SIDE:,}. Leave ease out of the baselines."
        )
    return _UserSide(x, l2) if users < items else _ItemSide(x, l2)


def _inverse(gram: NDArray[np.float32], l2: float) -> NDArray[np.float32]:
    """Return (gram + l2 I)⁻¹ of a symmetric matrix, overwriting it."""
    gram[np.diag_indices_from(gram)] += l2
    return np.asarray(torch.cholesky_inverse(torch.linalg.cholesky(torch.from_numpy(gram))).numpy())
