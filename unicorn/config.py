"""Sizes of the model."""

from __future__ import annotations

from dataclasses import dataclass, field

LEVELS = 4
"""Engagement levels that have a threshold of their own in the space."""


def _require(place: str, **least: tuple[float, float]) -> None:
    """Refuse a value, given with the ``least`` that makes sense, that is below it."""
    for name, (value, low) in least.items():
        if not value >= low:
            raise ValueError(f"{place}.{name} is {value}, it must be at least {low}.")


@dataclass(frozen=True, kw_only=True)
class SpaceConfig:
    """The shared space of requests and items."""

    width: int = 128
    """Components of the space (D)."""
    temperature: float = 0.07
    """Divides the cosine before the softmax when training starts; the scale is learned from there."""
    codes: int = 1
    """Vectors of a request (V), each from an attention of its own over the history; the best one scores an item."""

    def __post_init__(self) -> None:
        """Check the sizes."""
        _require("model.space", width=(self.width, 1), temperature=(self.temperature, 1e-3), codes=(self.codes, 1))


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

    def __post_init__(self) -> None:
        """Check the sizes."""
        layers = {"cross_layers": (self.cross_layers, 0), "blocks": (self.blocks, 0)}
        _require("model.ranker", hidden=(self.hidden, 1), cross_rank=(self.cross_rank, 1), **layers)


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
    graph: int
    """Components of a graph vector of an item, 0 = none."""
    history: int
    """Items of a history (H)."""
    ages: int
    """Steps of the age of an engagement."""
    flags: int
    """Flags of missing fields."""
    facts: int
    """Context-only numeric features (G)."""
    pairs: int
    """Context × candidate features (F)."""
    quality: int
    """Components of the quality vector (Q)."""
