"""EASE's linear item-item map in closed form, by the inverse of the smaller side."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from features.errors import DataError

LARGEST_SIDE = 25_000
"""Side of the largest matrix that is inverted: 2.5 GB in float32."""
_BLOCK_ELEMENTS = 16_000_000
"""Elements of a dense block beside the inverse."""


class EaseMap(Protocol):
    """Embarrassingly shallow autoencoder (Steck 2019): with P = (XᵀX + λI)⁻¹ a history h is scored h - hP / diag(P)."""

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return scores (D, E) of histories (D, E); zeros where a history holds nothing that X connects."""


def ease_map(x: sparse.csr_matrix, l2: float, name: str = "ease") -> EaseMap:
    """Return the map that is learned from ``x`` (R, E) with the ridge ``l2``.

    A row with a single item says how often that item comes alone: it adds to the diagonal of XᵀX and to nothing else.
    Such rows join the ridge, so that only the others count as rows.

    Args:
        x: a row for each user, or whatever else engages with items.
        l2: λ.
        name: of the baseline, for the error.

    Raises:
        DataError: both sides are larger than what may be inverted.
    """
    several = np.diff(x.indptr) > 1
    alone = np.asarray(x[~several].power(2).sum(axis=0)).ravel()
    ridge = (l2 + alone).astype(np.float32)  # (E,)
    x = x[several]
    rows, items = x.shape
    if min(rows, items) > LARGEST_SIDE:
        raise DataError(
            f"{name}: there are {rows:,} rows and {items:,} items with engagements, and one of both may be at most "
            f"{LARGEST_SIDE:,}. Leave {name} out of the baselines."
        )
    return _RowSide(x, ridge) if rows < items else _ItemSide(x, ridge)


class _RowSide:
    """The map by the inverse of a row-row matrix; no (E, E) matrix is made.

    With D the diagonal ridge, P = D⁻¹ - D⁻¹XᵀKXD⁻¹ with K = (I + XD⁻¹Xᵀ)⁻¹ (Woodbury).
    """

    def __init__(self, x: sparse.csr_matrix, ridge: NDArray[np.float32]) -> None:
        self._ridge = ridge  # (E,)
        self._scaled = x.multiply(1 / ridge).tocsr()  # (R, E) XD⁻¹
        self._inner = _inverse((self._scaled @ x.T).toarray(), np.ones(x.shape[0], dtype=np.float32))  # (R, R) K
        self._diagonal = 1 / ridge - self._own()  # (E,) diag(P)

    def _own(self) -> NDArray[np.float32]:
        """Return the diagonal (E,) of D⁻¹XᵀKXD⁻¹."""
        by_item = self._scaled.T.tocsr()
        own = np.empty(by_item.shape[0], dtype=np.float32)
        width = max(1, _BLOCK_ELEMENTS // max(1, by_item.shape[1]))
        for start in range(0, len(own), width):
            block = by_item[start : start + width]
            own[start : start + width] = np.asarray(block.multiply(block @ self._inner).sum(axis=1)).ravel()
        return own

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return scores (D, E) of histories (D, E)."""
        rows = (history @ self._scaled.T).toarray() @ self._inner  # (D, R) hD⁻¹XᵀK
        out = np.ascontiguousarray((self._scaled.T @ rows.T).T)  # (D, E) h(D⁻¹ - P)
        out /= self._diagonal
        held = history.tocoo()
        out[held.row, held.col] += held.data * (1 - 1 / (self._ridge * self._diagonal))[held.col]  # h - hD⁻¹ / diag(P)
        return np.asarray(out, dtype=np.float32)


class _ItemSide:
    """The map by the inverse of an item-item matrix."""

    def __init__(self, x: sparse.csr_matrix, ridge: NDArray[np.float32]) -> None:
        weights = _inverse((x.T @ x).toarray(), ridge)  # (E, E)
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0.0)
        self._weights = weights

    def apply(self, history: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return scores (D, E) of histories (D, E)."""
        return np.asarray(history @ self._weights, dtype=np.float32)


def _inverse(gram: NDArray[np.float32], diagonal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (gram + diag(diagonal))⁻¹ of a symmetric matrix, overwriting it."""
    gram[np.diag_indices_from(gram)] += diagonal
    return np.asarray(torch.cholesky_inverse(torch.linalg.cholesky(torch.from_numpy(gram))).numpy())
