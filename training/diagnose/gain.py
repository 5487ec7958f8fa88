"""What joining is worth to a task, told from its rows and those of the others before any training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.events import EventRows
from features.vocabulary import MISSING
from training.diagnose.memory import Memory
from training.diagnose.probe import Knowledge, Targets, fit_probe, rank_targets, read_choices
from training.diagnose.rows import Engaged
from training.evaluation.intervals import Estimate, bootstrap, mean_by_cluster
from training.evaluation.metrics import ranking_metrics
from training.holdout import ranker_rows

METRIC = "ndcg_at_10"
LEAST = 50
"""Fewest rows to weigh evidence on, and fewest requests to judge, that say anything."""
_CUTOFF = 10
_HELD = 0.25
"""Share of the rows of train on which weights are fitted, as the ranker's are."""
_WEIGHED = 2_000
"""Such rows of a task at most; a seeded sample beyond."""
_JUDGED = 2_000
"""Requests of valid that are ranked for a task at most; a seeded sample beyond."""
_RESAMPLES = 2_000
_OWN, _ALL = 0, 1


class Gain(NamedTuple):
    """What joining is worth to a task. NDCG@10 over requests of valid, all ranked by the same three probes."""

    requests: int
    alone: float
    """By what the rows of the task say."""
    joined: float
    """By what the rows of all tasks say beside those of the task: what a model can use that is told the task."""
    pooled: float
    """By what the rows of all tasks say as if they were of one: what is left to a model that cannot tell them apart."""
    gain: Estimate
    """``joined - alone``, with its 95 % interval over users."""
    pooling: Estimate
    """``pooled - alone``, likewise."""


def measure_gain(engaged: Engaged, task: int, seed: int, *, exclude_seen: bool) -> Gain | None:
    """Return what the rows of all tasks are worth to the requests of ``task``; None where too few rows can tell.

    With ``exclude_seen`` what the user engaged with in train, in any task, is neither candidate nor target.
    """
    train = engaged.train
    everything = np.ones(len(train.item), dtype=bool)
    memory = Memory(train, everything, engaged.users, engaged.queries, engaged.items, ordered=engaged.ordered)
    held = ranker_rows(train, engaged.manner, _HELD, seed)
    in_task = train.task == task
    weighed = np.flatnonzero(held & in_task & train.engaged)
    valid = engaged.valid.take((engaged.valid.task == task) & (engaged.valid.item != MISSING))
    if exclude_seen:
        weighed = weighed[~_holds(memory.before(weighed).past, train.item[weighed])]
        valid = valid.take(~_holds(memory.all_of(valid.user).past, valid.item))
    targets = _targets(valid, seed)
    if min(len(weighed), len(targets.requests.item)) < LEAST:
        return None
    weighed = _sample(weighed, _WEIGHED, seed)
    knowledge = [Knowledge(engaged, kept, held) for kept in (in_task, everything)]
    choices = [read_choices(engaged, known, weighed, np.random.default_rng(seed)) for known in knowledge]
    probes = [fit_probe(choices, sources) for sources in ((_OWN,), (_OWN, _ALL), (_ALL,))]
    ranks = rank_targets(engaged, knowledge, probes, targets, seed, memory if exclude_seen else None)
    ndcg = np.stack([_ndcg(targets, rank) for rank in ranks], axis=1)  # (R, 3)
    paired = mean_by_cluster(_clusters(targets.requests), ndcg[:, 1:] - ndcg[:, :1])
    gain, pooling = bootstrap([paired], len(paired.cluster), _RESAMPLES, np.random.default_rng(seed))[0]
    alone, joined, pooled = ndcg.mean(axis=0).tolist()
    return Gain(len(ndcg), alone, joined, pooled, gain, pooling)


def _sample(at: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Return ``most`` of ``at`` by chance, in their order; all where there are no more."""
    if len(at) <= most:
        return at
    return np.sort(np.random.default_rng(seed).choice(at, most, replace=False))


def _holds(past: sparse.csr_matrix, item: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each row of ``past`` (B, N + 1) holds its ``item`` (B,)."""
    asked = sparse.csr_matrix((np.ones(len(item)), (np.arange(len(item)), item)), shape=past.shape)
    return np.asarray(past.multiply(asked).sum(axis=1)).ravel() > 0


def _targets(rows: EventRows, seed: int) -> Targets:
    rows = rows.take(np.isin(rows.request, _sample(np.unique(rows.request), _JUDGED, seed)))
    first, request = np.unique(rows.request, return_index=True, return_inverse=True)[1:]
    return Targets(rows.take(first), request, rows.item, rows.label.astype(np.float64))


def _ndcg(targets: Targets, rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return NDCG@10 of each request, (R,)."""
    found = ranking_metrics(targets.request, targets.label, rank, (_CUTOFF,))
    return found.values[:, found.names.index(METRIC)]


def _clusters(requests: EventRows) -> NDArray[np.int64]:
    """Return what each request (R,) is resampled with, as numbers from 0: its user, else its query, else itself."""
    by = np.stack([requests.user, requests.text, 1 + np.arange(len(requests.item))], axis=1)
    kind = (by != MISSING).argmax(axis=1)
    key = pl.DataFrame({"kind": kind, "key": by[np.arange(len(by)), kind]})
    return key.select(pl.struct("kind", "key").rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
