"""Graph vectors of items: who asked, which query and which source item led to them, in a few numbers.

Contexts (users, queries, source items) and items are the two sides of one graph, an edge being an engagement. The
vectors are its leading spectral components: their inner products approximate, at the rank ``width``, how much of the
engagement two items draw from the same contexts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from features.vocabulary import MISSING

Dense = NDArray[np.float32]

_ROUNDS = 4
"""Passes over the graph. More do not validate better: exact components turn to small groups of rare items."""
_NOISE = 1e-6
"""A component with less than this share of the strongest one's energy is rounding error."""
_NOTHING = 1e-5
"""A vector as short as this beside unit vectors is rounding error."""
_RIDGE = 1.0
"""Ridge of the map from text, as a number of items."""
_BLOCK = 16_384
"""Items whose texts are read at once; bounds the memory."""


def fit_graph(
    user_items: sparse.csr_matrix,
    query_items: sparse.csr_matrix,
    source_items: sparse.csr_matrix,
    text: Dense,
    width: int,
    seed: int,
) -> Dense:
    """Return graph vectors (N + 1, width) of the items, of unit length; the padding row is zero.

    Each edge is divided by the square roots of the degrees of its two ends, to each of which the mean degree of its
    side is added, so that contexts and items with hardly an edge do not make up components of their own (LightGCN's
    normalisation, He et al. 2020, regularised as by Qin & Rohe 2013). The leading right singular vectors, times the
    square roots of their singular values, come from a randomised subspace iteration (Halko et al. 2011). Their mean,
    which all items share, is taken off; what then is zero tells nothing, such as the vector of an only item.

    An item without an edge takes the vector that its text says by a ridge regression on the items that have both,
    also of unit length; it is zero without a text, or where nothing could be fitted.

    The basis follows from ``seed`` and the graph. Vectors do not depend on the order of users and queries but for
    rounding; fits on other rows are turned into one basis by ``align``.

    Args:
        user_items: (U, N + 1) weights of the edges of users. An edge of weight w counts log2(1 + w), so that one
            engagement counts 1 and repetition ever less; entries that are there twice are added up first.
        query_items: (K, N + 1) likewise of queries.
        source_items: (N + 1, N + 1) likewise of source items. A source item is also an item of its own context, with
            as much weight as all others there, which draws it to what is engaged with next to it.
        text: (N + 1, E) unit text vectors, zeros without a text; E may be 0.
        width: components of a vector; those beyond the rank of the graph are zero.
        seed: of the start of the iteration.
    """
    contexts = _contexts(user_items, query_items, source_items)
    degree = np.asarray(contexts.sum(axis=0), dtype=np.float32).ravel()  # (N + 1,)
    vectors = np.zeros((len(degree), width), dtype=np.float32)
    known = degree > 0
    if known.any():
        found = _unit(_leading(_normalised(contexts, degree), width, seed)[known])
        vectors[known, : found.shape[1]] = _unit(found - found.mean(axis=0))
        fill_from_text(vectors, degree, text)
    return vectors


def align(vectors: Dense, reference: Dense) -> Dense:
    """Return ``vectors`` (N + 1, width) turned to lie as close as can be to ``reference`` of the same shape.

    Lengths and angles among them stay. Source: orthogonal Procrustes problem, Schönemann 1966.
    """
    left, _, right = np.linalg.svd((vectors.T @ reference).astype(np.float64))
    return np.asarray(vectors @ (left @ right), dtype=np.float32)


def mean_vectors(context_items: sparse.csr_matrix, vectors: Dense) -> Dense:
    """Return unit vectors (R, width) of contexts: the mean of their items, weighed by ``context_items`` (R, N + 1).

    Zeros where a context has no item, or only such as have no vector.
    """
    return _unit(context_items.astype(np.float32) @ vectors)


