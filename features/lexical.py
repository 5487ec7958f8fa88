"""Lexical match: BM25 weights of words in item texts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Lexicon(NamedTuple):
    """What BM25 knows of the texts that it was fitted on. W = words."""

    rarity: NDArray[np.float32]
    """(W,) inverse document frequency of each word."""
    length: NDArray[np.float32]
    """(1,) mean words of a text."""

    @classmethod
    def of(cls, bags: sparse.csr_matrix) -> Lexicon:
        """Return what the texts say whose bags of words are ``bags`` (N + 1, W).

        The inverse document frequency is the non-negative form ``log(1 + (N - n + 0.5) / (n + 0.5))``.
        """
        length = np.asarray(bags.sum(axis=1)).ravel()
        texts = max(int((length > 0).sum()), 1)
        frequency = np.bincount(bags.indices, minlength=bags.shape[1])
        rarity = np.log1p((texts - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        return cls(rarity, np.array([length.sum() / texts], dtype=np.float32))


def bm25_weights(bags: sparse.csr_matrix, lexicon: Lexicon, k1: float = 1.2, b: float = 0.75) -> sparse.csr_matrix:
    """Return BM25 weights (W, N + 1) of words in item texts from their bags (N + 1, W).

    Source: Robertson & Zaragoza 2009.
    """
    length = np.asarray(bags.sum(axis=1), dtype=np.float32).ravel()
    norm = k1 * (1 - b + b * length / max(float(lexicon.length[0]), 1e-6))
    row = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
    weight = lexicon.rarity[bags.indices] * bags.data * (k1 + 1) / (bags.data + norm[row])
    return sparse.csr_matrix((weight, bags.indices, bags.indptr), shape=bags.shape).T.tocsr()
