"""Transitions: what users engage with soon after an item, counted in a window of ordered engagements."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.vocabulary import MISSING, UNKNOWN

Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

_EVENTS = 200_000
"""Engagements whose windows are looked at at once."""
_TIES = 1e-3
"""Relative size of what breaks ties between followers, so that the order of users does not."""


class _Places(NamedTuple):
    """Engagements by user, then in order; those of one request stand together. E = engagements."""

    item: Rows  # (E,)
    moment: Rows  # (E,) number of the request, over all users
    moment_start: Rows  # (E,) place of the first row of the own request
    moment_end: Rows  # (E,) place after the last row of the own request
    user_start: Rows  # (E,) place of the user's first row
    user_end: Rows  # (E,) place after the user's last row


def fit_transitions(
    user: Ints,
    item: Ints,
    request: Ints,
    items: int,
    *,
    window: int = 20,
    fall: float = 1.0,
    backward: float = 0.1,
    source: float = 0.75,
    popularity: float = 0.25,
    keep: int = 256,
    threads: int = 2,
) -> sparse.csr_matrix:
    """Return the weights (N, N) of what follows: rows are known items, columns candidates; the diagonal is zero.

    Rows of one request are one moment, that of the first of them, and never see each other. Of the ``window``
    engagements after its moment, an engagement counts each for its item with ``distance ** -fall``, where the distance
    is in moments, 1 for the next; of the ``window`` engagements before, ``backward`` times that, as what comes
    close together has an order by chance. So where each row is a request, a window is ``window`` moments.

    The sum c_ij over all users is divided by ``out_i ** source`` and ``in_j ** popularity``, where out is its sum over
    j and in its sum over i. With exponents that add up to 1 the weights of twice the same engagements are the same.
    An item keeps the ``keep`` largest of its c_ij.

    Args:
        user: (E,) user rows in the order of the events; missing and unknown ones are left out.
        item: (E,) item rows, 0 = none, which is left out.
        request: (E,) numbers of the requests, from 0.
        items: rows of the catalogue (N), padding included.
        window: engagements looked at on either side.
        fall: exponent of the distance.
        backward: what coming before counts, beside coming after.
        source: exponent of the normalisation by the known item.
        popularity: exponent of the normalisation by the candidate.
        keep: weights kept of a known item.
        threads: how many work beside each other; the result does not depend on it.
    """
    places = _places(user, item, request)
    distance = np.abs(np.arange(-window, window + 1, dtype=np.float32))
    weight = np.where(distance > 0, np.maximum(distance, 1) ** -fall, 0).astype(np.float32)  # (2W + 1,)
    weight[:window] *= backward
    by_item = np.argsort(places.item, kind="stable").astype(np.int32)
    start = np.searchsorted(places.item, np.arange(items + 1), sorter=by_item)
    block = 2 * start[:-1] // _EVENTS  # half, so that only a block with a very frequent item has more
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1), items]
    counted = partial(_counted, places, by_item, start, weight, keep)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(counted, bounds[:-1], bounds[1:]))
    follows = _power(np.sum([part.follows for part in parts], axis=0), -popularity)  # (N,)
    for counts, followed, _ in parts:
        counts.data *= np.repeat(_power(followed, -source), np.diff(counts.indptr)) * follows[counts.indices]
    return sparse.vstack([part.counts for part in parts], format="csr")


def _places(user: Ints, item: Ints, request: Ints) -> _Places:
    """Return the engagements that may be counted, by user; a request stands where its first row does."""
    kept = np.flatnonzero((user > UNKNOWN) & (item != MISSING))
    user, item, request = user[kept], item[kept], request[kept]
    first = np.zeros(request.max(initial=-1) + 1, dtype=np.int64)
    first[request[::-1]] = np.arange(len(request))[::-1]  # of equal requests the last to be written is the first row
    order = np.argsort(user * len(user) + first[request], kind="stable")
    user, item, request = user[order], item[order], request[order]
    new_user = np.diff(user, prepend=-1) != 0
    new = new_user | (np.diff(request, prepend=-1) != 0)
    moment = np.cumsum(new) - 1
    of_user = np.cumsum(new_user) - 1
    starts, user_starts = (np.append(np.flatnonzero(at), len(user)).astype(np.int32) for at in (new, new_user))
    return _Places(
        item=item.astype(np.int32),
        moment=moment.astype(np.int32),
        moment_start=starts[moment],
        moment_end=starts[moment + 1],
        user_start=user_starts[of_user],
        user_end=user_starts[of_user + 1],
    )


class _Counted(NamedTuple):
    """What was counted of a block of known items."""

    counts: sparse.csr_matrix  # (b, N) the largest of each row
    followed: NDArray[np.float64]  # (b,) sums of the rows, of what was not kept as well
    follows: NDArray[np.float64]  # (N,) sums of the columns


def _counted(
    places: _Places, by_item: Rows, start: Ints, weight: NDArray[np.float32], keep: int, first: int, end: int
) -> _Counted:
    """Return the counts of the known items from ``first`` to ``end``, whose engagements ``start`` finds in ``by_item``.

    ``weight`` (2W + 1,) is what an engagement counts at distances from -W to W.
    """
    items = len(start) - 1
    total = sparse.csr_matrix((end - first, items), dtype=np.float32)
    for low in range(start[first], start[end], _EVENTS):
        at = by_item[low : min(low + _EVENTS, start[end])]  # (e,)
        bounds = np.clip(start[first : end + 1] - low, 0, len(at))
        rows = sparse.csr_matrix((np.ones(len(at), dtype=np.float32), np.arange(len(at)), bounds))  # (b, e)
        seen = rows @ _windows(places, at, weight, items)
        total = total + seen if total.nnz else seen
    total.eliminate_zeros()
    followed = np.asarray(total.sum(axis=1, dtype=np.float64)).ravel()
    follows = np.bincount(total.indices, weights=total.data, minlength=items).astype(np.float64)
    return _Counted(_largest(total, keep), followed, follows)


def _windows(places: _Places, at: Rows, weight: NDArray[np.float32], items: int) -> sparse.csr_matrix:
    """Return what the engagements on either side of those ``at`` (e,) count for their items, (e, N).

    A place outside of what the user did is taken by the own one, whose distance is 0 and whose weight is too.
    """
    window = len(weight) // 2
    offset = np.arange(window, dtype=np.int32)
    after = places.moment_end[at, None] + offset  # (e, W)
    after = np.where(after < places.user_end[at, None], after, at[:, None])
    before = places.moment_start[at, None] - 1 - offset  # (e, W)
    before = np.where(before >= places.user_start[at, None], before, at[:, None])
    place = np.concatenate([before, after], axis=1)  # (e, 2W)
    item = places.item[place]
    value = weight[places.moment[place] - (places.moment[at, None] - window)]
    value[item == places.item[at, None]] = 0
    bounds = np.arange(len(at) + 1) * place.shape[1]
    return sparse.csr_matrix((value.ravel(), item.ravel(), bounds), shape=(len(at), items))


def _largest(matrix: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """Return the ``keep`` largest entries of each row; items break ties, each in the same way everywhere."""
    unlike = 1 + _TIES * np.random.default_rng(0).random(matrix.shape[1], dtype=np.float32)
    length = np.diff(matrix.indptr)
    kept = np.ones(matrix.nnz, dtype=np.bool_)
    for row in np.flatnonzero(length > keep):
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        value = matrix.data[entries] * unlike[matrix.indices[entries]]
        kept[entries][np.argpartition(value, length[row] - keep)[: length[row] - keep]] = False
    bounds = np.concatenate([[0], np.cumsum(np.minimum(length, keep))])
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], bounds), shape=matrix.shape)


def _power(values: NDArray[np.float64], exponent: float) -> NDArray[np.float32]:
    """Return ``values ** exponent``, 0 where there is nothing."""
    return np.where(values > 0, np.maximum(values, 1e-9) ** exponent, 0.0).astype(np.float32)


def apply_transitions(latest: Ints, weights: sparse.csr_matrix, recency: float = 1.0) -> sparse.csr_matrix:
    """Return what follows histories, (B, N) float32: the sum of the weights of their items.

    Args:
        latest: (B, H) the latest items of each history, newest first, 0 = padding; an item that comes again counts
            once, where it is newest.
        weights: (N, N) as fitted.
        recency: an item weighs ``(1 + age) ** -recency``, where the age is the number of other items that are newer.
    """
    again = np.tril(latest[:, :, None] == latest[:, None, :], k=-1).any(axis=2)  # (B, H)
    counted = (latest != MISSING) & ~again
    age = np.cumsum(counted, axis=1) - 1
    row, column = np.nonzero(counted)
    weight = ((1.0 + age[row, column]) ** -recency).astype(np.float32)
    shape = (len(latest), weights.shape[0])
    return sparse.csr_matrix((weight, (row, latest[row, column])), shape=shape) @ weights
