"""BM25 of the query over each item's title, text and the train queries by which it was engaged."""

from __future__ import annotations

import bm25s
import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.text import words
from training.evaluation.baselines.base import Baseline, Index, World, item_counts


class BM25(Baseline):
    """Okapi BM25 (Lucene's form, k1 = 1.5, b = 0.75) over words in normal form.

    A query counts in an item's document as often as the item was engaged for it. A request without a query, or with
    no word that any item has, is served by popularity: zeros for all items would be a random order.
    """

    name = "bm25"

    def fit(self, world: World) -> None:
        """Index a document per item."""
        documents = _documents(world)
        self._popularity = item_counts(world.fitted, Index(world.items[Col.ITEM]))  # (N,)
        self._index: bm25s.BM25 | None = None
        if any(documents):
            self._index = bm25s.BM25(backend="numpy")
            self._index.index(documents, show_progress=False)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return BM25 (B, N), or popularity where the query says nothing."""
        out = np.repeat(self._popularity[None, :], len(requests), axis=0)
        known: dict[str, NDArray[np.float32] | None] = {}
        for row, query in enumerate(requests[Col.QUERY]):
            if query is None:
                continue
            if query not in known:
                known[query] = self._query_scores(query)
            found = known[query]
            if found is not None:
                out[row] = found
        return out

    def _query_scores(self, query: str) -> NDArray[np.float32] | None:
        """Return the scores (N,) of a query, or None where no item has a word of it."""
        if self._index is None:
            return None
        vocabulary = self._index.vocab_dict
        tokens = [vocabulary[word] for word in words(query) if word in vocabulary]
        return self._index.get_scores_from_ids(tokens).astype(np.float32) if tokens else None


def _documents(world: World) -> list[list[str]]:
    """Return the words of each item, in catalogue order."""
    queries = (
        world.fitted.select(Col.ITEM, Col.QUERY)
        .drop_nulls()
        .group_by(Col.ITEM)
        .agg(pl.col(Col.QUERY).str.join(" ").alias("queries"))
    )
    rows = world.items.join(queries, on=Col.ITEM, how="left", validate="1:1", maintain_order="left")
    texts = rows.select(pl.concat_str(Col.TITLE, Col.TEXT, "queries", separator=" ", ignore_nulls=True)).to_series()
    return [words(text) for text in texts]
