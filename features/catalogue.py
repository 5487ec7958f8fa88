"""The catalogue as arrays: what is known of each item before anybody engaged with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.arrays import load_arrays, save_arrays
from features.columns import Col
from features.config import FeatureConfig
from features.encoder import TextEncoder
from features.errors import DataError
from features.lexical import Lexicon, bm25_weights
from features.quality_settings import Signal
from features.text import NgramHasher, bag_of_words, split_words
from features.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class Catalogue:
    """Items in the order of their rows; row 0 of every array is padding. N = items.

    Attributes:
        ids: rows of the item ids, from 1.
        frame: (N rows) item_id, title, category, countries, created_at and the columns of quality signals.
        text: (N + 1, E) unit text vectors of title and text, zeros where an item has neither.
        tokens: (N + 1, T) hashed tokens of the title (of the text where there is no title), 0 = padding.
        category: (N + 1, P) rows of the levels of the category path, 0 = padding.
        countries: (N + 1, C) rows of the countries where an item may be shown, 0 = padding.
        vectors: (N + 1, V) ready embeddings side by side, each of unit length.
        lexical: (W, N + 1) BM25 weights of words in title and text.
        lexicon: what the BM25 weights were fitted on.
        restricted: (N + 1,) whether an item names countries.
        allowed: ascending keys ``country * (N + 1) + item`` of what restricted items may be shown where.
    """

    ids: Vocabulary
    frame: pl.DataFrame
    text: NDArray[np.float32]
    tokens: NDArray[np.int32]
    category: NDArray[np.int64]
    countries: NDArray[np.int64]
    vectors: NDArray[np.float32]
    lexical: sparse.csr_matrix
    lexicon: Lexicon
    restricted: NDArray[np.bool_]
    allowed: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Item rows with padding, N + 1."""
        return self.ids.size

    def shown_in(self, country: int) -> NDArray[np.bool_]:
        """Return which items (N + 1,) may be shown in the country of that row."""
        keys = self.allowed[np.searchsorted(self.allowed, country * self.rows) :]
        named = keys[: np.searchsorted(keys, (country + 1) * self.rows)] - country * self.rows
        shown = ~self.restricted
        shown[named] = True
        return shown

    def extended(self, more: Catalogue) -> Catalogue:
        """Return the catalogue with the items of ``more`` behind its own, whose rows stay.

        A country that the model does not know is one row with all others of the kind, so that an item that names it is
        shown in none of them.
        """
        rows = self.rows + more.rows - 1
        country, item = np.divmod(self.allowed, self.rows)
        new_country, new_item = np.divmod(more.allowed, more.rows)
        known = new_country > UNKNOWN
        keys = np.concatenate([country * rows + item, (new_country * rows + new_item + self.rows - 1)[known]])
        return Catalogue(
            ids=Vocabulary(pl.concat([self.ids.values, more.ids.values]), first=1),
            frame=pl.concat([self.frame, more.frame], how="vertical_relaxed"),
            **{name: np.concatenate([getattr(self, name), getattr(more, name)[1:]]) for name in _BY_ITEM},
            lexical=sparse.hstack([self.lexical, more.lexical[:, 1:]], format="csr"),
            lexicon=self.lexicon,
            allowed=np.sort(keys),
        )


ITEM_COLUMNS = (Col.ITEM, Col.TITLE, Col.CATEGORY, Col.COUNTRIES)
"""What a user sees of an item."""
_BY_ITEM = ("text", "tokens", "category", "countries", "vectors", "restricted")
_ARRAYS = (*_BY_ITEM, "lexical", "allowed")


def build_catalogue(
    items: pl.DataFrame,
    categories: Vocabulary,
    countries: Vocabulary,
    config: FeatureConfig,
    encoder: TextEncoder,
    hasher: NgramHasher,
    lexicon: Lexicon | None = None,
) -> Catalogue:
    """Return the arrays of ``items`` (one row an item, in ascending order of item_id); ``lexicon`` as fitted before."""
    title, text = ([(value or "").strip() for value in items.get_column(name)] for name in (Col.TITLE, Col.TEXT))
    both = [f"{name} {words}".strip() for name, words in zip(title, text, strict=True)]
    named = split_words([None, *(name or words for name, words in zip(title, text, strict=True))])
    further = split_words([None, *(words if name else None for name, words in zip(title, text, strict=True))])
    buckets, vectors = config.counts.word_buckets, _ready_vectors(items, config.vectors)
    restricted, allowed, listed = _country_rows(items, countries, config.item_countries)
    bags = bag_of_words(named, buckets) + bag_of_words(further, buckets)
    lexicon = Lexicon.of(bags) if lexicon is None else lexicon
    return Catalogue(
        ids=Vocabulary(items.get_column(Col.ITEM).alias("value"), first=1),
        frame=items.select(*dict.fromkeys((*ITEM_COLUMNS, Col.CREATED, *_signal_columns(config)))),
        text=_text_vectors(both, encoder),
        tokens=hasher.matrix(named, config.text.item_tokens),
        category=_category_rows(items.get_column(Col.CATEGORY), categories, config.category_depth),
        countries=listed,
        vectors=vectors,
        lexical=bm25_weights(bags, lexicon),
        lexicon=lexicon,
        restricted=restricted,
        allowed=allowed,
    )


