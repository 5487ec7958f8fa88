"""Cosine of text vectors: of the query, the source item or the user's history against each item."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.encoder import PACKAGED, TextEncoder
from training.evaluation.baselines.base import (
    Baseline,
    Index,
    Settings,
    World,
    distinct_ids,
    item_counts,
    leaving_out,
    user_items,
)
from training.evaluation.baselines.texts import item_texts, stated


class Vectors(Baseline):
    """Vectors of a sentence-transformers model, which nothing is fitted to.

    A query is compared with title and text of each item. A request without a query is compared by the vector of its
    source item, and one without either by the mean vector of what its user engaged with; items are compared with
    items after the mean of the catalogue, which they all share, is taken off. Where nothing of this is known, or no
    text is there, popularity is served.
    """

    name = "vectors"
    grid = ({"recency": 0.0}, {"recency": 1.0}, {"recency": 2.0})

    def __init__(self, *, recency: float = 0.0, model: str = PACKAGED) -> None:
        """Take the settings.

        Args:
            recency: a history item weighs ``(1 + later items) ** -recency``, where histories have an order.
            model: of the text encoder, ``packaged`` or what sentence-transformers takes.
        """
        self._recency, self._model = recency, model

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid, of which one setting is left where histories have no order."""
        return cls.grid if world.ordered else leaving_out(cls.grid, "recency")

    def fit(self, world: World) -> None:
        """Look up the vector of each item, and keep the history of each user."""
        self._encoder = world.shared("text encoder", self._model, lambda: TextEncoder(self._model))
        self._items = Index(world.items[Col.ITEM])
        self._popularity = item_counts(world.fitted, self._items)  # (N,)
        self._vectors = world.shared("text vectors", self._model, lambda: _vectors(world.items, self._encoder))
        self._centred = world.shared("centred text vectors", self._model, lambda: _centred(self._vectors))  # (N, E)
        self._users = Index(distinct_ids(world.history, Col.USER))
        recency = self._recency if world.ordered else 0.0
        self._histories = user_items(world.history, self._users, self._items, recency)  # (H, N)

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return cosines (B, N), or popularity where the request says nothing."""
        out = self.cosines(requests)
        out[~out.any(axis=1)] = self._popularity
        return out

    def cosines(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return cosines (B, N), zeros where the request says nothing."""
        out = np.zeros((len(requests), len(self._items)), dtype=np.float32)
        query = stated(requests[Col.QUERY])
        asking = query.is_not_null().to_numpy()
        if asking.any() and self._vectors.any():
            texts = [text.strip() for text in query.drop_nulls()]
            out[asking] = self._encoder.encode(texts) @ self._vectors.T  # (A, N)
        browsing = np.flatnonzero(~asking)
        if len(browsing):
            out[browsing] = self._profiles(requests[browsing]) @ self._centred.T
        return out

    def _profiles(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return unit vectors (B, E) of source items, else of histories; zeros without either."""
        user = self._users.rows(requests[Col.USER])
        source = self._items.rows(requests[Col.SOURCE_ITEM])
        found = np.zeros((len(requests), self._centred.shape[1]), dtype=np.float32)
        known = user >= 0
        found[known] = self._histories[user[known]] @ self._centred
        given = np.flatnonzero(source >= 0)
        given = given[self._centred[source[given]].any(axis=1)]  # an item without a text says nothing
        found[given] = self._centred[source[given]]
        return _unit(found)


def _vectors(items: pl.DataFrame, encoder: TextEncoder) -> NDArray[np.float32]:
    """Return unit vectors (N, E) of the items, zeros without a text; E is 1 where no item has one."""
    texts = item_texts(items)
    some = [row for row, text in enumerate(texts) if text]
    if not some:
        return np.zeros((len(texts), 1), dtype=np.float32)
    found = encoder.encode([texts[row] for row in some])
    out = np.zeros((len(texts), found.shape[1]), dtype=np.float32)
    out[some] = found
    return out


def _centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return unit vectors (N, E) without the mean of those that are not zero; zeros stay zeros."""
    some = vectors.any(axis=1)
    out = np.zeros_like(vectors)
    if some.any():
        out[some] = vectors[some] - vectors[some].mean(axis=0)
    return _unit(out)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-6), dtype=np.float32)
