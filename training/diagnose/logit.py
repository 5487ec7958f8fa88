"""A log-linear choice among items: the weights of the evidence that make what was engaged likeliest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RIDGE = 1.0
"""Precision of the normal prior of a weight around 0."""
_STEPS = 50
"""Newton steps at most; a dozen are usual."""
_ENOUGH = 1e-5
"""Relative gain of the objective at which to stop."""
_SHORTEST = 1e-9
"""Largest change of a weight at which no shorter step is tried."""
_BLOCK = 500_000
"""Numbers of evidence that are held at once, so that they stay in the cache."""


def fit_weights(evidence: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the weights (F,) of a conditional logit with a ridge, by Newton's method; there is one maximum.

    Where the other candidates are a uniform sample of the catalogue, the weights estimate those for all of it.
    Source: McFadden 1974, 1978.

    Args:
        evidence: (R, C, F) of the C candidates of R choices; the first candidate is the one that was chosen.
    """
    weights = np.zeros(evidence.shape[2])
    value, gradient, curvature = _objective(evidence, weights)
    for _ in range(_STEPS):
        step = np.linalg.solve(curvature, gradient)
        found = _objective(evidence, weights + step)
        while found[0] < value and np.abs(step).max() > _SHORTEST:
            step = step / 2  # far from the maximum a whole step may overshoot
            found = _objective(evidence, weights + step)
        gain = found[0] - value
        if gain > 0:
            weights, (value, gradient, curvature) = weights + step, found
        if gain <= _ENOUGH * abs(value):
            break
    return weights


def _objective(
    evidence: NDArray[np.float32], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the penalised log-likelihood, its gradient (F,) and minus its matrix of second derivatives (F, F)."""
    _, candidates, size = evidence.shape
    value = -0.5 * _RIDGE * float(weights @ weights)
    gradient, curvature = -_RIDGE * weights, _RIDGE * np.eye(size)
    width = max(1, _BLOCK // (candidates * size))
    for start in range(0, len(evidence), width):
        block = evidence[start : start + width]  # (r, C, F)
        score = (block @ weights.astype(np.float32)).astype(np.float64)  # (r, C)
        score -= score.max(axis=1, keepdims=True)
        share = np.exp(score)
        total = share.sum(axis=1, keepdims=True)  # (r, 1)
        share /= total
        weighed = block * share[:, :, None].astype(np.float32)  # (r, C, F)
        mean = weighed.sum(axis=1, dtype=np.float64)  # (r, F)
        value += float((score[:, 0] - np.log(total[:, 0])).sum())
        gradient = gradient + (block[:, 0] - mean).sum(axis=0)
        second = weighed.reshape(-1, size).T @ block.reshape(-1, size)
        curvature = curvature + second.astype(np.float64) - mean.T @ mean
    return value, gradient, curvature