def _contexts(
    user_items: sparse.csr_matrix, query_items: sparse.csr_matrix, source_items: sparse.csr_matrix
) -> sparse.csr_matrix:
    """Return the edges (C, N + 1) of all contexts that have one; padding has none."""
    users, queries, sources = (_damped(matrix) for matrix in (user_items, query_items, source_items))
    own = sparse.diags_array(np.asarray(sources.sum(axis=1)).ravel(), dtype=np.float32)
    edges = sparse.vstack([users, queries, (sources + own).tocsr()[MISSING + 1 :]], format="csr")
    return edges[np.diff(edges.indptr) > 0]


def _damped(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    out = sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
    out.sum_duplicates()
    out.data = np.where(out.indices == MISSING, 0.0, np.log2(1 + out.data)).astype(np.float32)
    out.eliminate_zeros()
    return out


def _normalised(contexts: sparse.csr_matrix, degree: Dense) -> sparse.csr_matrix:
    """Return the edges divided by the square roots of the regularised degrees of both their ends."""
    row = np.asarray(contexts.sum(axis=1), dtype=np.float32).ravel()  # (C,), none of them 0
    left = 1 / np.sqrt(row + row.mean())
    right = 1 / np.sqrt(degree + degree[degree > 0].mean())
    return (sparse.diags_array(left) @ contexts @ sparse.diags_array(right)).tocsr()


def _leading(matrix: sparse.csr_matrix, width: int, seed: int) -> Dense:
    """Return the leading right singular vectors times the square roots of their values, (N + 1, least of both).

    They are left in the basis that the iteration ends in, which small changes of the matrix hardly turn; single
    singular vectors would change sign and order.
    """
    items = matrix.shape[1]
    turned = matrix.T.tocsr()
    basis = np.random.default_rng(seed).standard_normal((items, min(width, items)), dtype=np.float32)
    for _ in range(_ROUNDS):
        basis = linalg.qr(turned @ (matrix @ basis), mode="economic", check_finite=False)[0]
    told = matrix @ basis  # (C, width)
    energy, axes = np.linalg.eigh((told.T @ told).astype(np.float64))  # squares of the singular values
    scale = np.where(energy > _NOISE * energy[-1], np.maximum(energy, 0) ** 0.25, 0)
    return np.asarray(basis @ ((axes * scale) @ axes.T), dtype=np.float32)


def fill_from_text(vectors: Dense, degree: Dense, text: Dense) -> None:
    """Give the items without an edge the vectors that their texts say, in place.

    An item weighs the square root of its degree: the more edges, the surer its vector.

    Args:
        vectors: (N + 1, width) graph vectors.
        degree: (N + 1,) weights of the edges of each item.
        text: (N + 1, E) unit text vectors.
    """
    told: NDArray[np.bool_] = (text != 0).any(axis=1)
    told[MISSING] = False
    fitted = told & (degree > 0)
    if not fitted.any():
        return
    weight = np.where(fitted, np.sqrt(degree), 0).astype(np.float32)
    weight *= fitted.sum() / weight.sum()
    text_mean, vector_mean = weight @ text / fitted.sum(), weight @ vectors / fitted.sum()
    gram = _RIDGE * np.eye(text.shape[1])
    cross = np.zeros((text.shape[1], vectors.shape[1]))
    for rows in _blocks(np.flatnonzero(fitted)):
        x = text[rows] - text_mean
        weighted = (x * weight[rows, None]).T
        gram += weighted @ x
        cross += weighted @ (vectors[rows] - vector_mean)
    ridge = linalg.solve(gram, cross, assume_a="pos").astype(np.float32)  # (E, width)
    for rows in _blocks(np.flatnonzero(told & (degree == 0))):
        vectors[rows] = _unit((text[rows] - text_mean) @ ridge + vector_mean)


def _blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def _unit(vectors: Dense) -> Dense:
    """Return the rows at unit length, and zeros for those that are nothing but rounding."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(norm > _NOTHING, vectors / np.maximum(norm, _NOTHING), 0).astype(np.float32)
