"""Recall and NDCG as the list grows, for a chart: more cut-offs than the table has, without intervals."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import ranking_metrics

STEPS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000)
"""Cut-offs that are drawn, as far as lists go."""


def curve(
    request: NDArray[np.int64], label: NDArray[np.float64], rank: NDArray[np.int64], depth: int
) -> dict[str, list[Any]]:
    """Return ``{"k": […], "recall": […], "ndcg": […]}`` up to the ``depth`` of the lists; without targets, nothing.

    The targets are given as for ``ranking_metrics``.
    """
    if not len(request):
        return {"k": [], "recall": [], "ndcg": []}
    steps = sorted({*(k for k in STEPS if k < depth), depth})
    found = ranking_metrics(request, label, rank, steps)
    means = dict(zip(found.names, found.values.mean(axis=0), strict=True))
    return {"k": steps, **{name: [float(means[f"{name}_at_{k}"]) for k in steps] for name in ("recall", "ndcg")}}
