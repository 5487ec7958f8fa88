"""How sure a figure is: percentile bootstrap over clusters of requests, and paired sign flips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Sums (..., S) of a resample to figures (..., M); NaN where a figure is undefined."""

LEVEL = 0.95
_BLOCK_DRAWS = 4_000_000
"""Draws that are held at once."""


class Estimate(NamedTuple):
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Sample(NamedTuple):
    """Sums over the rows of each cluster, and the figures that they make. G = clusters that have rows."""

    cluster: NDArray[np.int64]  # (G,) rising
    sums: NDArray[np.float64]  # (G, S)
    statistic: Statistic


def ratios(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all sums but the last divided by the last."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., :-1] / sums[..., -1:]


def sum_by_cluster(cluster: NDArray[np.int64], values: NDArray[np.float64], statistic: Statistic) -> Sample:
    """Return the sums of ``values`` (R, S) over the rows of each ``cluster`` (R,)."""
    found, group = np.unique(cluster, return_inverse=True)
    sums = np.zeros((len(found), values.shape[1]))
    for at, column in enumerate(values.T):
        sums[:, at] = np.bincount(group, weights=column, minlength=len(found))
    return Sample(found, sums, statistic)


def mean_by_cluster(cluster: NDArray[np.int64], values: NDArray[np.float64]) -> Sample:
    """Return the sample whose figures are the means of the columns of ``values`` (R, M), each row counting once."""
    return sum_by_cluster(cluster, np.column_stack([values, np.ones(len(values))]), ratios)


def _weights(clusters: int, resamples: int, generator: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield blocks (b, clusters) of how often each cluster is drawn in each resample."""
    width = max(1, _BLOCK_DRAWS // clusters)
    for start in range(0, resamples, width):
        rows = min(width, resamples - start)
        draws = generator.integers(clusters, size=(rows, clusters), dtype=np.int64)
        draws += np.arange(rows)[:, None] * clusters  # each resample counts in its own stretch
        yield np.bincount(draws.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)


def bootstrap(
    samples: Sequence[Sample], clusters: int, resamples: int, generator: np.random.Generator
) -> list[list[Estimate]]:
    """Return the figures of each sample with their intervals, all from the same resamples of ``clusters`` clusters.

    Clusters are drawn with replacement, as many as there are; an interval runs between the percentiles of a figure over
    the resamples in which it is defined, and is stretched to hold the figure itself. A sample without rows has NaN
    figures.
    """
    totals = [np.empty((resamples, sample.sums.shape[1])) for sample in samples]
    start = 0
    for weights in _weights(clusters, resamples, generator) if clusters else ():
        for sample, total in zip(samples, totals, strict=True):
            whole = len(sample.cluster) == clusters
            chosen = weights if whole else weights[:, sample.cluster]  # (b, G)
            total[start : start + len(weights)] = chosen @ sample.sums  # (b, S)
        start += len(weights)
    return [_estimates(sample, total) for sample, total in zip(samples, totals, strict=True)]


def _estimates(sample: Sample, totals: NDArray[np.float64]) -> list[Estimate]:
    values = sample.statistic(sample.sums.sum(axis=0))  # (M,)
    if not len(sample.cluster):
        return [Estimate(np.nan, np.nan, np.nan)] * len(values)
    figures = sample.statistic(totals)  # (resamples, M)
    return [_estimate(float(value), column) for value, column in zip(values, figures.T, strict=True)]


def _estimate(value: float, resampled: NDArray[np.float64]) -> Estimate:
    defined = resampled[np.isfinite(resampled)]
    if np.isnan(value) or not len(defined):
        return Estimate(value, value, value)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value))


def sign_flip_p(differences: NDArray[np.float64], flips: int, generator: np.random.Generator) -> float:
    """Return the two-sided p of no difference, from random signs of the clusters' summed ``differences`` (G,).

    The observed signs count as one of the flips, so p is at least ``1 / (flips + 1)``.
    """
    apart = differences[differences != 0]
    if not len(apart):
        return 1.0
    observed = abs(apart.sum())
    slack = 1e-9 * np.abs(apart).sum()  # sums of the same numbers in another order are the same sum
    reached = 0
    width = max(1, _BLOCK_DRAWS // len(apart))
    for start in range(0, flips, width):
        signs = generator.integers(2, size=(min(width, flips - start), len(apart)), dtype=np.int8) * 2.0 - 1.0
        reached += int((np.abs(signs @ apart) >= observed - slack).sum())
    return (1 + reached) / (1 + flips)


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1.0)]
