"""Settings of the feature room."""

from __future__ import annotations

from dataclasses import dataclass, field

from features.encoder import PACKAGED


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Text of items and queries."""

    model: str = PACKAGED
    """Encoder of items: ``packaged`` (all-MiniLM-L6-v2), or a sentence-transformers name or path."""
    max_tokens: int = 64
    """Tokens of an item's text that the encoder reads."""
    buckets: int = 32768
    """Rows of the hashed token table that queries and items share."""
    item_tokens: int = 48
    """Hashed tokens kept of an item's title."""
    query_tokens: int = 32
    """Hashed tokens kept of a query."""


@dataclass(frozen=True, kw_only=True)
class CountConfig:
    """What is counted in events."""

    affinity_l2: float = 200.0
    """Ridge of the linear item-item map."""
    affinity_keep: int = 512
    """Weights of the item-item map kept for a candidate."""
    affinity_largest: int = 8192
    """Largest matrix side that is inverted; beyond it, in users and in items, a sample of users stands for all."""
    word_buckets: int = 262144
    """Rows of the hashed word table of lexical matching."""


@dataclass(frozen=True, kw_only=True)
class ImputationConfig:
    """What stands in for a missing field; each is a switch."""

    query_with_source: str = "title"
    """Query where there is a source item: ``title`` (the source item's title) or ``none`` (a learned "none")."""
    query_without_source: str = "none"
    """Query where there is no source item either: ``none`` or ``last`` (the title of the user's last item)."""
    source: str = "none"
    """Source item where there is no query either: ``none`` or ``last`` (the user's last item)."""
    country: str = "home"
    """Country: ``home`` (the user's home country, else a learned "unknown") or ``none``."""
    user: str = "anonymous"
    """User: ``anonymous`` (one learned row) or ``country`` (a learned row per country)."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """What the model is told."""

    text: TextConfig = field(default_factory=TextConfig)
    """Text of items and queries."""
    counts: CountConfig = field(default_factory=CountConfig)
    """What is counted in events."""
    imputation: ImputationConfig = field(default_factory=ImputationConfig)
    """What stands in for a missing field."""
    history: int = 50
    """Engagements of a user that the history holds (H)."""
    category_depth: int = 4
    """Levels of an item's category path that are read."""
    item_countries: int = 8
    """Countries of an item that the item tower reads; the filter always reads all of them."""
    quality: tuple[str, ...] = ()
    """Numeric columns of ``items`` that are quality signals, beside those counted in events."""
    vectors: tuple[str, ...] = ()
    """Columns ``vector_<name>`` of ``items`` that hold ready embeddings."""
