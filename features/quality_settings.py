"""How a quality signal is named in the configuration: a column, and what is to be made of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from features.errors import DataError

NUMBER, RATING, COUNT, FRESHNESS, RATE, PRICE = "number", "rating", "count", "freshness", "rate", "price"
_TAKES: Final = {
    NUMBER: (),
    RATING: ("by", "prior"),
    COUNT: (),
    FRESHNESS: ("half_life",),
    RATE: ("by", "prior"),
    PRICE: (),
}
"""The kinds, and the settings that each takes beside ``kind``, ``direction`` and ``name``."""
_PRIORS: Final = {RATING: 3.0, RATE: 20.0}
_DIRECTIONS: Final = ("up", "down")
_KEYS: Final = ("kind", "direction", "by", "prior", "half_life", "name")
_NEXT_KEY: Final = re.compile(r"\s+(?=\w+=)")
"""Blanks before ``key=``: a column name may hold blanks of its own."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One entry of ``features.quality``, written ``COLUMN key=value ...``."""

    column: str
    """Column of ``items``."""
    kind: str = NUMBER
    """``number`` (as it is), ``rating`` (mean rating, shrunk by the number of ratings), ``count`` (its logarithm),
    ``freshness`` (a date, halved with each half-life), ``rate`` (engaged over shown, shrunk) or ``price`` (position
    among the items of the same category)."""
    direction: str = "up"
    """``up`` = more is better; ``down`` = less is better, and the sign is turned, so that larger is always better."""
    by: str | None = None
    """Column that counts the ratings of a ``rating``, or how often the item was shown for a ``rate``."""
    prior: float | None = None
    """Ratings, or times shown, that the mean of the catalogue counts for; None = 3 ratings, 20 times shown."""
    half_life: float | None = None
    """Half-life of a ``freshness`` in days; None = a share of the time that the fitted events span."""
    name: str | None = None
    """What the component is called; None = as the column."""

    @classmethod
    def parse(cls, entry: str) -> Signal:
        """Return the signal of ``entry``, such as ``rating kind=rating by=ratings`` or ``price kind=price``.

        Raises:
            DataError: a key or a value that there is not, or a key that is missing.
        """
        column, *settings = _NEXT_KEY.split(entry.strip())
        found: dict[str, str] = {}
        for option in settings:
            key, _, value = option.partition("=")
            if key not in _KEYS:
                raise _wrong(entry, f"there is no setting {key!r}. Choose one of {', '.join(_KEYS)}")
            if key in found or not value:
                raise _wrong(
                    entry, f"{key} is {'there twice' if key in found else 'empty'}. Give it once, with a value"
                )
            found[key] = value
        options: dict[str, Any] = dict(found)
        for key in ("prior", "half_life"):
            if key in found:
                options[key] = _number(entry, key, found[key])
        signal = cls(column=column, **options)
        _require_sound(signal, entry)
        return signal

    @property
    def component(self) -> str:
        """Name of the component."""
        return self.name or self.column

    @property
    def strength(self) -> float:
        """Strength of the prior of a ``rating`` or a ``rate``."""
        return _PRIORS[self.kind] if self.prior is None else self.prior


def _number(entry: str, key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _wrong(entry, f"{key} is {value!r}, it must be a number. Write it as in {key}=30") from None


def _require_sound(signal: Signal, entry: str) -> None:
    """Refuse what a kind cannot be made with."""
    if not signal.column:
        raise _wrong(entry, "it names no column. Begin with a column of items")
    for key, value, known in (("kind", signal.kind, tuple(_TAKES)), ("direction", signal.direction, _DIRECTIONS)):
        if value not in known:
            raise _wrong(entry, f"{key} is {value!r}. Choose one of {', '.join(known)}")
    for key in ("by", "prior", "half_life"):
        if getattr(signal, key) is not None and key not in _TAKES[signal.kind]:
            takers = ", ".join(kind for kind, taken in _TAKES.items() if key in taken)
            raise _wrong(
                entry, f"kind={signal.kind} takes no {key} (it is for {takers}). Leave it out, or change the kind"
            )
    if signal.by is None and "by" in _TAKES[signal.kind]:
        raise _wrong(entry, f"kind={signal.kind} needs by, the column that it is counted by. Add by=COLUMN")
    if signal.half_life is not None and not 0 < signal.half_life < math.inf:
        raise _wrong(entry, f"half_life is {signal.half_life}, it must be above 0 and finite. Give it in days")
    if signal.prior is not None and not 0 <= signal.prior < math.inf:
        raise _wrong(entry, f"prior is {signal.prior}, it must be at least 0 and finite. Give 0 for no shrinkage")


def _wrong(entry: str, reason: str) -> DataError:
    return DataError(f"features.quality: {entry!r}: {reason}.")
