"""What each component of w does: recall, and the mean quality of the top 10, as it grows from 0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.quality.sample import Sample
from training.quality.study import Verdict

STEPS: Final = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Weights that are looked at, as shares of the largest that is tried."""


@dataclass(frozen=True)
class Point:
    """What the space finds with one w.

    Attributes:
        component: that is swept; empty for the tuned w itself.
        weight: of that component; the others are as tuned.
        recall: recall_at_100, the mean over requests.
        quality: by component, its mean over the first 10 items of a request.
    """

    component: str
    weight: float
    recall: float
    quality: dict[str, float]


def sweep(verdict: Verdict, halves: Sequence[Sample], components: Sequence[str]) -> list[Point]:
    """Return the points of a task: the tuned w, then each component that differs between items, on all requests.

    Over the exact top of a list, the mean of a component never falls as its own weight grows: of two sums of scores
    that are each the largest for their weight, the one for the larger weight holds at least as much of the component.
    """
    points = [_point("", 0.0, verdict.weight, halves, components)]
    for at in halves[0].useful():
        for step in STEPS:
            weight = verdict.weight.copy()
            weight[at] = step * verdict.bound
            points.append(_point(components[at], float(weight[at]), weight, halves, components))
    return points


def sweep_json(sweeps: Mapping[str, Sequence[Point]]) -> bytes:
    """Return the points of all tasks as a file."""
    told = {task: [asdict(point) for point in points] for task, points in sweeps.items()}
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


def _point(
    component: str, swept: float, weight: NDArray[np.float64], halves: Sequence[Sample], components: Sequence[str]
) -> Point:
    found = [half.found(weight) for half in halves]
    recall = float(np.concatenate([part.recall for part in found]).mean())
    quality = np.concatenate([part.quality for part in found]).mean(axis=0)  # (Q,)
    return Point(component, swept, recall, dict(zip(components, quality.tolist(), strict=True)))
