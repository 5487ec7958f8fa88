"""How far the first ranker comes on the way from the best baseline to the oracle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Estimate, Sample, sum_by_cluster
from training.evaluation.metrics import RequestMetrics
from training.evaluation.report import entries

KINDS = ("recall_at_", "ndcg_at_", "mrr")
"""How the names of the metrics begin of which a share is told."""


class Covered(NamedTuple):
    """The shares of a task that are to be resampled. M = metrics that have one."""

    names: list[str]  # (M,)
    best: list[str]  # (M,) the baseline that is best in the metric
    sample: Sample


def covered(
    ranker: RequestMetrics, baselines: dict[str, RequestMetrics], oracle: RequestMetrics, cluster: NDArray[np.int64]
) -> Covered:
    """Return the shares ``(ranker - best) / (oracle - best)`` of the means over the requests, which lie in ``cluster``.

    The best baseline of each metric is chosen once, by its mean over all requests, and stays the same in every
    resample; of equals, the first. All tables hold the same requests (R,), of which there is at least one.
    """
    columns = [at for at, name in enumerate(ranker.names) if name.startswith(KINDS)]
    names = list(baselines)
    values = np.stack([baselines[name].values[:, columns] for name in names])  # (baselines, R, M)
    best = values.mean(axis=1).argmax(axis=0)  # (M,)
    floor = np.take_along_axis(values, best[None, None], axis=0)[0]  # (R, M)
    way = np.concatenate([ranker.values[:, columns] - floor, oracle.values[:, columns] - floor], axis=1)  # (R, 2M)
    return Covered(
        [ranker.names[at] for at in columns], [names[at] for at in best], sum_by_cluster(cluster, way, _shares)
    )


def covered_entries(found: Covered, estimates: list[Estimate]) -> dict[str, dict[str, Any]]:
    """Return ``{metric: {"best": baseline, "value": …, "low": …, "high": …}}`` of the shares that are defined."""
    values = entries(found.names, estimates)
    return {
        name: {"best": best, **values[name]}
        for name, best in zip(found.names, found.best, strict=True)
        if name in values
    }


def _shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums (..., M) of what the ranker gains over those of what there is to gain; NaN where there is nothing."""
    gained, there = np.split(sums, 2, axis=-1)
    return np.divide(gained, there, out=np.full_like(gained, np.nan), where=there > 0)
