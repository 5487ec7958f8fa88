"""A linear item-item map: what a history of engagements says about every other item."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from features.errors import DataError

Dense = NDArray[np.float32]
Ints = NDArray[np.int64]

NEAREST = 128
"""History items that a candidate has weights of, at most, where the map is not exact."""
RANK = 32
"""Factors of the engagements that its history items share with one another, where the map is not exact."""
LONGEST = 300
"""Items of a user that are read, at most, where the map is not exact; a seeded sample stands for a longer history."""
_BLOCK_ELEMENTS = 8_000_000
"""Elements of the largest block that is held while the map is made sparse."""
_SOLVED = 256
"""Candidates whose weights are solved at once; their factors stay in the cache."""
_TIES = 1e-3
"""Relative size of what breaks ties between history items, so that the order of users does not."""
_ROUNDS = 2
"""Subspace iterations that find the factors."""


def fit_affinity(
    user_items: sparse.csr_matrix, l2: float, keep: int, largest: int, seed: int, *, threads: int = 2
) -> sparse.csr_matrix:
    """Return the item-item map B (N, N), rows are history items, columns candidates; the diagonal is zero.

    B minimises ``|X - XB|² + l2 |B|²`` under a zero diagonal (EASE, Steck 2019). Users and items without engagements
    take no part.

    Where users or items are at most ``largest`` it does so in closed form: with ``P = (XᵀX + l2 I)⁻¹``,
    ``B = I - P / diag(P)``. Where users are fewer than items the inverse is taken on the user side (Woodbury),
    ``P = (I - Xᵀ (l2 I + XXᵀ)⁻¹ X) / l2``, which never holds an (N, N) matrix. Each column keeps its ``keep`` largest
    weights by magnitude.

    Beyond, a candidate has weights of the at most ``keep`` and ``NEAREST`` history items i that would each lower the
    loss most if it were alone, ``n_ij / sqrt(n_i + l2)``, where n counts users. They solve the same ridge: what they
    share with the candidate is exact, what they share with one another comes from the ``RANK`` leading factors of
    XᵀX. A user with more than ``LONGEST`` items counts with a seeded sample of so many.

    Args:
        user_items: X (U, N), 1 where the user engaged with the item.
        l2: the ridge; larger is smoother.
        keep: weights kept for a candidate.
        largest: the largest matrix side that is inverted.
        seed: of the sample and the factors.
        threads: how many work beside each other where the map is not exact; the result does not depend on it.

    Raises:
        DataError: the ridge is too small for items that nearly always come together.
    """
    items = user_items.shape[1]
    x = user_items.astype(np.float32)
    engaged = np.flatnonzero(np.bincount(x.indices, minlength=items))
    x = x[np.diff(x.indptr) > 0][:, engaged]
    if not len(engaged):
        return sparse.csr_matrix((items, items), dtype=np.float32)
    if min(x.shape) > largest:
        by_candidate = _nearest_ridge(_shortened(x, LONGEST, seed), l2, min(keep, NEAREST), seed, threads)
    elif x.shape[0] < x.shape[1]:
        by_candidate = _user_side(x, l2, keep)
    else:
        by_candidate = _item_side(x, l2, keep)
    start = np.zeros(items + 1, dtype=np.int64)
    start[engaged + 1] = np.diff(by_candidate.indptr)
    spread = (by_candidate.data, engaged.astype(np.int32)[by_candidate.indices], np.cumsum(start))
    return sparse.csr_matrix(spread, shape=(items, items)).T.tocsr()


def _inverse(gram: Dense, l2: float) -> Dense:
    """Return (gram + l2 I)⁻¹ of a symmetric matrix, overwriting it."""
    gram[np.diag_indices_from(gram)] += l2
    factor, failed = linalg.lapack.spotrf(gram.T, lower=1, overwrite_a=1)
    if failed:
        raise DataError(
            f"features.counts.affinity_l2 is {l2}, too small for items that nearly always come together. Raise it."
        )
    inverse: Dense = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)[0]
    for start in range(0, len(inverse), _SOLVED):  # the upper half, without another matrix of this size
        end = start + _SOLVED
        inverse[start:end, end:] = inverse[end:, start:end].T
        corner = np.tril(inverse[start:end, start:end])
        inverse[start:end, start:end] = corner + np.tril(corner, -1).T
    return inverse


def _user_side(x: sparse.csr_matrix, l2: float, keep: int) -> sparse.csr_matrix:
    inverse = _inverse((x @ x.T).toarray(), l2)  # (U, U)
    by_item = x.T.tocsr()  # (N, U)
    projected = by_item @ inverse  # (N, U), as the inverse is symmetric
    own = np.asarray(by_item.multiply(projected).sum(axis=1)).ravel()  # (N,) diagonal of Xᵀ inverse X

    def weights(candidates: slice) -> Dense:
        block = (by_item @ projected[candidates].T).T  # (b, N)
        return np.asarray(block / np.maximum(1 - own[candidates, None], 1e-6), dtype=np.float32)

    return _strongest(weights, x.shape[1], keep)


def _item_side(x: sparse.csr_matrix, l2: float, keep: int) -> sparse.csr_matrix:
    precision = _inverse((x.T @ x).toarray(), l2)  # (N, N)
    own = np.diag(precision)
    return _strongest(lambda candidates: -precision[candidates] / own[candidates, None], x.shape[1], keep)


def _strongest(weights: Callable[[slice], Dense], items: int, keep: int) -> sparse.csr_matrix:
    """Return the ``keep`` largest weights by magnitude of each candidate (N, N), its own left out.

    Args:
        weights: returns the weights (b, N) of a block of candidates.
        items: N.
        keep: weights of a candidate.
    """
    width = max(1, _BLOCK_ELEMENTS // items)
    parts = []
    for start in range(0, items, width):
        block = weights(slice(start, start + width))  # (b, N)
        candidates = np.arange(len(block))
        block[candidates, start + candidates] = 0.0
        if keep < items:
            kept = np.argpartition(np.abs(block), items - keep, axis=1)[:, items - keep :]
        else:
            kept = np.broadcast_to(np.arange(items), block.shape)
        parts.append(_rows(kept, np.take_along_axis(block, kept, axis=1), items))
    return sparse.vstack(parts, format="csr")


def _rows(column: NDArray[np.integer], value: Dense, columns: int) -> sparse.csr_matrix:
    """Return the matrix (R, columns) with ``value`` (R, k) at ``column`` (R, k) of each row; zeros are not stored."""
    there = value != 0
    start = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sparse.csr_matrix((value[there], column[there], start), shape=(len(value), columns))


def _shortened(x: sparse.csr_matrix, longest: int, seed: int) -> sparse.csr_matrix:
    """Return x (U, N) with a seeded sample of ``longest`` items of each user that has more."""
    length = np.diff(x.indptr)
    user = np.repeat(np.arange(len(length)), length)
    entry = np.flatnonzero(length[user] > longest)
    drawn = np.random.default_rng(seed).random(len(entry))
    entry = entry[np.lexsort((drawn, user[entry]))]  # by user, then at random
    first = np.searchsorted(user[entry], user[entry])
    kept = np.ones(x.nnz, dtype=np.bool_)
    kept[entry[np.arange(len(entry)) - first >= longest]] = False
    return sparse.csr_matrix((x.data[kept], (user[kept], x.indices[kept])), shape=x.shape)


class _Problem(NamedTuple):
    """What the weights of every candidate are solved from. U = users, N = items."""

    by_item: sparse.csr_matrix  # (N, U)
    scaled: sparse.csr_matrix  # (U, N) items divided by sqrt(n + l2)
    root: Dense  # (N,) sqrt(n + l2), and a little more at random that breaks ties
    spare: Dense  # (N,) sqrt of the diagonal of XᵀX + l2 I that the factors leave
    factors: Dense  # (N, r) F / spare, where FFᵀ is XᵀX nearly
    nearest: int


def _nearest_ridge(x: sparse.csr_matrix, l2: float, nearest: int, seed: int, threads: int) -> sparse.csr_matrix:
    """Return the weights (N, N) of the ``nearest`` history items of each candidate."""
    users = np.bincount(x.indices, minlength=x.shape[1])  # (N,)
    factors = _factors(x, seed)
    spare = np.sqrt(np.maximum(users - (factors**2).sum(axis=1), 0) + l2).astype(np.float32)
    x = x[np.diff(x.indptr) > 1]  # who has a single item connects none
    unlike = 1 + _TIES * np.random.default_rng(seed).random(len(users))
    root = (np.sqrt(users + l2) * unlike).astype(np.float32)
    problem = _Problem(
        by_item=x.T.tocsr(),
        scaled=(x @ sparse.diags(1 / root)).astype(np.float32).tocsr(),
        root=root,
        spare=spare,
        factors=factors / spare[:, None],
        nearest=nearest,
    )
    work = np.minimum(problem.by_item @ np.diff(x.indptr), x.shape[1]) + nearest  # (N,) elements, at most
    block = np.cumsum(work) // _BLOCK_ELEMENTS
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1), x.shape[1]]
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(partial(_solved, problem), bounds[:-1], bounds[1:]))
    return sparse.vstack(parts, format="csr")


def _factors(x: sparse.csr_matrix, seed: int) -> Dense:
    """Return F (N, r) with FFᵀ = XᵀX nearly, and never more than it.

    Nyström's form on the leading subspace, which is found by iteration from a seeded start.
    Source: Halko, Martinsson & Tropp 2011.
    """
    by_item = x.T.tocsr()
    basis = np.random.default_rng(seed).standard_normal((x.shape[1], min(RANK, *x.shape))).astype(np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(by_item @ (x @ basis)).Q
    image = (by_item @ (x @ basis)).astype(np.float64)  # (N, r)
    values, vectors = np.linalg.eigh(basis.T @ image)
    large = values > 1e-6 * values[-1]
    return np.asarray(image @ (vectors[:, large] / np.sqrt(values[large])), dtype=np.float32)


def _solved(problem: _Problem, start: int, end: int) -> sparse.csr_matrix:
    """Return the weights (b, N) of the candidates from ``start`` to ``end``."""
    column, shared = _neighbours(problem, start, end)
    weight = np.empty_like(shared)
    for first in range(0, len(shared), _SOLVED):
        block = slice(first, first + _SOLVED)
        weight[block] = _ridge(problem, column[block], shared[block])
    return _rows(column, weight, len(problem.root))


def _neighbours(problem: _Problem, start: int, end: int) -> tuple[NDArray[np.int32], Dense]:
    """Return the history items (b, k) that say most of each candidate, and the users that they share; 0 = fewer."""
    strength = problem.by_item[start:end] @ problem.scaled  # (b, N)
    column = np.zeros((end - start, problem.nearest), dtype=np.int32)
    shared = np.zeros(column.shape, dtype=np.float32)
    for row, candidate in enumerate(range(start, end)):
        entries = slice(strength.indptr[row], strength.indptr[row + 1])
        item, value = strength.indices[entries], strength.data[entries]
        value[item == candidate] = 0.0
        if len(item) > problem.nearest:
            best = np.argpartition(value, len(item) - problem.nearest)[-problem.nearest :]
            item, value = item[best], value[best]
        column[row, : len(item)] = item
        shared[row, : len(item)] = value
    return column, shared * problem.root[column]


def _ridge(problem: _Problem, column: NDArray[np.int32], shared: Dense) -> Dense:
    """Return the weights (b, k) of history items ``column`` (b, k) that share ``shared`` (b, k) users with a candidate.

    With the Gram matrix of the items as a diagonal and a few factors, S² + FFᵀ, the weights are
    ``S⁻¹ (z - H (I + HᵀH)⁻¹ Hᵀ z)``, where ``H = S⁻¹F`` and ``z = S⁻¹ shared`` (Woodbury).
    """
    spare = problem.spare[column]
    h = problem.factors[column] * (shared > 0)[:, :, None]  # (b, k, r); without it a place that is free had factors
    z = (shared / spare)[:, :, None]  # (b, k, 1)
    inner = h.swapaxes(1, 2) @ h + np.eye(h.shape[2], dtype=np.float32)  # (b, r, r)
    told = h @ np.linalg.solve(inner, h.swapaxes(1, 2) @ z)  # (b, k, 1)
    return np.asarray((z - told)[:, :, 0] / spare, dtype=np.float32)
