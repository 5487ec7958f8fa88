"""Paired differences between the first ranker and each other, on the same requests and the same resamples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Estimate, Sample, holm, mean_by_cluster, sign_flip_p
from training.evaluation.metrics import RequestMetrics


class Difference(NamedTuple):
    """The mean of ``a`` minus ``b`` over the requests of a task, and the p of no difference before adjustment."""

    task: str
    metric: str
    a: str
    b: str
    estimate: Estimate
    p: float


def paired(a: RequestMetrics, b: RequestMetrics, metrics: list[str], cluster: NDArray[np.int64]) -> Sample:
    """Return the differences of ``metrics`` of the same requests, which lie in ``cluster`` (R,)."""
    columns = [a.names.index(metric) for metric in metrics]
    return mean_by_cluster(cluster, (a.values - b.values)[:, columns])


def sign_flips(sample: Sample, flips: int, generator: np.random.Generator) -> list[float]:
    """Return p of each compared metric, the signs of whole clusters flipped."""
    return [sign_flip_p(column, flips, generator) for column in sample.sums[:, :-1].T]


def as_json(differences: list[Difference]) -> list[dict[str, Any]]:
    """Return the comparisons of an evaluation, their p-values adjusted for the number of all of them (Holm)."""
    adjusted = holm([found.p for found in differences])
    return [
        {
            "task": found.task,
            "metric": found.metric,
            "a": found.a,
            "b": found.b,
            "difference": found.estimate.value,
            "low": found.estimate.low,
            "high": found.estimate.high,
            "p_holm": p,
        }
        for found, p in zip(differences, adjusted, strict=True)
    ]
