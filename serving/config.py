"""Settings of serving that training and evaluation share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from features.errors import DataError

AUTO: Final = "auto"
COMPRESSED: Final = "compressed"
FLAT: Final = "Flat"
GRAPH: Final = "HNSW32"
"""What ``AUTO`` builds above ``IndexConfig.flat_below`` items."""
_LIST: Final = 200
"""Fewest items of an inverted list of ``COMPRESSED``, on average: codes lie in blocks of 32, not all of them full."""
_CODES: Final = 160
"""Most codes of half a byte that ``COMPRESSED`` keeps of an item; each component has its own, if they suffice."""


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """How many candidates each source may bring; 0 leaves it out. Their union is ranked, up to a limit."""

    space: int = 500
    """Nearest items of the request in the shared space; enough to reach the limit where the others bring little."""
    affinity: int = 150
    """Items of the user's linear affinity."""
    query: int = 100
    """Items engaged with for the query."""
    query_affinity: int = 100
    """Items near those that the user engaged with for the query."""
    similar_queries: int = 50
    """Items engaged with for queries that mean about the same."""
    words: int = 50
    """Items engaged with for the query's words."""
    lexical: int = 50
    """Items whose text matches the query."""
    source: int = 50
    """Items engaged with next to the source item."""
    source_affinity: int = 50
    """Items of the source item's linear affinity."""
    transitions: int = 50
    """Items engaged with soon after the user's last items."""
    groups: int = 150
    """Popular items of the product groups that the request, the user and the source item point to."""
    recent: int = 50
    """Items engaged with lately in the country, or anywhere."""
    external: int = 50
    """Items that the table ``scores`` puts first for the user."""
    shown: int = 50
    """Items shown for the query, and as many shown next to the source item, engaged with or not."""
    popularity: int = 50
    """Most engaged items of the task."""
    total: int = 500
    """Most candidates of a request; where the sources bring more, all are shortened by about the same share. 0 = no
    limit."""
    everything: int = 500
    """Catalogues up to this many items are ranked whole."""


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """How the nearest items of a request are found. What is served is scored exactly, whatever finds it."""

    factory: str = AUTO
    """``auto`` = exact search (``Flat``) below ``flat_below`` items and a graph (``HNSW32``) from there on;
    ``compressed`` = inverted lists of short codes, about 80 bytes an item, sized by the catalogue; or any factory
    string of faiss, e.g. ``HNSW32,SQ8``."""
    flat_below: int = 100_000
    """Items from which ``auto`` builds a graph."""
    ef_construction: int = 160
    """Neighbours that a graph looks at for each item when it is built."""
    ef_search: int = 1536
    """Neighbours that a graph keeps in view in a search; more finds more, and takes longer."""
    nprobe: int = 64
    """Inverted lists that a search reads; more finds more, and takes longer."""
    over_fetch: float = 3.0
    """Times as many items as are asked for come from an approximate index, to be scored exactly; at least 1."""
    threads: int = 1
    """Threads that build. Before faiss 1.15, a graph that several threads build is another one each time."""

    def __post_init__(self) -> None:
        """Refuse settings with which nothing is found."""
        for name in ("ef_construction", "ef_search", "nprobe", "over_fetch", "threads"):
            if not getattr(self, name) >= 1:
                raise DataError(f"serving.index.{name}: {getattr(self, name)} is below 1. Give 1 or more.")

    def resolved(self, items: int, width: int) -> str:
        """Return the factory string for ``items`` vectors of ``width`` components."""
        if self.factory == AUTO:
            return FLAT if items < self.flat_below else GRAPH
        if self.factory == COMPRESSED:
            lists = 2 ** round(math.log2(max(min(4 * math.sqrt(items), items / _LIST), 1)))
            together = math.ceil(width / _CODES)
            return f"IVF{lists},PQ{math.ceil(width / together)}x4fs"
        return self.factory


@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """How requests are answered."""

    candidates: CandidateConfig = field(default_factory=CandidateConfig)
    """Sources of candidates."""
    index: IndexConfig = field(default_factory=IndexConfig)
    """Of the shared space."""
    block_mb: int = 24
    """Megabytes of one dense (requests, items) block, of which about thirty are held; it bounds memory, whatever the
    catalogue."""
    prune_level: int = 0
    """Engagement level, from 1, whose learned threshold an item must reach in the space to be brought by it; nothing
    follows the candidates then. 0 = no pruning. Thresholds are learned by ``training.space.loss: hinge`` alone."""
    exclude_seen: tuple[str, ...] | None = None
    """Tasks in which items that the user engaged with are no candidates; null = all but search."""
