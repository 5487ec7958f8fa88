"""The quality vector: what makes an item good whatever the request, each component larger where it is better."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.arrays import padded
from features.columns import Col
from features.errors import DataError
from features.quality_settings import Signal
from features.quality_signals import freshness, named_signal, shrunk_rate

_PRIOR_ROWS = 20.0
"""Shown rows that the mean engagement rate counts for when an item's own rate is smoothed."""
RECENT = 0.25
"""Share of the time span that counts as recent."""
LIMIT = 1.0
"""Components lie in [-LIMIT, LIMIT]."""


class Scaling(NamedTuple):
    """Where the scaled components are 0, and what they are divided by."""

    middle: NDArray[np.float64]
    """(Q,) median of what is known; 0 where nothing is."""
    spread: NDArray[np.float64]
    """(Q,) what becomes ``LIMIT``; infinite where nothing is known."""


class Quality(NamedTuple):
    """Quality vectors of the catalogue. N = items, Q = components."""

    names: tuple[str, ...]
    """(Q,) what each component is."""
    values: NDArray[np.float32]
    """(N + 1, Q) in [-1, 1], row 0 and what is missing 0."""
    missing: NDArray[np.float32]
    """(N + 1, Q) 1 where the component is not known."""
    scaling: Scaling
    """How they were scaled."""


class ItemEvents(NamedTuple):
    """The fitted events of the catalogue, counted by item row (N + 1,)."""

    engaged: NDArray[np.float32]
    """Engagements."""
    shown: NDArray[np.float32]
    """Rows, engaged or not."""
    timed: NDArray[np.float32]
    """Engagements that have a time."""
    recent: NDArray[np.float32]
    """Engagements in the latest part (``RECENT``) of the time span."""
    end: float
    """Time of the last row in days since 1970, NaN without times."""
    span: float
    """Days between the first row and the last."""

    def extended(self, rows: int) -> ItemEvents:
        """Return the counts for ``rows`` item rows, of which the last ones have no event."""
        engaged, shown, timed, recent = (padded(count, (0,), rows) for count in self[:4])
        return ItemEvents(engaged, shown, timed, recent, self.end, self.span)

    @classmethod
    def nothing(cls, items: int) -> ItemEvents:
        """Return the counts of a log without a row, for ``items`` rows of items."""
        none = np.zeros(items, dtype=np.float32)
        return cls(none, none, none, none, float("nan"), float("nan"))


def signals(
    items: pl.DataFrame, events: ItemEvents, named: tuple[str, ...], fitted: int | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return the raw signals (N + 1,) by name, NaN where not known: those of the events, then those ``named``.

    The names do not depend on the events, so that what is fitted on a part of them has the components of the whole.

    Args:
        items: the catalogue in the order of the item rows (N rows).
        events: counts of the fitted events.
        named: entries of ``features.quality``, see ``Signal``.
        fitted: items that means, positions and the latest date come from, the first ones; None = all.

    Raises:
        DataError: an entry or a column of it cannot be used.
    """
    found = {
        "engagements": np.log1p(events.engaged.astype(np.float64)),
        "engagement_rate": _rate(events),
        "trend": _trend(events),
        "freshness": _padded(freshness(items.get_column(Col.CREATED), events.end, events.span, fitted=slice(fitted))),
    }
    for signal in map(Signal.parse, named):
        name = signal.component
        if name in found:
            raise DataError(
                f"features.quality: {name!r} is there already ({', '.join(found)}). "
                "Rename the column, or add name=NAME to the entry."
            )
        found[name] = _padded(named_signal(items, signal, events.end, events.span, fitted))
    return found


def _rate(events: ItemEvents) -> NDArray[np.float64]:
    """Return the engaged share of an item's rows, smoothed; not known where every row is an engagement."""
    if not (events.shown > events.engaged).any():
        return np.full(len(events.shown), np.nan)
    return shrunk_rate(events.engaged.astype(np.float64), events.shown.astype(np.float64), _PRIOR_ROWS)


def _trend(events: ItemEvents) -> NDArray[np.float64]:
    """Return the logarithm of recent engagements over those that an even spread would give."""
    if not events.span > 0:  # NaN without times
        return np.full(len(events.shown), np.nan)
    return np.log((events.recent + 1.0) / (RECENT * events.timed.astype(np.float64) + 1.0))


def _padded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[np.nan], values])


def scale(raw: dict[str, NDArray[np.float64]], scaling: Scaling | None = None) -> Quality:
    """Return signals scaled robustly: the median is 0, three quarter spreads are ``LIMIT``, beyond is cut.

    Args:
        raw: by name, (N + 1,) each.
        scaling: as it was found before, which then tells what nothing is known of as well; None = found here.
    """
    raw_values = np.stack(list(raw.values()), axis=1)  # (N + 1, Q)
    known = np.isfinite(raw_values)
    known[0] = False
    scaling = _scaling(raw_values, known) if scaling is None else scaling
    known &= np.isfinite(scaling.spread)
    scaled = np.clip((np.where(known, raw_values, 0.0) - scaling.middle) / scaling.spread, -LIMIT, LIMIT)
    values = np.where(known, scaled, 0.0).astype(np.float32)
    return Quality(tuple(raw), values, (~known).astype(np.float32), scaling)


def _scaling(values: NDArray[np.float64], known: NDArray[np.bool_]) -> Scaling:
    """Return the scaling of ``values`` (N + 1, Q) where ``known`` (N + 1, Q)."""
    middle, spread = np.zeros(values.shape[1]), np.full(values.shape[1], np.inf)
    for at in np.flatnonzero(known.any(axis=0)):
        told = values[known[:, at], at]
        low, middle[at], high = np.percentile(told, [25, 50, 75])
        spread[at] = 3 * ((high - low) or float(told.std()) or 1.0)
    return Scaling(middle, spread)
