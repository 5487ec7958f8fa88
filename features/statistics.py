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
from features.counts import Counts, Engagements, Shown, Sizes, fit_counts, load_counts, save_counts
from features.events import EventRows, previous_items
from features.quality import RECENT, ItemEvents, Quality, scale, signals
from features.vocabulary import MISSING


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
    kept: NDArray[np.bool_],
    items: pl.DataFrame,
    words: sparse.csr_matrix,
    group: NDArray[np.int64],
    home: NDArray[np.int64],
    sizes: Sizes,
    config: FeatureConfig,
    seed: int,
    *,
    ordered: bool,
) -> Statistics:
    """Fit on the rows that are ``kept`` (E,), and on none of the others: not even a user's last item comes from them.

    Args:
        rows: the events.
        kept: which rows may be counted.
        items: the catalogue in the order of its rows.
        words: (K, W) hashed words of the query vocabulary.
        group: (N + 1,) product group of each item.
        home: (U,) home country rows.
        sizes: rows of the vocabularies.
        config: settings.
        seed: of whatever is sampled.
        ordered: whether the order of the events means anything.
    """
    shown = rows.take(kept & (rows.item != MISSING))
    part = shown.take(shown.engaged)
    previous = previous_items(shown, sizes.users)[shown.engaged] if ordered else np.zeros_like(part.item)
    engagements = Engagements(
        task=part.task,
        user=part.user,
        country=np.where(part.country == MISSING, home[part.user], part.country),
        query=part.query,
        source=part.source,
        item=part.item,
        previous=previous,
    )
    # Decided on all rows, so that what is fitted on a part of them has the features of the whole.
    pages = shown if (rows.label <= 0).any() else shown.take(np.zeros(0, dtype=np.int64))
    # A ratio of rows and not of engagements, for what is not kept was or was not engaged with is not to be known.
    scale_of_all = len(rows.item) / max(len(shown.item), 1)
    return Statistics(
        counts=fit_counts(
            engagements,
            Shown(pages.task, pages.query, pages.source, pages.item),
            words,
            group,
            sizes,
            config.counts,
            seed,
            scale=scale_of_all,
        ),
        quality=scale(signals(items, _item_events(shown, sizes.items), config.quality)),
        exposure=np.bincount(shown.item, minlength=sizes.items).astype(np.float32),
    )


def _item_events(rows: EventRows, items: int) -> ItemEvents:
    timed = np.isfinite(rows.time)
    first = float(rows.time[timed].min()) if timed.any() else float("nan")
    last = float(rows.time[timed].max()) if timed.any() else float("nan")
    recent = rows.time > last - RECENT * (last - first)

    def count(which: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.bincount(rows.item[which], minlength=items).astype(np.float32)

    return ItemEvents(
        engaged=count(rows.engaged),
        shown=count(np.ones_like(timed)),
        timed=count(rows.engaged & timed),
        recent=count(rows.engaged & recent),
        end=last,
        span=last - first,
    )


def save_statistics(statistics: Statistics, folder: Path) -> None:
    """Write everything that was fitted."""
    save_counts(statistics.counts, folder / "counts.safetensors")
    arrays = {"values": statistics.quality.values, "missing": statistics.quality.missing}
    save_arrays(arrays | {"exposure": statistics.exposure}, folder / "quality.safetensors")
    names = pl.DataFrame({"name": statistics.quality.names}, schema={"name": pl.String})
    names.write_parquet(folder / "quality.parquet")


def load_statistics(folder: Path) -> Statistics:
    """Read what ``save_statistics`` wrote."""
    arrays = load_arrays(folder / "quality.safetensors")
    names = tuple(pl.read_parquet(folder / "quality.parquet").get_column("name"))
    quality = Quality(names, arrays["values"], arrays["missing"])
    return Statistics(load_counts(folder / "counts.safetensors"), quality, arrays["exposure"])
