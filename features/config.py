"""Settings of the feature room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from features.encoder import PACKAGED
from features.errors import DataError
from features.quality_settings import Signal


def _require(place: str, config: Any, **least: float) -> None:
    """Refuse values below the ``least`` that make sense."""
    for name, low in least.items():
        value = getattr(config, name)
        if not value >= low:
            raise DataError(f"{place}.{name} is {value}, it must be at least {low}.")


def _require_choice(place: str, config: Any, name: str) -> None:
    """Refuse a value that is not one of the field's own."""
    value, known = getattr(config, name), get_args(get_type_hints(type(config))[name])
    if value not in known:
        raise DataError(f"{place}.{name} is {value!r}. Choose one of {', '.join(known)}.")


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
        if not self.model.strip():
            raise DataError(f"features.text.model is {self.model!r}. Name a model, a path to one, or {PACKAGED!r}.")
        _require("features.text", self, max_tokens=1, buckets=2, item_tokens=1, query_tokens=1)


@dataclass(frozen=True, kw_only=True)
class CountConfig:
    """What is counted in events."""

    affinity_l2: float = 200.0
    """Ridge of the linear item-item map."""
    affinity_keep: int = 512
    """Weights of the item-item map kept for a candidate; at most 128 where the map is not exact."""
    affinity_largest: int = 1024
    """Largest matrix side that is inverted; with more users and more items each candidate has weights of its nearest
    items alone."""
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
        for name in get_type_hints(type(self)):
            _require_choice("features.imputation", self, name)


@dataclass(frozen=True, kw_only=True)
class UseConfig:
    """Which groups of features are read; each is a switch, and what is off is not told to the model."""

    text: bool = True
    """Text vectors of items and queries, and their cosines with query, history and source item."""
    ngrams: bool = True
    """Hashed words and n-grams of titles and queries, in both towers."""
    graph: bool = True
    """Cosines of graph vectors with history, query and source item."""
    graph_part: bool = False
    """Graph vectors in the item tower."""
    category: bool = True
    """Category path of the item, in its tower."""
    countries: bool = True
    """Country of the request and countries of the item, in the towers; the filter always reads them."""
    history: bool = True
    """The user's history, in the context tower; other groups read it for themselves."""
    user: bool = True
    """The user's id, in the context tower."""
    quality: bool = True
    """The quality vector, in the ranker."""
    query: bool = True
    """Engagements of the candidate for the query."""
    words: bool = True
    """Engagements of the candidate for the query's words."""
    similar_queries: bool = True
    """Engagements of the candidate for queries that mean about the same."""
    own_query: bool = True
    """The user's own earlier engagements for the query."""
    lexical: bool = True
    """BM25 of the query in the candidate's text."""
    affinity: bool = True
    """The user's linear affinity."""
    source: bool = True
    """Co-engagement with the source item."""
    transitions: bool = True
    """Engagements right after the last items of an ordered history."""
    repeat: bool = True
    """The user's own engagements with the candidate."""
    country: bool = True
    """Engagements of the candidate in the country."""
    popularity: bool = True
    """Engagements of the candidate, anywhere and in the task."""
    dynamics: bool = True
    """Popularity over time."""
    groups: bool = True
    """Evidence by product group."""
    shown: bool = True
    """How often the candidate was shown."""
    external: bool = True
    """Scores of the table ``scores``."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """What the model is told."""

    text: TextConfig = field(default_factory=TextConfig)
    """Text of items and queries."""
    counts: CountConfig = field(default_factory=CountConfig)
    """What is counted in events."""
    imputation: ImputationConfig = field(default_factory=ImputationConfig)
    """What stands in for a missing field."""
    use: UseConfig = field(default_factory=UseConfig)
    """Which groups of features are read."""
    graph_width: int = 64
    """Components of a graph vector."""
    history: int = 50
    """Engagements of a user that the history holds (H)."""
    history_window: Literal["latest", "random"] = "latest"
    """What training reads of a longer ordered history: the ``latest`` engagements before the row, or a ``random``
    window of those before it, drawn by user and epoch. A served request always reads the latest."""
    category_depth: int = 4
    """Levels of an item's category path that are read."""
    item_countries: int = 8
    """Countries of an item that the item tower reads; the filter always reads all of them."""
    quality: tuple[str, ...] = ()
    """Columns of ``items`` that are quality signals, beside those counted in events: a numeric column by its name, or
    ``COLUMN key=value ...`` with the keys of ``features.quality_settings.Signal``, such as
    ``rating kind=rating by=ratings``, ``price kind=price direction=down``, ``day kind=freshness half_life=30``."""
    vectors: tuple[str, ...] = ()
    """Columns ``vector_<name>`` of ``items`` that hold ready embeddings."""

    def __post_init__(self) -> None:
        """Check the sizes, and that the quality signals can be read."""
        for entry in self.quality:
            Signal.parse(entry)
        _require("features", self, history=1, category_depth=1, item_countries=1, graph_width=1)
        _require_choice("features", self, "history_window")
