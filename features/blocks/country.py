"""Engagements of the candidate in the country."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block, Dense, Found, Log, Reading, World, dense

_COUNTRY_PRIOR = 5.0
"""Engagements that the popularity anywhere counts for when a country's shares are smoothed."""


@dataclass(frozen=True)
class CountryBlock(Block):
    """How much more of the country's engagements go to the item than of those anywhere."""

    name = "country"
    columns = ("country_lift",)
    sources = {"country": "country"}  # noqa: RUF012

    by_country: sparse.csr_matrix  # (C, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the engagements in each country."""
        return cls(log.country_items)

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the engagements of every item in the country."""
        return {"country": dense(self.by_country[reading.filled.country]) * reading.known.scale}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithm of the smoothed share in the country over the share anywhere."""
        total = found.total("country")
        share = (found.popularity + 0.5) / max(float(found.reading.known.popularity.sum()), 1.0)
        smoothed = (found.at("country") + _COUNTRY_PRIOR * share) / (total + _COUNTRY_PRIOR)
        return (np.log(smoothed / share) * (total > 0),)
