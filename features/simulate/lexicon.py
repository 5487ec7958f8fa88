"""The words of the simulated marketplace: product types, attribute values and sentences in three languages."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

LANGUAGES: Final = ("en", "de", "ko")
"""Codes of the languages; everything that is "by language index" is in this order."""
KINDS: Final = ("colour", "material", "style", "pattern", "size", "feature")
"""Kinds of attributes; everything that is "by kind index" is in this order."""
_FILE: Final = "lexicon.toml"
_FIELDS: Final = ("path", "price", "consumable", "names", "kinds", "complements")

Names = tuple[tuple[str, ...], ...]
"""By language index: what sellers write, then what shoppers type instead."""


@dataclass(frozen=True, kw_only=True)
class ProductType:
    """A leaf of the catalogue's tree."""

    key: str
    """Slug, distinct among the types."""
    path: tuple[str, ...]
    """Three English levels: department, category, type."""
    price: float
    """Typical price in the marketplace's currency."""
    consumable: bool
    """Whether it is bought again and again."""
    names: Names
    """The first of a language is the seller's."""
    complements: tuple[int, ...]
    """Indexes of the types that are bought together with it; no name of theirs shares a word with one of its own."""
    kinds: tuple[int, ...]
    """Indexes of the attribute kinds that apply."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value of an attribute."""

    key: str
    """Slug, distinct among the values of its kind."""
    names: Names
    """The first of a language is the seller's."""


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """All words, with everything by index."""

    types: tuple[ProductType, ...]
    values: tuple[tuple[Value, ...], ...]
    """By kind index."""
    openings: tuple[tuple[str, ...], ...]
    """By language index: first sentences of texts, with ``{name}`` and ``{brand}``."""
    details: tuple[tuple[str, ...], ...]
    """By language index: second sentences of texts, with ``{attributes}``."""
    fillers: tuple[tuple[str, ...], ...]
    """By language index: what shoppers type around their words, which are the ``{}``."""


@cache
def load_lexicon() -> Lexicon:
    """Return the lexicon that comes with the package.

    Raises:
        ValueError: the file contradicts itself; the message says where.
    """
    return parse_lexicon(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))


def parse_lexicon(text: str) -> Lexicon:
    """Return the lexicon of a TOML ``text``.

    Raises:
        ValueError: the text contradicts itself; the message says where.
    """
    tables = tomllib.loads(text)
    _require_keys("the file", tables, ("types", "values", "openings", "details", "fillers"))
    _require_keys("values", tables["values"], KINDS)
    numbers = {key: number for number, key in enumerate(tables["types"])}
    return Lexicon(
        types=tuple(_product_type(key, table, numbers) for key, table in tables["types"].items()),
        values=tuple(_values(kind, tables["values"][kind]) for kind in KINDS),
        openings=_sentences("openings", tables["openings"], ("{name}", "{brand}")),
        details=_sentences("details", tables["details"], ("{attributes}",)),
        fillers=_sentences("fillers", tables["fillers"], ("{}",)),
    )


def _product_type(key: str, table: Mapping[str, Any], numbers: Mapping[str, int]) -> ProductType:
    place = f"types.{key}"
    _require_keys(place, {"consumable": False, **table}, _FIELDS)
    if len(table["path"]) != 3:
        raise ValueError(
            f"{_FILE}: {place} has a path of {len(table['path'])} levels; give department, category, type."
        )
    if not table["price"] > 0:
        raise ValueError(f"{_FILE}: {place} has the price {table['price']}; it must be above 0.")
    if key in table["complements"]:
        raise ValueError(f"{_FILE}: {place} is its own complement.")
    return ProductType(
        key=key,
        path=tuple(table["path"]),
        price=float(table["price"]),
        consumable=table.get("consumable", False),
        names=_names(place, table["names"]),
        complements=_indexes(f"{place}.complements", table["complements"], numbers),
        kinds=_indexes(f"{place}.kinds", table["kinds"], {kind: number for number, kind in enumerate(KINDS)}),
    )


def _values(kind: str, table: Mapping[str, Any]) -> tuple[Value, ...]:
    return tuple(Value(key=key, names=_names(f"values.{kind}.{key}", names)) for key, names in table.items())


def _names(place: str, names: Sequence[Sequence[str]]) -> Names:
    if len(names) != len(LANGUAGES) or not all(names):
        raise ValueError(f"{_FILE}: {place} needs names in each of {', '.join(LANGUAGES)}.")
    return tuple(tuple(own) for own in names)


def _indexes(place: str, keys: Sequence[str], known: Mapping[str, int]) -> tuple[int, ...]:
    unknown = [key for key in keys if key not in known]
    if unknown or not keys or len(set(keys)) < len(keys):
        fault = f'has the unknown "{unknown[0]}"' if unknown else "is empty or names one twice"
        raise ValueError(f"{_FILE}: {place} {fault}.")
    return tuple(known[key] for key in keys)


def _sentences(place: str, table: Mapping[str, Sequence[str]], slots: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    _require_keys(place, table, LANGUAGES)
    for sentence in (sentence for sentences in table.values() for sentence in sentences):
        if any(sentence.count(slot) != 1 for slot in slots):
            raise ValueError(f'{_FILE}: {place} has "{sentence}"; it needs {" and ".join(slots)} once each.')
    return tuple(tuple(table[language]) for language in LANGUAGES)


def _require_keys(place: str, table: Collection[str], keys: Collection[str]) -> None:
    if set(table) != set(keys):
        odd = sorted(set(table) ^ set(keys))
        raise ValueError(f"{_FILE}: {place} lacks, or has and should not: {', '.join(odd)}.")
