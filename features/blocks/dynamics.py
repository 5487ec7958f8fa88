"""Popularity over time: what is engaged with lately, anywhere and in the country."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense, log_lift
from features.blocks.reading import Found, Reading
from features.dynamics import Dynamics, fit_dynamics

_COUNTRY_PRIOR = 5.0
"""Decayed engagements that those anywhere count for when a country's shares are smoothed."""
_ANYWHERE = 0.1
"""What an engagement in another country counts for among candidates."""


@dataclass(frozen=True)
class DynamicsBlock(Block):
    """Decayed and windowed counts with percentiles; all 0 where events have no times."""

    name = "dynamics"
    columns = (*Dynamics.names, "country_recent")
    sources = (("recent", "recent"),)
    by_item = (("counts", (0,)), ("percentiles", (0,)), ("by_country", (1,)))

    counts: Dense  # (N + 1, 1 + W)
    percentiles: Dense  # (N + 1, 1 + W)
    by_country: sparse.csr_matrix  # (C, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the engagements by how late they came."""
        rows, sizes = log.engaged, log.sizes
        found = fit_dynamics(rows.item, rows.time, rows.country, sizes.items, sizes.countries)
        return cls(found.counts, found.percentiles, found.by_country)

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the decayed engagements of every item in the country, and the same with a little of those anywhere."""
        scale = np.float32(reading.known.scale)
        country = dense(self.by_country[reading.filled.country]) * scale
        return {"country_recent": country, "recent": country + np.float32(_ANYWHERE) * scale * self.counts[:, 0]}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return logarithms of the counts, percentiles, and the logarithm of the country's share over that anywhere."""
        scale = np.float32(found.reading.known.scale)
        lately = self.counts[:, 0] * scale
        share = (lately[found.candidates] + 0.5) / max(float(lately.sum()), 1.0)
        in_country = log_lift(found.at("country_recent"), found.total("country_recent"), share, _COUNTRY_PRIOR)
        columns = Dynamics(self.counts, self.percentiles, self.by_country).columns(found.candidates, float(scale))
        return *np.moveaxis(columns, 2, 0), in_country
