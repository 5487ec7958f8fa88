"""The quality vector: what makes an item good whatever the request."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.errors import DataError

_PRIOR_ROWS = 20.0
"""Shown rows that the mean engagement rate counts for when an item's own rate is smoothed."""
_HALF_LIFE_SHARE = 0.25
"""Half-life of freshness, as a share of the time that the fitted events span."""
LIMIT = 1.0
"""Components lie in [-LIMIT, LIMIT]."""


class Quality(NamedTuple):
    """Quality vectors of the catalogue. N = items, Q = components."""

    names: tuple[str, ...]
    """(Q,) what each component is."""
    values: NDArray[np.float32]
    """(N + 1, Q) in [-1, 1], row 0 and what is missing 0."""
    missing: NDArray[np.float32]
    """(N + 1, Q) 1 where the component is not known."""


class ItemEvents(NamedTuple):
    """The fitted events of the catalogue, counted by item row (N + 1,)."""

    engaged: NDArray[np.float32]
    """Engagements."""
    shown: NDArray[np.float32]
    """Rows, engaged or not."""
    recent: NDArray[np.float32]
    """Engagements in the latest quarter of the time span; NaN where rows have no time."""
    end: float
    """Time of the last row in days since 1970, NaN without times."""
    span: float
    """Days between the first row and the last."""


def signals(items: pl.DataFrame, events: ItemEvents, named: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Return the raw signals (N + 1,) by name, NaN where not known.

    Args:
        items: the catalogue in the order of the item rows (N rows).
        events: counts of the fitted events.
        named: numeric columns of ``items`` to use as they are.

    Raises:
        DataError: a named column is absent or not numeric.
    """
    found: dict[str, NDArray[np.float64]] = {"engagements": np.log1p(events.engaged).astype(np.float64)}
    if (events.shown > events.engaged).any():
        rate = events.engaged.sum() / max(events.shown.sum(), 1.0)
        found["engagement_rate"] = (events.engaged + rate * _PRIOR_ROWS) / (events.shown + _PRIOR_ROWS)
    if np.isfinite(events.end) and events.span > 0:
        expected = 0.25 * events.engaged
        found["trend"] = np.log((events.recent + 1.0) / (expected + 1.0)).astype(np.float64)
        created = items.get_column(Col.CREATED).cast(pl.Datetime("us")).dt.timestamp("ms").cast(pl.Float64) / 86_400_000
        age = np.maximum(events.end - created.fill_null(float("nan")).to_numpy(), 0.0)
        if np.isfinite(age).any():
            found["freshness"] = _padded(np.exp2(-age / max(events.span * _HALF_LIFE_SHARE, 1.0)))
    for name in named:
        found[name] = _padded(_numeric(items, name))
    return found


def _numeric(items: pl.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in items.columns:
        raise DataError(f"features.quality names {name!r}, which items does not have. It has: {', '.join(items.columns)}.")
    if not items.schema[name].is_numeric():
        raise DataError(f"features.quality names {name!r}, which is {items.schema[name]}, not a number.")
    return items.get_column(name).cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _padded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[np.nan], values])


def scale(raw: dict[str, NDArray[np.float64]]) -> Quality:
    """Return signals scaled robustly: the median is 0, three quarter spreads are ``LIMIT``, beyond is cut."""
    values, missing = [], []
    for signal in raw.values():
        known = np.isfinite(signal)
        known[0] = False
        if known.any():
            low, middle, high = np.percentile(signal[known], [25, 50, 75])
            spread = (high - low) or float(signal[known].std()) or 1.0
            scaled = np.clip((signal - middle) / (3 * spread), -LIMIT, LIMIT)
        else:
            scaled = np.zeros_like(signal)
        values.append(np.where(known, scaled, 0.0))
        missing.append(~known)
    return Quality(tuple(raw), np.stack(values, axis=1).astype(np.float32), np.stack(missing, axis=1).astype(np.float32))
