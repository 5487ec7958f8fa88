"""Another ranker's opinion of the candidate for the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense
from features.blocks.reading import Found, Reading
from features.columns import Col
from features.vocabulary import MISSING, UNKNOWN


@dataclass(frozen=True)
class ExternalBlock(Block):
    """Scores of the table ``scores``, standardised over the table; 0 and unknown where it has none.

    The table is read as it is given: whoever made it answers for what its ranker has seen.
    """

    name = "external"
    columns = ("external", "external_known")
    sources = (("external", "external"),)
    by_item = (("scores", (1,)),)

    scores: sparse.csr_matrix  # (U, N + 1), standardised scores in [1, 7], centred on 4

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Read the scores of known users and items; events are not looked at."""
        shape = (log.sizes.users, log.sizes.items)
        table = world.scores
        if table is None or table.height == 0:
            return cls(sparse.csr_matrix(shape, dtype=np.float32))
        table = table.group_by(Col.USER, Col.ITEM).agg(pl.col(Col.SCORE).mean()).sort(Col.USER, Col.ITEM)
        user, item = world.known.users.rows(table[Col.USER]), world.catalogue.ids.rows(table[Col.ITEM])
        raw = table[Col.SCORE].to_numpy().astype(np.float64)
        kept = (user > UNKNOWN) & (item != MISSING) & np.isfinite(raw)
        deviation = float(raw[kept].std()) if kept.any() else 1.0
        mean = float(raw[kept].mean()) if kept.any() else 0.0
        value = np.clip((raw[kept] - mean) / (deviation or 1.0), -3.0, 3.0) + 4.0  # above 0, so that none is told apart
        return cls(sparse.csr_matrix((value.astype(np.float32), (user[kept], item[kept])), shape=shape))

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the shifted scores of every item for the user, 0 = none."""
        return {"external": dense(self.scores[reading.rows.user])}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the standardised score, and whether there is one."""
        score = found.at("external")
        known = (score > 0).astype(np.float32)
        return (score - 4.0) * known, known
