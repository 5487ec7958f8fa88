"""How far apart the popularity of items is in two tasks, beside what chance alone would make of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_DRAWS = 20
"""Random divisions of the engagements that say what chance makes of it."""


class Divergence(NamedTuple):
    """Jensen–Shannon divergence of two popularities, in bits: 0 = the same, 1 = no item in common."""

    bits: float
    """As counted."""
    by_chance: float
    """Mean over random divisions of the same engagements: what few engagements an item alone make of it."""
    excess: float
    """``(bits - by_chance) / (1 - by_chance)``: 0 = no more than by chance, 1 = no item in common."""
    apart: bool
    """Whether no random division is as far apart."""


def divergence(a: NDArray[np.int64], b: NDArray[np.int64], rng: np.random.Generator) -> Divergence:
    """Return how far apart the counts ``a`` (N,) and ``b`` (N,) of the same items are.

    Source: Lin 1991. A count is best that of an item's users: engagements of one user are not independent, and chance
    is what it would be if they were.
    """
    bits = _bits(a, b)
    item = np.repeat(np.arange(len(a)), a + b)
    drawn = np.array([_bits(*_divide(item, int(a.sum()), len(a), rng)) for _ in range(_DRAWS)])
    by_chance = float(drawn.mean())
    excess = (bits - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
    return Divergence(bits, by_chance, max(excess, 0.0), bool(bits > drawn.max()))


def _divide(
    item: NDArray[np.int64], first: int, items: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shuffled = rng.permutation(item)
    return np.bincount(shuffled[:first], minlength=items), np.bincount(shuffled[first:], minlength=items)


def _bits(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    p, q = a / a.sum(), b / b.sum()
    return _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2


def _entropy(share: NDArray[np.float64]) -> float:
    there = share[share > 0]
    return float(-(there * np.log2(there)).sum())
