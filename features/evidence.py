"""Evidence of a block of requests: what the feature blocks say of every item, and of the candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.blocks.base import Block
from features.blocks.numbers import Dense, Ints
from features.blocks.reading import Found, Known, Reading
from features.imputation import RequestRows
from features.queries import QueryTable
from features.vocabulary import MISSING

REQUEST_FEATURES = ("query_engagements", "query_length", "history_length", "query_history_length", "query_known")
"""Columns of the context-only numeric features (G)."""


@dataclass(frozen=True)
class Evidence:
    """What the blocks say of a block of requests. B = requests, N = items.

    Attributes:
        reading: the requests.
        blocks: by name, those that are switched on, in the order of their columns.
        whole: by name, evidence (B, N + 1) float32 of every item, or of what the block groups them by; column 0 is
            padding. A row is zero where the request lacks what the evidence is about.
    """

    reading: Reading
    blocks: Mapping[str, Block]
    whole: Mapping[str, Dense]

    @classmethod
    def gather(
        cls, rows: RequestRows, filled: RequestRows, table: QueryTable, known: Known, blocks: Mapping[str, Block]
    ) -> Evidence:
        """Read ``blocks`` for requests.

        Args:
            rows: the requests as they came.
            filled: the same after imputation.
            table: the query texts that both point into.
            known: what is read besides the blocks.
            blocks: what was fitted.
        """
        reading = Reading(rows, filled, table, known)
        whole: dict[str, Dense] = {}
        for block in blocks.values():
            whole |= block.read(reading)
        return cls(reading, blocks, whole)

    def pairs(self, candidates: Ints) -> Dense:
        """Return the features (B, L, F) of ``candidates`` (B, L) in the order of ``pair_columns``; padding is 0."""
        found = Found(self.reading, self.whole, candidates)
        columns = [column for block in self.blocks.values() for column in block.features(found)]
        features = np.zeros((*candidates.shape, len(columns)), dtype=np.float32)
        for place, column in enumerate(columns):
            features[:, :, place] = column
        features[candidates == MISSING] = 0.0
        return features

    def facts(self) -> NDArray[np.float32]:
        """Return the context-only features (B, G) in the order of ``REQUEST_FEATURES``.

        A query is known if it has engagements, and not if it is in the vocabulary, which knows the rows that the
        counts are blind to.
        """
        reading = self.reading
        nothing = np.zeros((len(reading.query), 1), dtype=np.float32)
        engaged = self.whole.get("query", nothing).sum(axis=1)
        numbers = (
            np.log1p(engaged),
            np.log1p(reading.table.length[reading.filled.query]),
            np.log1p(np.asarray(reading.past.sum(axis=1)).ravel()),
            np.log1p(np.asarray(reading.used.sum(axis=1)).ravel()),
            engaged > 0,
        )
        return np.stack(numbers, axis=1).astype(np.float32)

    def sources(self) -> dict[str, tuple[str, Dense]]:
        """Return by name what brings candidates: the setting of its size, and evidence (B, N + 1)."""
        return {name: (size, self.whole[name]) for block in self.blocks.values() for name, size in block.sources}
