"""Engagements of the candidate in the country."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense, log_lift
from features.blocks.reading import Found, Reading

_COUNTRY_PRIOR = 5.0
"""Engagements that the popularity anywhere counts for when a country's shares are smoothed."""


@dataclass(frozen=True)
class CountryBlock(Block):
    """How much more of the country's engagements go to the item than of those anywhere."""

    name = "country"
    columns = ("country_lift",)
    by_item = (("by_country", (1,)),)

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
        share = (found.popularity + 0.5) / max(float(found.reading.known.popularity.sum()), 1.0)
        return (log_lift(found.at("country"), found.total("country"), share, _COUNTRY_PRIOR),)
