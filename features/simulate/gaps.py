"""What a log leaves out: visitors who are not logged in, and countries that nobody noted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.simulate.places import PLACES

ANONYMOUS = 0.08
"""Share of the sessions in which the user is not logged in."""
NO_COUNTRY = 0.05
"""Share of the sessions whose country was not noted."""
TRAVELLING = 0.03
"""Share of the sessions of users who are in another country than their own, where they may be shown other items."""


class Gaps(NamedTuple):
    """What the log of a block says of its sessions. S = sessions."""

    country: NDArray[np.int8]  # (S,) where the user is, index into PLACES
    no_country: NDArray[np.bool_]  # (S,) the log does not say where
    no_user: NDArray[np.bool_]  # (S,) the log does not say who


def draw_gaps(home: NDArray[np.int8], random: np.random.Generator) -> Gaps:
    """Return the gaps of sessions of users from ``home`` (S,)."""
    count = len(home)
    away = random.random(count) < TRAVELLING
    elsewhere = random.integers(0, len(PLACES), count).astype(np.int8)
    country = np.where(away, elsewhere, home)
    return Gaps(country, random.random(count) < NO_COUNTRY, random.random(count) < ANONYMOUS)
