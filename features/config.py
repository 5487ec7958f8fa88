"""Settings of the feature room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from features.encoder import PACKAGED
from features.errors import DataError


def _require(place: str, config: Any, **least: float) -> None:
    """Refuse values below the ``least`` that make sense."""
    for name, low in least.items():
        value = getattr(config, name)
        if not value >= low:
            raise DataError(f"{place}.{name} is {value}, it must be at least {low}.")


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

    def __post_init__(self) -> None:
        """Check the sizes."""
        _require("features.text", self, max_tokens=1, buckets=2, item_tokens=1, query_tokens=1)


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

    def __post_init__(self) -> None:
        """Check the sizes; without a ridge the map of items that are always engaged with together is not defined."""
        _require("features.counts", self, affinity_l2=0.01, affinity_keep=1, affinity_largest=1, word_buckets=1)


@dataclass(frozen=True, kw_only=True)
class ImputationConfig:
    """What stands in for a missing field; each is a switch."""

    query_with_source: Literal["title", "none"] = "title"
    """Query where there is a source item: ``title`` (the source item's title) or ``none`` (a learned "none")."""
    query_without_source: Literal["none", "last"] = "none"
    """Query where there is no source item either: ``none`` or ``last`` (the title of the user's last item)."""
    source: Literal["none", "last"] = "none"
    """Source item where there is no query either: ``none`` or ``last`` (the user's last item)."""
    country: Literal["home", "none"] = "home"
    """Country: ``home`` (the user's home country, else a learned "unknown") or ``none``."""
    user: Literal["anonymous", "country"] = "anonymous"
    """User: ``anonymous`` (one learned row) or ``country`` (a learned row per country)."""

    def __post_init__(self) -> None:
        """Refuse a switch that does not exist."""
        for name, kind in get_type_hints(type(self)).items():
            value, known = getattr(self, name), get_args(kind)
            if value not in known:
                raise DataError(f"features.imputation.{name} is {value!r}. Choose one of {', '.join(known)}.")


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

    def __post_init__(self) -> None:
        """Check the sizes."""
        _require("features", self, history=1, category_depth=1, item_countries=1)
