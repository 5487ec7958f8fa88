"""Reciprocal rank fusion of BM25, TF-IDF over character n-grams, and text vectors."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.encoder import PACKAGED
from training.evaluation.baselines.base import Baseline, Index, Settings, World, item_counts
from training.evaluation.baselines.bm25 import BM25
from training.evaluation.baselines.texts import Names, choices_by_queries, documents, spread
from training.evaluation.baselines.tfidf import CharacterTfidf
from training.evaluation.baselines.vectors import Vectors

_SAME = 5
"""Decimals of a cosine; items that agree in them share a rank, as the same text may differ by the last bits."""


class Fusion(Baseline):
    """Sum of ``weight / (k + rank)`` over three rankings of the catalogue (Cormack, Clarke & Büttcher 2009).

    Items of equal score share the best of their ranks, so that what a ranking does not find gets the same from it. A
    request without a query asks with the title and the vector of its source item; one without either is served by
    popularity.
    """

    name = "fusion"
    grid = (
        {"queries": True, "k": 60, "lexical": 1.0},
        {"queries": True, "k": 10, "lexical": 2.0},
        {"queries": False, "k": 60, "lexical": 1.0},
        {"queries": False, "k": 10, "lexical": 2.0},
    )

    def __init__(self, *, queries: bool = True, k: int = 60, lexical: float = 1.0, model: str = PACKAGED) -> None:
        """Take the settings.

        Args:
            queries: whether BM25 and TF-IDF read the queries by which an item was engaged.
            k: the larger, the less the first ranks count.
            lexical: weight of BM25; the two others have 1.
            model: of the text encoder, ``packaged`` or what sentence-transformers takes.
        """
        self._queries, self._k, self._lexical = queries, k, lexical
        self._bm25, self._vectors = BM25(queries=queries), Vectors(model=model)

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid, of which half is left where no fitted row has a query."""
        return choices_by_queries(cls.grid, world)

    def fit(self, world: World) -> None:
        """Fit the three."""
        self._names = Names(world.items)
        self._popularity = item_counts(world.fitted, Index(world.items[Col.ITEM]))  # (N,)
        self._bm25.fit(world)
        self._vectors.fit(world)
        self._tfidf = world.shared(
            "character tf-idf", self._queries, lambda: CharacterTfidf(documents(world, self._queries))
        )

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the fused ranks (B, N), or popularity where the request says nothing."""
        asked = self._names.asked(requests)
        found = (
            (self._lexical, self._bm25.matches(asked.texts)),
            (1.0, self._tfidf.matches(asked.texts)),
            (1.0, self._vectors.cosines(asked.requests).round(_SAME)),
        )
        fused = np.zeros((len(asked.texts), len(self._popularity)), dtype=np.float32)  # (T, N)
        for weight, score in found:
            telling = score.any(axis=1)  # (T,)
            fused[telling] += weight / (self._k + ranks(score[telling]))
        return spread(fused, asked.place, self._popularity)


def ranks(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ranks (B, N) from 1 of ``score`` (B, N), the largest first; equal scores share the best of their ranks."""
    out = np.empty_like(score)
    for row, values in enumerate(score):
        order = np.argsort(-values)
        ordered = values[order]
        starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        out[row, order] = np.maximum.accumulate(np.where(starts, np.arange(1, len(values) + 1), 0))
    return out
