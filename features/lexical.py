"""Lexical match: BM25 weights of words in item texts."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def bm25_weights(bags: sparse.csr_matrix, k1: float = 1.2, b: float = 0.75) -> sparse.csr_matrix:
    """Return BM25 weights (W, N + 1) of words in item texts from their bags (N + 1, W).

    The inverse document frequency is the non-negative form ``log(1 + (N - n + 0.5) / (n + 0.5))``. Source: Robertson &
    Zaragoza 2009.
    """
    bags = bags.tocsr().astype(np.float32)
    length = np.asarray(bags.sum(axis=1)).ravel()
    texts = max(int((length > 0).sum()), 1)
    norm = k1 * (1 - b + b * length / max(float(length.sum()) / texts, 1e-6))
    frequency = np.bincount(bags.indices, minlength=bags.shape[1])
    rarity = np.log1p((texts - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    row = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
    weight = rarity[bags.indices] * bags.data * (k1 + 1) / (bags.data + norm[row])
    return sparse.csr_matrix((weight, bags.indices, bags.indptr), shape=bags.shape).T.tocsr()
