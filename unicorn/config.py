"""Sizes of the model."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SpaceConfig:
    """The shared space of requests and items."""

    width: int = 128
    """Components of the space (D)."""
    temperature: float = 0.07
    """Divides the cosine before the softmax when training starts; the scale is learned from there."""


@dataclass(frozen=True, kw_only=True)
class RankerConfig:
    """The ranker of a request's candidates."""

    hidden: int = 128
    """Units of the first map, of the crossing and of the residual blocks."""
    cross_layers: int = 2
    """Layers of feature crossing; 0 leaves it out."""
    cross_rank: int = 32
    """Rank of a crossing layer."""
    blocks: int = 2
    """Residual blocks; 0 leaves them out."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The model: one space and one ranker for all tasks."""

    space: SpaceConfig = field(default_factory=SpaceConfig)
    """The shared space."""
    ranker: RankerConfig = field(default_factory=RankerConfig)
    """The ranker."""


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """Sizes that the data decides. Rows include the reserved ones."""

    tasks: int
    """Tasks (T)."""
    users: int
    """User rows, those of the countries' typical users included."""
    countries: int
    """Country rows."""
    categories: int
    """Category rows."""
    items: int
    """Item rows with padding, N + 1."""
    tokens: int
    """Rows of the hashed token table."""
    text: int
    """Components of a text vector (E)."""
    vectors: int
    """Components of the ready embeddings of an item (V), 0 = none."""
    history: int
    """Items of a history (H)."""
    flags: int
    """Flags of missing fields."""
    facts: int
    """Context-only numeric features (G)."""
    pairs: int
    """Context × candidate features (F)."""
    quality: int
    """Components of the quality vector (Q)."""
