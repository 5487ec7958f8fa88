"""Rankers that are counted and not trained: evidence from the rows of some tasks, added up with a weight for each kind.

Engagements are counted (``counts``), and the evidence that the counts give for an item (``evidence``) is added up with
the weights that make likeliest what was engaged in a part of the task's own rows which the counts have not seen
(``logit``). Then everything is counted once more, that part included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.events import EventRows
from features.vocabulary import MISSING
from training.diagnose.counts import Counts, count
from training.diagnose.evidence import NAMES, Asked, Columns, evidence
from training.diagnose.logit import fit_weights
from training.diagnose.memory import Memory
from training.diagnose.rows import Engaged

_NEGATIVES = 300
"""Items of a uniform sample that stand for the catalogue while the weights are fitted."""
_SHARING = 64
"""Rows that share such a sample."""
_SCORES = 1_000_000
"""Scores that are held at once."""


class Targets(NamedTuple):
    """Requests and what was engaged in them. R = requests, T = targets."""

    requests: EventRows  # R rows, one of each request
    request: NDArray[np.int64]  # (T,) place of the request of each target
    item: NDArray[np.int64]  # (T,)
    label: NDArray[np.float64]  # (T,)


class Knowledge:
    """What some rows of train say."""

    def __init__(self, engaged: Engaged, kept: NDArray[np.bool_], held: NDArray[np.bool_]) -> None:
        """Count the rows that are ``kept`` (E,); while weights are fitted, without those that are ``held`` (E,)."""
        self._engaged = engaged
        sizes = (engaged.users, engaged.queries, engaged.items)
        self._memory = Memory(engaged.train, kept, *sizes, ordered=engaged.ordered)
        self._counts, self._blind = self._count(kept), self._count(kept & ~held)

    def _count(self, rows: NDArray[np.bool_]) -> Counts:
        return count(self._engaged.train.take(rows), self._engaged.content, self._engaged.users)

    def of_train(self, at: NDArray[np.int64], columns: Columns) -> Iterator[NDArray[np.float32]]:
        """Yield the evidence for the held rows ``at`` (B,), blind to what is held."""
        rows, known = self._engaged.train.take(at), self._memory.before(at)
        asked = Asked(rows.query, rows.source, known.past, known.latest)
        return evidence(self._blind, self._engaged.content, asked, columns)

    def of_requests(self, rows: EventRows) -> Iterator[NDArray[np.float32]]:
        """Yield the evidence for requests that come after train."""
        known = self._memory.all_of(rows.user)
        asked = Asked(rows.query, rows.source, known.past, known.latest)
        return evidence(self._counts, self._engaged.content, asked, slice(None))


class Probe(NamedTuple):
    """A weighted sum of what one or several sources of knowledge say."""

    sources: tuple[int, ...]  # their places in the list of knowledge
    weights: NDArray[np.float32]  # (sources, F) of the kinds of evidence


def fit_probe(choices: Sequence[NDArray[np.float32]], sources: tuple[int, ...]) -> Probe:
    """Return the probe of some sources whose ``choices`` are given, those of a source as ``read_choices`` has them."""
    weights = fit_weights(np.concatenate([choices[source] for source in sources], axis=2))
    return Probe(sources, weights.reshape(len(sources), len(NAMES)).astype(np.float32))


def read_choices(
    engaged: Engaged, knowledge: Knowledge, at: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the evidence (R, 1 + C, F) for what was engaged in the rows of train ``at`` (R,), and for C other items.

    The same generator draws the same other items, whatever the knowledge.
    """
    out = np.empty((len(at), 1 + _NEGATIVES, len(NAMES)), dtype=np.float32)
    for start in range(0, len(at), _SHARING):
        block = at[start : start + _SHARING]
        size = len(block)
        items = np.concatenate([engaged.train.item[block], rng.integers(1, engaged.items, _NEGATIVES)])
        columns, where = np.unique(items, return_inverse=True)
        for kind, found in enumerate(knowledge.of_train(block, columns)):
            part = np.broadcast_to(found, (size, len(columns)))
            out[start : start + size, 0, kind] = part[np.arange(size), where[:size]]
            out[start : start + size, 1:, kind] = part[:, where[size:]]
    return out


def rank_targets(
    engaged: Engaged,
    knowledge: Sequence[Knowledge],
    probes: Sequence[Probe],
    targets: Targets,
    seed: int,
    seen: Memory | None = None,
) -> NDArray[np.int64]:
    """Return the rank (P, T), from 1, that each probe gives each target among the candidates.

    These are all items but the source item and, where ``seen`` is given, what it remembers of the user.
    """
    rank = np.zeros((len(probes), len(targets.item)), dtype=np.int64)
    tie = np.random.default_rng(seed).permutation(engaged.items)
    width = max(1, _SCORES // engaged.items)
    for start in range(0, len(targets.requests.item), width):
        rows = targets.requests.take(np.arange(start, min(start + width, len(targets.requests.item))))
        here = np.flatnonzero((targets.request >= start) & (targets.request < start + width))
        scores = _scores(engaged, knowledge, probes, rows)  # (P, B, N + 1)
        if seen is not None:
            scores[:, *seen.all_of(rows.user).past.nonzero()] = -np.inf
        for place, score in enumerate(scores):
            for at in here:
                rank[place, at] = _rank(score[targets.request[at] - start], targets.item[at], tie)
    return rank


def _scores(
    engaged: Engaged, knowledge: Sequence[Knowledge], probes: Sequence[Probe], rows: EventRows
) -> NDArray[np.float32]:
    """Return the scores (P, B, N + 1) of all items; padding and source items are never served."""
    score = np.zeros((len(probes), len(rows.item), engaged.items), dtype=np.float32)
    for source, known in enumerate(knowledge):
        for kind, found in enumerate(known.of_requests(rows)):
            for probe, total in zip(probes, score, strict=True):
                weight = probe.weights[probe.sources.index(source), kind] if source in probe.sources else 0.0
                if weight:  # 0 too where a kind of evidence was nowhere to be had
                    total += weight * found
    score[:, :, MISSING] = -np.inf
    score[:, np.arange(len(rows.item)), rows.source] = -np.inf
    return score


def _rank(score: NDArray[np.float32], item: np.int64, tie: NDArray[np.int64]) -> int:
    """Return the rank of ``item`` by ``score`` (N + 1,), equal scores in the order of ``tie``."""
    before = (score > score[item]) | ((score == score[item]) & (tie < tie[item]))
    return 1 + int(before.sum())
