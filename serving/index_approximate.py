"""Approximate search by faiss, with any factory string.

The largest inner product is the nearest neighbour once all items are equally long. For a graph, each item gets one more
component that makes it so, and each request a 0 there; distances then rank as inner products do (Bachrach et al. 2014).
Graphs need that: by inner product itself, they link everything to the few longest items and lose the rest. So does PCA,
which moves the origin. Codes must not have it: what makes the items equally long, and qualities that a request does not
weigh, are large terms of a distance that cancel out, and what is rounded in them drowns the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch  # noqa: F401 (torch before faiss: their OpenMP runtimes clash in the other order)
from numpy.typing import NDArray

import faiss  # isort: skip

from features.errors import DataError
from serving.config import AUTO, COMPRESSED, FLAT, IndexConfig
from serving.index_checks import reason

_ROOM: Final = 1.1
"""How much longer than the longest item of a graph an item may be that comes later."""
_LOOKED_AT: Final = 16
"""About how many items a graph looks at for each that it keeps in view, and codes are read in the time of a vector."""
_POINTS_A_LIST: Final = 64
"""Items from which the centre of an inverted list is learned; more takes longer and finds no more."""
_EQUALLY_LONG: Final = re.compile(r"(^|,)(HNSW|NSG)|PCA")
_CHOOSES_WIDTH: Final = re.compile(r"(PCAW?R?|RR|ITQ|Pad|OPQ\d+_)\d+,")
_EQUAL_PARTS: Final = re.compile(r"PQ(\d+)")


class Approximate:
    """A faiss index over item vectors. N = items, W = components; positions are counted from 0.

    The same vectors and settings make the same index: k-means has a fixed seed, and one thread builds unless the
    settings say otherwise. Building takes as many times longer as there are cores left idle.
    """

    def __init__(self, index: Any, longest: float | None, config: IndexConfig) -> None:
        """Search ``index``, whose vectors were made ``longest`` long; None = they were not."""
        self.index, self.longest, self.config = index, longest, config
        core = index
        while isinstance(core, faiss.IndexPreTransform):
            core = faiss.downcast_index(core.index)
        self._core = core
        lists = faiss.try_extract_index_ivf(index)  # also the one inside an index that refines
        if lists is not None:
            lists.nprobe = min(config.nprobe, lists.nlist)
        self._filters: bool | None = None

    @classmethod
    def build(cls, vectors: NDArray[np.float32], factory: str, config: IndexConfig) -> Approximate:
        """Index ``vectors`` (N, W).

        Raises:
            DataError: faiss does not know the ``factory`` string, or cannot build it from so few vectors.
        """
        longest = _ROOM * float(np.sqrt(_squares(vectors).max(initial=0.0))) if _EQUALLY_LONG.search(factory) else None
        with _threads(config.threads), _one_line(factory, f" of {len(vectors):,} vectors"):
            made = cls(_empty(factory, vectors.shape[1]), longest, config)
            made._set_up()
            padded = made._padded(vectors)
            made.index.train(padded)
            made.index.add(padded)
        return made

    def _set_up(self) -> None:
        if isinstance(self._core, faiss.IndexHNSW):
            self._core.hnsw.efConstruction = self.config.ef_construction
        lists = faiss.try_extract_index_ivf(self.index)
        if lists is not None:
            lists.cp.max_points_per_centroid = _POINTS_A_LIST
            lists.cp.min_points_per_centroid = 1  # few are no reason to write on the screen

    def copy(self) -> Approximate:
        """Return another index of the same items, so that what is added to it is not added to this one."""
        return Approximate(faiss.clone_index(self.index), self.longest, self.config)

    def takes(self, vectors: NDArray[np.float32]) -> bool:
        """Whether ``vectors`` (M, W) are short enough to be added."""
        return self.longest is None or bool(_squares(vectors).max(initial=0.0) <= self.longest**2)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Append ``vectors`` (M, W); they get the next positions."""
        with _threads(self.config.threads):
            self.index.add(self._padded(vectors))

    def worth_it(self, allowed: int) -> bool:
        """Whether a search looks at fewer items than ``allowed``, those that pass the filter, are.

        The fewer pass, the further a search must go to meet enough of them.
        """
        items = int(self.index.ntotal)
        if isinstance(self._core, faiss.IndexHNSW):
            looked_at = float(_LOOKED_AT * self.config.ef_search)
        elif isinstance(self._core, faiss.IndexIVF):
            looked_at = items * min(self.config.nprobe, self._core.nlist) / self._core.nlist
        else:
            looked_at = items / _LOOKED_AT
        return bool(allowed**2 > looked_at * items)

    def find(
        self, query: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None, times: float = 1.0
    ) -> NDArray[np.int64]:
        """Return the positions, at most ``count``, that are nearest to a query and allowed, in no order.

        Args:
            query: (W,) of a request.
            count: positions to fetch. Where this kind of index cannot filter, what is not allowed takes places too.
            allowed: (N,) what may be found; None = everything.
            times: as far as the settings say is the search to go.
        """
        asked = np.zeros((1, self.index.d), dtype=np.float32)
        asked[0, : len(query)] = query
        selector = None
        if allowed is not None and self.filters:
            selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = self._parameters(selector, count, times)
        positions: NDArray[np.int64] = self.index.search(asked, count, params=parameters)[1][0]
        found = positions[positions >= 0]
        return found if allowed is None else found[allowed[found]]

    @property
    def bytes(self) -> int:
        """What it takes in memory, about: what it takes on disk."""
        return int(faiss.serialize_index(self.index).nbytes)

    @property
    def filters(self) -> bool:
        """Whether this kind of index can filter inside a search. It is asked, as faiss publishes no list."""
        if self._filters is None:
            try:
                nothing = faiss.IDSelectorBitmap(np.zeros(-(-self.index.ntotal // 8), dtype=np.uint8))
                query = np.zeros((1, self.index.d), dtype=np.float32)
                found = self.index.search(query, 1, params=self._parameters(nothing, 1, 1.0))[1]
                self._filters = bool((found < 0).all())
            except RuntimeError:
                self._filters = False
        return self._filters

    def _parameters(self, selector: Any, count: int, times: float) -> Any:
        if isinstance(self._core, faiss.IndexHNSW):
            effort = min(max(int(self.config.ef_search * times), count), self.index.ntotal)
            made = faiss.SearchParametersHNSW(sel=selector, efSearch=max(effort, 1))
        elif isinstance(self._core, faiss.IndexIVF):
            lists = min(int(self.config.nprobe * times), self._core.nlist)
            made = faiss.SearchParametersIVF(sel=selector, nprobe=lists)
        elif selector is not None:
            made = faiss.SearchParameters(sel=selector)
        else:
            return None
        return faiss.SearchParametersPreTransform(index_params=made) if self._core is not self.index else made

    def _padded(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``vectors`` (M, W), made equally long if that is wanted, with zeros up to the width of the index."""
        made = np.zeros((len(vectors), self.index.d), dtype=np.float32)
        made[:, : vectors.shape[1]] = vectors
        if self.longest is not None:
            made[:, vectors.shape[1]] = np.sqrt(np.maximum(self.longest**2 - _squares(vectors), 0.0))
        return made


def check_factory(config: IndexConfig, width: int) -> None:
    """Refuse a factory string that faiss does not know, before anything is trained that is to be indexed by it.

    Args:
        config: of the index.
        width: of the vectors.

    Raises:
        DataError: faiss cannot read the string, or not for vectors of this width.
    """
    if config.factory not in (AUTO, FLAT, COMPRESSED):
        with _one_line(config.factory, ""):
            _empty(config.factory, width)


def _empty(factory: str, width: int) -> Any:
    if _EQUALLY_LONG.search(factory):
        return faiss.index_factory(_width(width + 1, factory), factory, faiss.METRIC_L2)
    return faiss.index_factory(_width(width, factory), factory, faiss.METRIC_INNER_PRODUCT)


@contextmanager
def _one_line(factory: str, what: str) -> Iterator[None]:
    """Say in one line what faiss has against a factory string."""
    try:
        yield
    except RuntimeError as error:
        raise DataError(
            f"serving.index.factory: faiss cannot build {factory!r}{what}: {reason(error)}. "
            "Give auto, Flat, compressed or another string."
        ) from error


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return squared lengths (M,), in double precision: what is taken off the longest may be small."""
    squares: NDArray[np.float64] = np.einsum("mw,mw->m", vectors, vectors, dtype=np.float64)
    return squares


def _width(width: int, factory: str) -> int:
    """Return the next larger width that divides into the parts of a quantiser."""
    parts = _EQUAL_PARTS.search(factory)
    if parts is None or int(parts[1]) < 1 or _CHOOSES_WIDTH.match(factory):
        return width
    return -(-width // int(parts[1])) * int(parts[1])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
