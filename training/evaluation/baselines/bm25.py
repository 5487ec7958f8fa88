"""BM25 of the query over each item's title, text and the train queries by which it was engaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import bm25s
import numpy as np
import polars as pl
from numpy.typing import NDArray
from Stemmer import Stemmer

from features.columns import Col
from features.text import words
from training.evaluation.baselines.base import Baseline, Index, Settings, World, item_counts
from training.evaluation.baselines.texts import Names, choices_by_queries, documents, spread

_FORMS = ({"k1": 1.2, "b": 0.4}, {"k1": 1.5, "b": 0.75})


class BM25(Baseline):
    """Okapi BM25 in Lucene's form over words in normal form, cut to their stems by the English Snowball stemmer.

    The stemmer leaves words of other alphabets as they are. A request without a query asks with the title of its source
    item; one without either, or with no word that any item has, is served by popularity: zeros for all items would be
    a random order.
    """

    name = "bm25"
    grid = tuple(
        {"queries": queries, "stemmed": stemmed} | form
        for queries, stemmed, form in product((True, False), (True, False), _FORMS)
    )

    def __init__(self, *, queries: bool = True, stemmed: bool = True, k1: float = 1.2, b: float = 0.4) -> None:
        """Take the settings.

        Args:
            queries: whether the queries by which an item was engaged are in its document, each as often as it was.
            stemmed: whether words are cut to their stems.
            k1: how far the count of a word in a document matters.
            b: how far the length of a document is made up for, from 0 to 1.
        """
        self._queries, self._stemmed = queries, stemmed
        self._form = {"k1": k1, "b": b}

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid, of which half is left where no fitted row has a query."""
        return choices_by_queries(cls.grid, world)

    def fit(self, world: World) -> None:
        """Index a document per item."""
        self._names = Names(world.items)
        self._popularity = item_counts(world.fitted, Index(world.items[Col.ITEM]))  # (N,)
        self._words = _stems() if self._stemmed else words
        found = world.shared(
            "bm25 documents",
            (self._queries, self._stemmed),
            lambda: [self._words(text) for text in documents(world, self._queries)],
        )
        self._index: Any = None
        if any(found):
            self._index = bm25s.BM25(backend="numpy", **self._form)
            self._index.index(found, show_progress=False)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return BM25 (B, N), or popularity where the request says nothing."""
        asked = self._names.asked(requests)
        return spread(self.matches(asked.texts), asked.place, self._popularity)

    def matches(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return BM25 (T, N) of ``texts``, zeros where no item has a word of one."""
        out = np.zeros((len(texts), len(self._popularity)), dtype=np.float32)
        if self._index is None:
            return out
        vocabulary = self._index.vocab_dict
        for row, text in enumerate(texts):
            tokens = [vocabulary[word] for word in self._words(text) if word in vocabulary]
            if tokens:
                out[row] = self._index.get_scores_from_ids(tokens)
        return out


def _stems() -> Callable[[str], list[str]]:
    """Return what ``words`` returns, each word as its stem."""
    stemmer = Stemmer("english")

    def stems(text: str) -> list[str]:
        found: list[str] = stemmer.stemWords(words(text))
        return found

    return stems
