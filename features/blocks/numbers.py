"""What blocks reckon with: logarithms with a floor, lifts, cosines, and rows of sparse matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Dense = NDArray[np.float32]
Ints = NDArray[np.int64]

FLOOR = 1e-3
"""Smallest share or affinity whose logarithm is told apart from none."""


def floor_log(values: Dense) -> Dense:
    """Return the logarithm above the floor, shifted so that "none" is 0."""
    return np.asarray(np.log(np.maximum(values, FLOOR) / FLOOR), dtype=np.float32)


def dense(matrix: sparse.csr_matrix) -> Dense:
    """Return a sparse matrix as an array, float32."""
    return np.asarray(matrix.toarray(), dtype=np.float32)


def binary(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return 1 where the matrix is above 0."""
    return sparse.csr_matrix(((matrix.data > 0).astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def mean_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the rows divided by their sums, where these are above 1."""
    total = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)
    return sparse.diags((1 / total).astype(np.float32)) @ matrix


def cosines(vectors: Dense, items: Dense) -> Dense:
    """Return the products (B, N + 1) of unit ``vectors`` (B, E) and those of items; rows of zeros cost no work."""
    found = np.zeros((len(vectors), len(items)), dtype=np.float32)
    some = np.flatnonzero(vectors.any(axis=1))
    found[some] = vectors[some] @ items.T
    return found


def unit(vectors: Dense) -> Dense:
    """Return the rows with length 1; zeros stay."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


def log_lift(count: Dense, total: Dense, share: Dense, prior: float) -> Dense:
    """Return the logarithm (B, L) of a share in a context over the share anywhere; 0 where the context says nothing.

    Args:
        count: (B, L) what the context has of each candidate.
        total: (B, 1) what it has of all.
        share: (B, L) shares anywhere, above 0.
        prior: what the shares anywhere count for when that in the context is smoothed.
    """
    return np.asarray(np.log((count + prior * share) / (total + prior) / share) * (total > 0), dtype=np.float32)
