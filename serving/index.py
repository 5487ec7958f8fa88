"""The index of the space: one vector ``[s·v ; q]`` per item, searched by inner product."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.errors import DataError
from serving import index_files
from serving.config import FLAT, IndexConfig
from serving.index_approximate import Approximate
from serving.index_checks import check_vectors
from serving.index_files import IndexFacts

_AGAIN = "Fit again, with a smaller learning rate or without the items that cause it."
_OF_THE_MODEL = "Encode with the model that the index is of."


class Index:
    """Item vectors by item row; row 0 is padding and is never found.

    Exact search is the default, with filters inside the search: a matrix product, what is blocked put to minus
    infinity, and a selection. On catalogues of this size that is faster than the library's own flat scan, and has no
    filter to outgrow. A larger catalogue is searched by an approximate index of faiss, which brings more than is asked
    for; these are scored exactly. Where few items pass the filter, they are all scored, which is less work.
    """

    def __init__(self, vectors: Tensor, config: IndexConfig | None = None) -> None:
        """Index ``vectors`` (N + 1, W) float32 exactly; ``config`` is kept for whoever builds another."""
        check_vectors(vectors, None, "index", _AGAIN)
        self.vectors = vectors.contiguous()
        self.config = IndexConfig() if config is None else config
        self.factory = FLAT
        self.removed = np.zeros(len(vectors), dtype=bool)
        self._approximate: Approximate | None = None

    @classmethod
    def build(cls, vectors: Tensor, config: IndexConfig) -> Index:
        """Index ``vectors`` (N + 1, W) as ``config`` says.

        Raises:
            DataError: a vector is not finite, or faiss cannot build what is asked for.
        """
        made = cls(vectors, config)
        made.factory = config.resolved(len(vectors) - 1, vectors.shape[1])
        made._build()
        return made

    def _build(self) -> None:
        if self.factory != FLAT:
            self._approximate = Approximate.build(self.vectors[1:].numpy(), self.factory, self.config)

    def search(self, queries: Tensor, blocked: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        """Return the item rows (B, K) of largest inner product that are not ``blocked``, the best first; 0 = no more.

        Args:
            queries: (B, W) float32, or (B, V, W): of several vectors of a request, the best one scores an item.
            blocked: (B, N + 1) what may not be found.
            count: items that are asked for; K = min(count, N + 1). As many as are allowed are found.

        Raises:
            DataError: a query has another width or is not finite.
        """
        return self.nearest(queries, blocked, count)[0]

    def nearest(
        self, queries: Tensor, blocked: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what ``search`` returns, and the exact inner products (B, K), ``-inf`` where there are no more."""
        check_vectors(queries, self.vectors.shape[1], "requests", _OF_THE_MODEL)
        if blocked.shape != (len(queries), len(self.vectors)):
            raise DataError(
                f"requests: the filter has the shape {blocked.shape}, but there are {len(queries):,} requests and "
                f"{len(self.vectors):,} item rows. Say of every item whether it is blocked."
            )
        count = min(count, len(self.vectors))
        if self._approximate is None:
            return self._exact(queries, blocked, count)
        items = np.zeros((len(queries), count), dtype=np.int64)
        scores = np.full((len(queries), count), -np.inf, dtype=np.float32)
        for at, query in enumerate(_several(queries).numpy()):
            allowed = ~(blocked[at] | self.removed)
            allowed[0] = False
            found, score = self._nearest(self._approximate, query, allowed, count)
            items[at, : len(found)], scores[at, : len(found)] = found, score
        return items, scores

    def _exact(
        self, queries: Tensor, blocked: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        first, *others = _several(queries).unbind(dim=1)  # V of (B, W)
        scores = first @ self.vectors.T  # (B, N + 1)
        for other in others:
            torch.maximum(scores, other @ self.vectors.T, out=scores)
        scores.masked_fill_(torch.from_numpy(blocked), -torch.inf)
        if self.removed.any():
            scores.masked_fill_(torch.from_numpy(self.removed), -torch.inf)
        value, item = scores.topk(count, dim=1)
        return torch.where(torch.isfinite(value), item, 0).numpy(), value.numpy()

    def _nearest(
        self, approximate: Approximate, query: NDArray[np.float32], allowed: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the best rows of one request (V, W) and their scores: exact where few are ``allowed`` (N + 1,)."""
        items, passing = len(allowed) - 1, int(np.count_nonzero(allowed))
        wanted = min(count, passing)
        if not approximate.worth_it(passing):
            return self._best(query, np.flatnonzero(allowed), wanted)
        filter_ = None if passing == items else allowed[1:]
        spread = items / passing  # items that lie between two that pass, so to say
        fetched = math.ceil(wanted * self.config.over_fetch * (1.0 if approximate.filters else spread))
        times = spread
        while fetched < items:
            found = np.unique(np.concatenate([approximate.find(one, fetched, filter_, times) for one in query]))
            if len(found) >= wanted:
                return self._best(query, found + 1, wanted)
            fetched, times = 2 * fetched, 2 * times
        return self._best(query, np.flatnonzero(allowed), wanted)

    def _best(
        self, query: NDArray[np.float32], rows: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the ``count`` best of item ``rows`` and their exact scores, the best first."""
        scores = (self.vectors.numpy()[rows] @ query.T).max(axis=1)
        if count < len(rows):
            kept = np.argpartition(-scores, count)[:count]
            rows, scores = rows[kept], scores[kept]
        order = np.argsort(-scores, kind="stable")
        return rows[order], scores[order]

    @property
    def bytes(self) -> int:
        """What the index takes beside the vectors, which every kind keeps to score what it finds."""
        return 0 if self._approximate is None else self._approximate.bytes

    def copy(self) -> Index:
        """Return an index of the same items, so that what is added to it is not added to this one."""
        made = Index(self.vectors, self.config)
        made.factory, made.removed = self.factory, self.removed.copy()
        made._approximate = None if self._approximate is None else self._approximate.copy()
        return made

    def add(self, vectors: Tensor) -> NDArray[np.int64]:
        """Append items that came after the fit, and return their rows (M,), which follow the last one.

        An item that is much longer than all before makes an approximate index build itself again.

        Args:
            vectors: (M, W) float32.

        Raises:
            DataError: another width, or a vector is not finite.
        """
        check_vectors(vectors, self.vectors.shape[1], "new items", _OF_THE_MODEL)
        rows = np.arange(len(self.vectors), len(self.vectors) + len(vectors))
        self.vectors = torch.cat([self.vectors, vectors])
        self.removed = np.concatenate([self.removed, np.zeros(len(vectors), dtype=bool)])
        if self._approximate is not None and len(vectors):
            if self._approximate.takes(vectors.numpy()):
                self._approximate.add(vectors.numpy())
            else:
                self._build()
        return rows

    def without(self, rows: Iterable[int]) -> Index:
        """Return the index without items, whose rows the others keep; this one stays what it is.

        Raises:
            DataError: a row is none of an item.
        """
        return self._marked(rows, removed=True)

    def with_back(self, rows: Iterable[int]) -> Index:
        """Return the index with items again that were left out; this one stays what it is.

        Raises:
            DataError: a row is none of an item.
        """
        return self._marked(rows, removed=False)

    def _marked(self, rows: Iterable[int], *, removed: bool) -> Index:
        named = np.fromiter(rows, dtype=np.int64)
        wrong = named[(named < 1) | (named >= len(self.vectors))]
        if wrong.size:
            raise DataError(
                f"index: no item has the row {wrong[0]}; rows are 1 to {len(self.vectors) - 1}. Give rows of items."
            )
        made = copy(self)
        made.removed = self.removed.copy()
        made.removed[named] = removed
        return made

    def save(self, folder: Path, model: str) -> None:
        """Write the index, with the hash of the ``model`` that its vectors come from; no file is ever half there."""
        facts = IndexFacts(
            factory=self.factory,
            width=self.vectors.shape[1],
            items=len(self.vectors) - 1,
            model=model,
            removed=tuple(np.flatnonzero(self.removed).tolist()),
            settings=self.config,
            longest=None if self._approximate is None else self._approximate.longest,
        )
        index_files.write(folder, facts, self.vectors.numpy(), self._approximate)

    @classmethod
    def load(cls, folder: Path, model: str) -> Index:
        """Read what ``save`` wrote.

        Raises:
            DataError: the vectors come from another model, or the files do not belong together.
        """
        facts, vectors, approximate = index_files.read(folder, model)
        made = cls(torch.from_numpy(vectors), facts.settings)
        made.factory, made._approximate = facts.factory, approximate
        made.removed[list(facts.removed)] = True
        return made


def _several(queries: Tensor) -> Tensor:
    """Return ``queries`` as (B, V, W)."""
    return queries if queries.ndim == 3 else queries.unsqueeze(1)
