"""Parts that the sections of an evaluation file share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.intervals import Estimate

Entry = dict[str, float]
"""``value`` with ``low`` and ``high``."""


def entries(names: Sequence[str], estimates: Sequence[Estimate]) -> dict[str, Entry]:
    """Return the entries of the figures that are defined."""
    return {
        name: {"value": found.value, "low": found.low, "high": found.high}
        for name, found in zip(names, estimates, strict=True)
        if not np.isnan(found.value)
    }


def generator(seed: int, place: str) -> np.random.Generator:
    """Return the generator of one section, so that another task or ranker does not change its intervals."""
    return np.random.default_rng([seed, *place.encode()])
