"""The countries of the marketplace, and the language that is spoken there."""

from __future__ import annotations

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A country."""

    code: str
    language: int
    """Index into ``lexicon.LANGUAGES``."""
    share: float
    """Share of the users that live there."""


PLACES: Final = (
    Place("US", 0, 0.34),
    Place("GB", 0, 0.16),
    Place("CA", 0, 0.08),
    Place("DE", 1, 0.20),
    Place("AT", 1, 0.06),
    Place("KR", 2, 0.16),
)
CODES: Final = tuple(place.code for place in PLACES)
EVERYWHERE: Final = 0.6
"""Share of the items that may be shown in all countries."""
NEIGHBOUR: Final = 0.25
"""Probability that any other item may be shown in a country of another language."""
