"""Settings of serving that training and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """How many candidates each source may bring; 0 leaves it out. The union is ranked."""

    space: int = 200
    """Nearest items of the request in the shared space."""
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
    everything: int = 500
    """Catalogues up to this many items are ranked whole."""


@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """How requests are answered."""

    candidates: CandidateConfig = field(default_factory=CandidateConfig)
    """Sources of candidates."""
    block_mb: int = 24
    """Megabytes of one dense (requests, items) block, of which about thirty are held; it bounds memory, whatever the
    catalogue."""
    exclude_seen: tuple[str, ...] | None = None
    """Tasks in which items that the user engaged with are no candidates; null = all but search."""
