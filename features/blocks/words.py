"""Engagements of the candidate for the words of the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, dense, floor_log
from features.blocks.reading import Found, Reading

_WORD_PRIOR = 5.0
"""Engagements that a word must have before its shares count for half."""


def word_shares(log: Log, world: World) -> sparse.csr_matrix:
    """Return the share (W, N + 1) of the engagements for a query word that went to the item, smoothed."""
    by_word = (world.words.T @ log.query_items).tocsr()
    total = np.asarray(by_word.sum(axis=1)).ravel()
    return (sparse.diags(1 / (total + _WORD_PRIOR)).astype(np.float32) @ by_word).tocsr().astype(np.float32)


@dataclass(frozen=True)
class WordBlock(Block):
    """The mean over the query's words of the share of their engagements that went to the item."""

    name = "words"
    columns = ("word_share",)
    sources = (("words", "words"),)
    by_item = (("by_word", (1,)),)

    by_word: sparse.csr_matrix  # (W, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the engagements for each word of the known queries."""
        return cls(word_shares(log, world))

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the mean shares of every item."""
        return {"words": dense(reading.words @ self.by_word)}

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithm of the mean share."""
        return (floor_log(found.at("words")),)
