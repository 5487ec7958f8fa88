"""Popularity: what was engaged most, whoever asks for whatever."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.baselines.base import Baseline, Index, World, item_counts


class Popularity(Baseline):
    """The number of distinct users who engaged with an item, in any task."""

    name = "popularity"

    def fit(self, world: World) -> None:
        """Count the users of each item."""
        self._counts = item_counts(world.fitted, Index(world.items[Col.ITEM]))  # (N,)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the counts (B, N), the same row for all."""
        return np.repeat(self._counts[None, :], len(requests), axis=0)
