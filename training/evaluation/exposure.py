"""What the served lists put before users: how much of the catalogue, how well known, how evenly.

An item is as popular as it has users among the engagements that were fitted; an engagement without a user counts as one
user. ``novelty_at_k`` is the mean self-information ``log2(users / users of the item)`` of what is served within k, an
item that nobody has counting as one user's (Zhou et al. 2010), and ``log_popularity_at_k`` the mean of
``log(1 + users of the item)``. ``coverage_at_k`` is the share of the catalogue that is served within k to anyone, and
``gini_at_k`` how unevenly those places fall on the catalogue: 0 where all items have as many, near 1 where one has all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.answers import Served
from training.evaluation.baselines.base import Index, item_counts
from training.evaluation.intervals import Sample, sum_by_cluster
from training.evaluation.judged import Judged
from training.evaluation.protocol import Protocol
from training.evaluation.report import Entry

PER_REQUEST: Final = ("novelty", "log_popularity")
"""Figures that each request has one of."""


class Exposure(NamedTuple):
    """What the lists of one ranker expose, which does not grow with the catalogue. K = cut-offs, R = requests."""

    spread: dict[str, dict[str, Entry]]  # by task, coverage and Gini index
    per_request: NDArray[np.float64]  # (R, K, 2) figures of ``PER_REQUEST``; NaN where nothing was served


class ExposureNotes:
    """Collects the exposure of lists block by block, in memory that does not grow with their number."""

    def __init__(self, judged: Judged, protocol: Protocol) -> None:
        """Note what is served to the requests of ``judged`` that have a target."""
        self._k = protocol.k
        self._facts = _item_facts(judged)
        self._context = judged.requests["context"].to_numpy()  # (R,)
        contexts, items = len(judged.contexts), len(judged.items)
        asked = judged.targets.select("request", "context").unique()["context"].to_numpy()
        self._requests = np.bincount(asked, minlength=contexts)  # (C,)
        self._shown = {task: np.zeros((len(self._k), items), dtype=np.int64) for task in judged.tasks}
        self._per_context = np.full((contexts, len(self._k), len(PER_REQUEST)), np.nan)  # (C, K, 2)

    def add(self, served: Served, block: pl.DataFrame) -> None:
        """Note the lists ``served`` for the contexts of a ``block``, which are in rising order."""
        contexts = block["context"].to_numpy()  # (b,)
        place = np.searchsorted(contexts, served.context)  # (A,)
        weight = self._requests[served.context]  # (A,)
        tasks = block[Col.TASK].to_numpy()
        for at, k in enumerate(self._k):
            within = np.flatnonzero(served.rank <= k)
            length = np.bincount(place[within], minlength=len(contexts))  # (b,)
            for figure, fact in enumerate(self._facts):
                total = np.bincount(place[within], weights=fact[served.item[within]], minlength=len(contexts))
                with np.errstate(invalid="ignore"):
                    self._per_context[contexts, at, figure] = total / length
            for task in set(tasks):
                rows = within[tasks[place[within]] == task]
                self._shown[task][at] += np.bincount(
                    served.item[rows], weights=weight[rows], minlength=self._shown[task].shape[1]
                ).astype(np.int64)

    def result(self) -> Exposure:
        """Return all that was noted."""
        spreads = {task: spread(shown, self._k) for task, shown in self._shown.items()}
        return Exposure(spreads, self._per_context[self._context])


def _item_facts(judged: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the self-information and the logarithm of the popularity of each item, each (N,)."""
    users = item_counts(judged.fitted, Index(judged.items[Col.ITEM])).astype(np.float64)
    known = judged.fitted[Col.USER]
    everyone = known.drop_nulls().n_unique() + known.null_count()
    return np.log2(max(everyone, 1) / np.maximum(users, 1.0)), np.log1p(users)


def exposure_names(cutoffs: Sequence[int]) -> list[str]:
    """Return the names of the figures of ``exposure_sample``."""
    return [f"{name}_at_{k}" for k in cutoffs for name in PER_REQUEST]


def exposure_sample(
    per_request: NDArray[np.float64], requests: NDArray[np.int64], cluster: NDArray[np.int64]
) -> Sample:
    """Return the means of figures (R, K, 2) over ``requests`` (r,), which lie in ``cluster`` (r,)."""
    values = per_request.reshape(len(per_request), per_request[0].size)[requests]  # (r, 2K)
    return sum_by_cluster(cluster, np.concatenate([np.nan_to_num(values), ~np.isnan(values)], axis=1), _means)


def _means(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums (..., M) over the number of requests that each is of; NaN where there is none."""
    total, number = np.split(sums, 2, axis=-1)
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)


def spread(shown: NDArray[np.int64], cutoffs: Sequence[int]) -> dict[str, Entry]:
    """Return coverage and Gini index at each cut-off from ``shown`` (K, N); nothing where nothing was served.

    They have no interval: a resample holds fewer distinct users than the split, so a bootstrap would show that alone.
    """
    if not shown.any():
        return {}
    coverage = {f"coverage_at_{k}": {"value": float((row > 0).mean())} for k, row in zip(cutoffs, shown, strict=True)}
    return coverage | {f"gini_at_{k}": {"value": gini(row)} for k, row in zip(cutoffs, shown, strict=True)}


def gini(counts: NDArray[np.int64]) -> float:
    """Return the Gini index of ``counts`` (N,), of which one at least is above 0, in [0, 1 - 1 / N]."""
    rising = np.sort(counts)
    size = len(rising)
    return float((2 * np.arange(1, size + 1) - size - 1) @ rising / (size * rising.sum()))
