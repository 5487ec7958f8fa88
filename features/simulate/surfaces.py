"""The four surfaces: what each page shows, how it is read, and what moves engagement there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One surface. Weights are in units of the logit of engagement."""

    name: str
    """The task."""
    page: int
    """Items of a page."""
    decay: float
    """Examination of position p is ``p ** -decay``: a list is read from the top, a carousel more evenly."""
    threshold: float
    """Added to every item's logit: how rarely people engage here."""
    depths: tuple[int, ...]
    """Items that the first stage of production looks at in each aisle of a request, see ``aisles``."""
    attributes: float = 0.0
    """Worth of an attribute that is as wanted."""
    taste: float = 0.0
    """Worth of an item that is just the user's taste."""
    source: float = 0.0
    """Worth of an item that goes well with the source item."""
    popularity: float = 0.0
    """Worth of a standard deviation of popularity."""

    def examination(self) -> NDArray[np.float64]:
        """Return the probability (page,) that a position is looked at."""
        return np.asarray(np.arange(1, self.page + 1) ** -self.decay, dtype=np.float64)


SURFACES: Final = (
    Surface(
        name="search", page=10, decay=0.8, threshold=-0.6, depths=(160, 48, 48, 16),
        attributes=1.1, taste=1.5, popularity=0.7,
    ),
    Surface(
        name="recommendation", page=10, decay=0.5, threshold=-2.4, depths=(64, 64, 64, 48, 48, 32, 32, 16),
        taste=3.0, popularity=0.8,
    ),
    Surface(
        name="similar", page=8, decay=0.5, threshold=-1.8, depths=(96, 64, 64, 32, 32, 16),
        attributes=0.5, taste=1.2, source=2.5, popularity=0.5,
    ),
    Surface(
        name="presearch", page=6, decay=0.4, threshold=-2.2, depths=(64, 64, 48, 48, 48, 48, 48, 16),
        taste=2.0, popularity=1.0,
    ),
)  # fmt: skip
"""All surfaces; a task's number in a world is its place here."""
NUMBER: Final = {surface.name: number for number, surface in enumerate(SURFACES)}
FIRST: Final = {"search": 0.40, "recommendation": 0.37, "presearch": 0.23}
"""Where a session starts."""
NEXT: Final = {
    "search": {"similar": 0.30, "search": 0.20, "recommendation": 0.05},
    "recommendation": {"similar": 0.22, "search": 0.15, "recommendation": 0.08},
    "presearch": {"search": 0.70, "similar": 0.05},
    "similar": {"similar": 0.15, "recommendation": 0.05},
}
"""Where it goes on; the rest of the time it ends."""
LONGEST: Final = 5
"""Requests of a session at most."""
