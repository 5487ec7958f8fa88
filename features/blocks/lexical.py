"""How well the words of the query match the candidate's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class LexicalBlock(Block):
    """BM25 over title and text; the weights are part of the catalogue, and nothing is learned of events."""

    name = "lexical"
    columns = ("lexical", "lexical_of_best")
    sources = (("lexical", "lexical"),)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn nothing."""
        return cls()

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return BM25 of every item."""
        return {"lexical": dense(reading.text @ reading.known.catalogue.lexical)}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return BM25 in tens, and as a share of the best of the catalogue."""
        score = found.at("lexical")
        best = found.whole["lexical"].max(axis=1, keepdims=True)
        return score / np.float32(10), np.asarray(score / np.maximum(best, 1e-6), dtype=np.float32)