def _signal_columns(config: FeatureConfig) -> list[str]:
    """Return the columns of ``items`` that quality signals are read from."""
    named = map(Signal.parse, config.quality)
    return [column for signal in named for column in (signal.column, signal.by) if column is not None]


def category_levels(category: pl.Series) -> pl.Series:
    """Return for each path the list of its levels, each with the path that leads to it: ``A``, then ``A > B``."""
    distinct = category.drop_nulls().unique(maintain_order=True).alias("path")
    levels = []
    for path in distinct:
        parts = [part.strip() for part in path.split(">") if part.strip()]
        levels.append([" > ".join(parts[: n + 1]) for n in range(len(parts))])
    table = pl.DataFrame({"path": distinct, "level": pl.Series(levels, dtype=pl.List(pl.String))})
    found = category.alias("path").to_frame().join(table, on="path", how="left", validate="m:1", maintain_order="left")
    return found.get_column("level")


def _category_rows(category: pl.Series, vocabulary: Vocabulary, depth: int) -> NDArray[np.int64]:
    return _listed_rows(category_levels(category), vocabulary, depth)


def _listed_rows(lists: pl.Series, vocabulary: Vocabulary, width: int) -> NDArray[np.int64]:
    """Return rows (N + 1, width) of lists of strings, cut at ``width``; 0 = padding."""
    flat = lists.to_frame("v").with_row_index("item", offset=1).explode("v").drop_nulls("v")
    out = np.zeros((len(lists) + 1, width), dtype=np.int64)
    if flat.height:
        flat = flat.with_columns(place=pl.int_range(pl.len()).over("item"))
        rows = vocabulary.rows(flat.get_column("v"))
        item, place = flat.get_column("item").to_numpy(), flat.get_column("place").to_numpy()
        kept = place < width
        out[item[kept], place[kept]] = rows[kept]
    return out


def _country_rows(
    items: pl.DataFrame, vocabulary: Vocabulary, width: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    lists = items.get_column(Col.COUNTRIES)
    restricted = np.concatenate([[False], lists.is_not_null().to_numpy()])
    flat = lists.to_frame("v").with_row_index("item", offset=1).explode("v").drop_nulls("v")
    keys = vocabulary.rows(flat.get_column("v")) * (len(lists) + 1) + flat.get_column("item").to_numpy()
    return restricted, np.unique(keys.astype(np.int64)), _listed_rows(lists, vocabulary, width)


def _text_vectors(texts: list[str], encoder: TextEncoder) -> NDArray[np.float32]:
    some = [row for row, text in enumerate(texts) if text]
    found = encoder.encode([texts[row] for row in some])  # (n, E), also where there is none
    out = np.zeros((len(texts) + 1, found.shape[1]), dtype=np.float32)
    out[np.array(some, dtype=np.int64) + 1] = found
    return out


def _ready_vectors(items: pl.DataFrame, names: tuple[str, ...]) -> NDArray[np.float32]:
    parts = [np.zeros((items.height + 1, 0), dtype=np.float32)]
    for name in names:
        column = f"vector_{name}"
        kind = items.schema.get(column)
        if not isinstance(kind, pl.Array) or len(kind.shape) != 1 or not kind.inner.is_numeric():
            found = "absent" if kind is None else f"of type {kind}"
            raise DataError(f"features.vectors: items.{column} is {found}, it must be an Array(Float32, d). Cast it.")
        part = np.zeros((items.height + 1, kind.shape[0]), dtype=np.float32)
        series = items.get_column(column).cast(pl.Array(pl.Float32, kind.shape[0]))
        part[1:][series.is_not_null().to_numpy()] = series.drop_nulls().to_numpy()
        broken = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if len(broken):
            raise DataError(
                f"items.{column}: {len(broken):,} of {items.height:,} vectors hold NaN, null or infinite components, "
                f"e.g. of item {items[Col.ITEM][int(broken[0]) - 1]!r}. Mend them, or leave the whole vector null."
            )
        parts.append(part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12))
    return np.concatenate(parts, axis=1)


def save_catalogue(catalogue: Catalogue, folder: Path) -> None:
    """Write the arrays and the frame."""
    catalogue.frame.write_parquet(folder / "items.parquet")
    save_arrays({name: getattr(catalogue, name) for name in _ARRAYS}, folder / "catalogue.safetensors")
    save_arrays(catalogue.lexicon._asdict(), folder / _LEXICON)


def load_catalogue(folder: Path) -> Catalogue:
    """Read what ``save_catalogue`` wrote."""
    frame = pl.read_parquet(folder / "items.parquet")
    ids = Vocabulary(frame.get_column(Col.ITEM).alias("value"), first=1)
    arrays = load_arrays(folder / "catalogue.safetensors")
    return Catalogue(ids=ids, frame=frame, lexicon=Lexicon(**load_arrays(folder / _LEXICON)), **arrays)


_LEXICON = "lexicon.safetensors"
