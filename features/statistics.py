"""What is fitted on events, as one object that knows which rows it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.arrays import load_arrays, save_arrays
from features.config import FeatureConfig
from features.counts import Counts, Engagements, Sizes, fit_counts, load_counts, save_counts
from features.events import EventRows, Past
from features.quality import ItemEvents, Quality, scale, signals
from features.vocabulary import MISSING, UNKNOWN

_RECENT = 0.25
"""Share of the time span that counts as recent."""


@dataclass(frozen=True)
class Statistics:
    """Counts, quality and exposure, fitted on the same rows.

    Attributes:
        counts: context × candidate counts.
        quality: the quality vectors.
        exposure: (N + 1,) rows that showed the item; 0 means that nothing was learned of its id.
    """

    counts: Counts
    quality: Quality
    exposure: NDArray[np.float32]


def fit_statistics(
    rows: EventRows,
    past: Past,
    kept: NDArray[np.bool_],
    items: pl.DataFrame,
    words: sparse.csr_matrix,
    home: NDArray[np.int64],
    sizes: Sizes,
    config: FeatureConfig,
    seed: int,
) -> Statistics:
    """Fit on the rows that are ``kept`` (E,), and on none of the others.

    Args:
        rows: the events.
        past: their histories; a kept row's last item before it is one of its facts.
        kept: which rows may be counted.
        items: the catalogue in the order of its rows.
        words: (K, W) hashed words of the query vocabulary.
        home: (U,) home country rows.
        sizes: rows of the vocabularies.
        config: settings.
        seed: of whatever is sampled.
    """
    engaged = kept & (rows.label > 0)
    part = rows.take(engaged)
    end = past.end[engaged]
    has_last = past.history.ordered & (end > past.history.start[part.user]) & (part.user > UNKNOWN)
    previous = np.where(has_last, past.history.item[np.where(has_last, end - 1, 0)], 0) if has_last.any() else 0
    engagements = Engagements(
        task=part.task,
        user=part.user,
        country=np.where(part.country == MISSING, home[part.user], part.country),
        query=part.query,
        source=part.source,
        item=part.item,
        previous=np.broadcast_to(np.asarray(previous, dtype=np.int64), part.item.shape),
    )
    all_engaged = int((rows.label > 0).sum())
    counts = fit_counts(
        engagements, words, sizes, config.counts, seed, scale=all_engaged / max(len(part.item), 1)
    )
    shown = rows.take(kept)
    return Statistics(
        counts=counts,
        quality=scale(signals(items, _item_events(shown, sizes.items), config.quality)),
        exposure=np.bincount(shown.item, minlength=sizes.items).astype(np.float32),
    )


def _item_events(rows: EventRows, items: int) -> ItemEvents:
    engaged = rows.label > 0
    first, last = (float("nan"),) * 2
    if np.isfinite(rows.time).any():
        first, last = float(np.nanmin(rows.time)), float(np.nanmax(rows.time))
    recent = engaged & (rows.time > last - _RECENT * (last - first))
    return ItemEvents(
        engaged=np.bincount(rows.item[engaged], minlength=items).astype(np.float32),
        shown=np.bincount(rows.item, minlength=items).astype(np.float32),
        recent=np.bincount(rows.item[recent], minlength=items).astype(np.float32),
        end=last,
        span=last - first,
    )


def save_statistics(statistics: Statistics, folder: Path) -> None:
    """Write everything that was fitted."""
    save_counts(statistics.counts, folder / "counts.safetensors")
    arrays = {"values": statistics.quality.values, "missing": statistics.quality.missing}
    save_arrays(arrays | {"exposure": statistics.exposure}, folder / "quality.safetensors")
    pl.DataFrame({"name": statistics.quality.names}, schema={"name": pl.String}).write_parquet(folder / "quality.parquet")


def load_statistics(folder: Path) -> Statistics:
    """Read what ``save_statistics`` wrote."""
    arrays = load_arrays(folder / "quality.safetensors")
    names = tuple(pl.read_parquet(folder / "quality.parquet").get_column("name"))
    quality = Quality(names, arrays["values"], arrays["missing"])
    return Statistics(load_counts(folder / "counts.safetensors"), quality, arrays["exposure"])
