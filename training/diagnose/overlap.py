"""What two tasks have in common: users, items, and what the engagements of one say about the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.events import EventRows
from features.vocabulary import MISSING, UNKNOWN
from training.diagnose.content import shares
from training.diagnose.popularity import Divergence, divergence
from training.diagnose.rows import Engaged

_PAIRS = 20_000
"""Pairs of items, and targets, that are looked at at most; a seeded sample beyond."""
_NEAR = 20
"""Items next to a history that count as its neighbours."""
_BLOCK = 500
"""Histories whose neighbours are found at once."""


class Shared(NamedTuple):
    """What two sets have in common."""

    both: int
    jaccard: float
    """Share of all, in [0, 1]."""
    of_smaller: float
    """Share of the smaller of the two, in [0, 1]."""


class Share(NamedTuple):
    """A share in [0, 1], what it would be by chance, and of how many."""

    value: float
    by_chance: float
    of: int


class Pair(NamedTuple):
    """Two tasks beside each other, in either order. By what train engages with."""

    a: str
    b: str
    users: Shared
    items: Shared
    popularity: Divergence


class Direction(NamedTuple):
    """What one task says about another; a share is None where there is nothing to take it of."""

    source: str
    target: str
    again: Share | None
    """Targets of valid in ``target`` that the user engaged with in ``source`` in train; by chance: other targets."""
    near: Share | None
    """Such targets that are neighbours, without having been engaged, of what the user engaged with in ``source``: among
    the 20 items that the users of those items engage with most; by chance: other targets."""
    together: Share | None
    """Pairs of items engaged for the same query in ``source`` that a user engages with both in ``target``; by chance:
    the same items paired at random."""


def compare_tasks(engaged: Engaged, a: int, b: int, seed: int) -> Pair:
    """Return the tasks ``a`` and ``b`` beside each other."""
    rows = [_engagements(engaged, task) for task in (a, b)]
    counts = [_users_of_items(found, engaged.items) for found in rows]
    users = [np.unique(found.user[found.user > UNKNOWN]) for found in rows]
    items = [np.flatnonzero(count) for count in counts]
    return Pair(
        engaged.tasks[a],
        engaged.tasks[b],
        _shared(*users),
        _shared(*items),
        divergence(counts[0], counts[1], np.random.default_rng(seed)),
    )


def transfer(engaged: Engaged, source: int, target: int, seed: int) -> Direction:
    """Return what ``source`` says about ``target``."""
    rng = np.random.default_rng(seed)
    told, asked = _engagements(engaged, source), _engagements(engaged, target)
    again, near = _targets(engaged, told, target, rng)
    together = _together(told, _pairs(asked, engaged), rng)
    return Direction(engaged.tasks[source], engaged.tasks[target], again, near, together)


def _engagements(engaged: Engaged, task: int) -> EventRows:
    train = engaged.train
    return train.take(train.engaged & (train.task == task))


def _users_of_items(rows: EventRows, items: int) -> NDArray[np.int64]:
    """Return the number of distinct users of each item (N + 1,); an engagement without a user counts as one."""
    known = rows.user > UNKNOWN
    distinct = np.unique(rows.user[known] * items + rows.item[known]) % items
    return np.bincount(np.concatenate([distinct, rows.item[~known]]), minlength=items)


def _shared(a: NDArray[np.int64], b: NDArray[np.int64]) -> Shared:
    both = len(np.intersect1d(a, b, assume_unique=True))
    every, smaller = len(a) + len(b) - both, min(len(a), len(b))
    return Shared(both, both / every if every else 0.0, both / smaller if smaller else 0.0)


def _pairs(rows: EventRows, engaged: Engaged) -> sparse.csr_matrix:
    """Return (U, N + 1) 1 where a known user engaged with the item."""
    known = rows.user > UNKNOWN
    ones = np.ones(int(known.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (rows.user[known], rows.item[known])), shape=(engaged.users, engaged.items)).sign()


def _targets(
    engaged: Engaged, told: EventRows, target: int, rng: np.random.Generator
) -> tuple[Share | None, Share | None]:
    """Return ``Direction.again`` and ``Direction.near`` of what ``told`` tells."""
    past = _pairs(told, engaged)
    valid = engaged.valid
    knows = np.diff(past.indptr) > 0
    at = np.flatnonzero((valid.task == target) & (valid.item != MISSING) & knows[valid.user])
    if not len(at):
        return None, None
    at = rng.choice(at, _PAIRS, replace=False) if len(at) > _PAIRS else at
    user, item = valid.user[at], valid.item[at]
    other = rng.permutation(item)
    every = _pairs(engaged.train.take(engaged.train.engaged), engaged)
    near = _neighbours(past, every, user)
    count = len(at)
    return (
        Share(_hits(past[user], item), _hits(past[user], other), count),
        Share(_hits(near, item), _hits(near, other), count),
    )


def _hits(lists: sparse.csr_matrix, item: NDArray[np.int64]) -> float:
    return float((np.asarray(lists[np.arange(len(item)), item]).ravel() > 0).mean())


def _neighbours(past: sparse.csr_matrix, every: sparse.csr_matrix, user: NDArray[np.int64]) -> sparse.csr_matrix:
    """Return (n, N + 1) 1 at the ``_NEAR`` items next to the history of each ``user`` (n,), its own left out."""
    by_item, by_user = shares(every.T.tocsr()), shares(every)
    parts = []
    for start in range(0, len(user), _BLOCK):
        own = past[user[start : start + _BLOCK]]
        reached = (shares(own) @ by_item @ by_user).toarray()  # (b, N + 1)
        reached[own.nonzero()] = 0.0
        depth = min(_NEAR, reached.shape[1])
        best = np.argpartition(-reached, depth - 1, axis=1)[:, :depth]
        row = np.repeat(np.arange(len(reached)), depth)
        there = (np.take_along_axis(reached, best, axis=1) > 0).ravel()
        ones = np.ones(int(there.sum()), dtype=np.float32)
        parts.append(sparse.csr_matrix((ones, (row[there], best.ravel()[there])), shape=reached.shape))
    return sparse.vstack(parts).tocsr()


def _together(told: EventRows, pairs: sparse.csr_matrix, rng: np.random.Generator) -> Share | None:
    """Return ``Direction.together``: pairs engaged for a query in ``told``, by users of ``pairs`` (U, N + 1)."""
    asked = told.take(told.query > UNKNOWN)
    distinct = np.unique(np.stack([asked.query, asked.item], axis=1), axis=0)
    start = np.searchsorted(distinct[:, 0], distinct[:, 0], side="left")
    size = np.searchsorted(distinct[:, 0], distinct[:, 0], side="right") - start
    several = np.flatnonzero(size > 1)
    if not len(several):
        return None
    # Each row draws a partner among the others of its query, so that a query counts by its items and not their square.
    first = rng.choice(several, _PAIRS, replace=False) if len(several) > _PAIRS else several
    turn = 1 + rng.integers(0, size[first] - 1)
    second = start[first] + (first - start[first] + turn) % size[first]
    one, two = distinct[first, 1], distinct[second, 1]
    by_item = pairs.T.tocsr()
    return Share(_engaged_together(by_item, one, two), _engaged_together(by_item, one, rng.permutation(two)), len(one))


def _engaged_together(by_item: sparse.csr_matrix, one: NDArray[np.int64], two: NDArray[np.int64]) -> float:
    common = by_item[one].multiply(by_item[two]).tocsr()
    return float((np.diff(common.indptr) > 0).mean())
