"""A linear item-item map: what a history of engagements says about every other item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

_BLOCK_ELEMENTS = 16_000_000
"""Largest dense block that is held while the map is made sparse."""


def fit_affinity(user_items: sparse.csr_matrix, l2: float, keep: int, largest: int, seed: int) -> sparse.csr_matrix:
    """Return the item-item map B (N, N), rows are history items, columns candidates; the diagonal is zero.

    B minimises ``|X - XB|² + l2 |B|²`` under a zero diagonal (EASE, Steck 2019), in closed form: with
    ``P = (XᵀX + l2 I)⁻¹``, ``B = I - P / diag(P)``. Where users are fewer than items the inverse is taken on the user
    side (Woodbury), ``P = (I - Xᵀ (l2 I + XXᵀ)⁻¹ X) / l2``, which never holds an (N, N) matrix. Each column keeps its
    ``keep`` largest weights by magnitude.

    Args:
        user_items: X (U, N), 1 where the user engaged with the item.
        l2: the ridge; larger is smoother.
        keep: weights kept for a candidate.
        largest: the largest matrix side that is inverted; with more users *and* items a seeded sample of so many users
            stands for all.
        seed: of that sample.
    """
    x = user_items.astype(np.float32)
    x = x[np.diff(x.indptr) > 0]
    if x.shape[0] > largest and x.shape[1] > largest:
        chosen = np.random.default_rng(seed).choice(x.shape[0], largest, replace=False)
        x = x[np.sort(chosen)]
    if x.shape[0] == 0:
        return sparse.csr_matrix((x.shape[1], x.shape[1]), dtype=np.float32)
    return _user_side(x, l2, keep) if x.shape[0] < x.shape[1] else _item_side(x, l2, keep)


def _inverse(gram: NDArray[np.float32], l2: float) -> NDArray[np.float32]:
    """Return (gram + l2 I)⁻¹ of a symmetric matrix, overwriting it."""
    gram[np.diag_indices_from(gram)] += l2
    factor = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)[0]
    inverse = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)[0]
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(inverse, -1).T, dtype=np.float32)


def _user_side(x: sparse.csr_matrix, l2: float, keep: int) -> sparse.csr_matrix:
    inverse = _inverse((x @ x.T).toarray(), l2)  # (U, U)
    by_item = x.T.tocsr()  # (N, U)
    projected = (by_item @ inverse).T  # (U, N) = inverse @ x, as the inverse is symmetric
    own = np.asarray(by_item.multiply(projected.T).sum(axis=1)).ravel()  # (N,) diagonal of Xᵀ inverse X
    width = max(1, _BLOCK_ELEMENTS // x.shape[1])
    parts = []
    for start in range(0, x.shape[1], width):
        columns = slice(start, min(start + width, x.shape[1]))
        block = (by_item @ projected[:, columns]) / np.maximum(1 - own[columns], 1e-6)  # (N, width)
        parts.append(_strongest(block.T, columns.start, keep))
    return sparse.vstack(parts).T.tocsr()


def _item_side(x: sparse.csr_matrix, l2: float, keep: int) -> sparse.csr_matrix:
    precision = _inverse((x.T @ x).toarray(), l2)  # (N, N)
    weights = -precision / np.diag(precision)[None, :]
    return sparse.csr_matrix(_strongest(weights.T, 0, keep).T.tocsr())


def _strongest(candidates: NDArray[np.float32], first: int, keep: int) -> sparse.csr_matrix:
    """Return the ``keep`` largest weights by magnitude of each row, its own (item ``first`` + row) left out."""
    rows, items = candidates.shape
    candidates[np.arange(rows), first + np.arange(rows)] = 0.0
    if keep < items:
        kept = np.argpartition(np.abs(candidates), items - keep, axis=1)[:, items - keep :]
    else:
        kept = np.broadcast_to(np.arange(items), (rows, items))
    kept = np.sort(kept, axis=1)
    values = np.take_along_axis(candidates, kept, axis=1)
    indptr = np.arange(rows + 1, dtype=np.int64) * kept.shape[1]
    matrix = sparse.csr_matrix((values.ravel(), kept.ravel().astype(np.int32), indptr), shape=(rows, items))
    matrix.eliminate_zeros()
    return matrix
