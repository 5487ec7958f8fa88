"""Popularity over time: what is engaged with lately, on clocks that tick with the engagements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from features.vocabulary import MISSING, UNKNOWN

Dense = NDArray[np.float32]
Ints = NDArray[np.int64]

HALF_LIFE: Final = 1 / 16
"""Share of the engagements that come while an engagement loses half of its weight."""
WINDOWS: Final = (4, 16, 64)
"""The latest fourth, sixteenth and sixty-fourth of the engagements."""


@dataclass(frozen=True)
class Dynamics:
    """How much each item is engaged with lately. N = items, padding included; C = countries; W = windows.

    Attributes:
        counts: (N, 1 + W) decayed engagements, then those in each window.
        percentiles: (N, 1 + W) place of the item among those engaged with at all, then in each window; in [0, 1].
        by_country: (C, N) decayed engagements in the country.
    """

    counts: Dense
    percentiles: Dense
    by_country: sparse.csr_matrix

    names: ClassVar[tuple[str, ...]] = (
        "decayed",
        *(f"latest_{window}" for window in WINDOWS),
        "percentile",
        *(f"percentile_{window}" for window in WINDOWS),
    )
    """What ``columns`` returns."""

    def columns(self, candidates: Ints, scale: float = 1.0) -> Dense:
        """Return the columns (B, L, 2 + 2W) of ``candidates`` (B, L): logarithms of the counts, then the percentiles.

        Counts are multiplied by ``scale`` before, so that those of a part of the rows are comparable to those of all.
        """
        counts = np.log1p(self.counts[candidates] * np.float32(scale))
        return np.concatenate([counts, self.percentiles[candidates]], axis=2)


def fit_dynamics(item: Ints, time: NDArray[np.float64], country: Ints, items: int, countries: int) -> Dynamics:
    """Count engagements by how late they came.

    The age of an engagement is the share of the engagements that came later, those of the same time in the middle of
    theirs. It weighs ``0.5 ** (age / HALF_LIFE)`` in the decayed counts, and is in the window 1/w where its age is
    below. So a window holds about the same share of a month of logs and of ten years of ratings, and a fold of the rows
    has the ages of the whole. The percentile of an item is its mean rank by its count over the number of items
    that have one: 1 for the most engaged, ties share theirs, 0 without an engagement. Source: percentiles over a coarse
    and a fine period as in PrepRec, Wang et al. 2024.

    Args:
        item: (E,) item rows of the engagements in any order, 0 = none, which is left out.
        time: (E,) days, NaN = none; such engagements are left out, so that without times everything is 0.
        country: (E,) country rows; missing and unknown ones count in no country.
        items: rows of the catalogue (N), padding included.
        countries: rows of the country vocabulary (C).
    """
    known = np.isfinite(time) & (item != MISSING)
    item, country, age = item[known], country[known], _age(time[known])
    weight = np.exp2(-age / HALF_LIFE)
    total = np.bincount(item, minlength=items)
    windows = [np.bincount(item[age < 1 / window], minlength=items) for window in WINDOWS]
    stated = country > UNKNOWN
    entries = (weight[stated], (country[stated], item[stated]))
    by_country = sparse.csr_matrix(entries, shape=(countries, items))  # added up in double precision, in any order
    return Dynamics(
        counts=np.stack([np.bincount(item, weights=weight, minlength=items), *windows], axis=1).astype(np.float32),
        percentiles=np.stack([_percentile(count) for count in (total, *windows)], axis=1),
        by_country=by_country.astype(np.float32),
    )


def _age(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share (E,) of the engagements that came later, those of the same time halfway."""
    moment, size = np.unique(time, return_inverse=True, return_counts=True)[1:]
    later = len(time) - np.cumsum(size)
    return np.asarray(((later + (size - 1) / 2) / max(len(time), 1))[moment])


def _percentile(count: NDArray[np.integer]) -> Dense:
    """Return the mean rank (N,) of each count over the number of counts above 0; 0 where the count is 0."""
    out = np.zeros(len(count), dtype=np.float32)
    some = np.flatnonzero(count)
    out[some] = stats.rankdata(count[some]) / max(len(some), 1)
    return out
