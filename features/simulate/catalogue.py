"""The catalogue: what each item is, in the words that shoppers read and in the numbers that only the world knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.simulate.draws import Part, generator, unit_rows
from features.simulate.knobs import Knobs
from features.simulate.lexicon import KINDS, LANGUAGES, Lexicon
from features.simulate.places import CODES, EVERYWHERE, NEIGHBOUR, PLACES
from features.simulate.surfaces import SURFACES
from features.simulate.titles import compose_titles, make_brands

STYLE = 12
"""Components of a style vector."""
START = np.datetime64("2025-01-01T00:00:00", "us")
"""When the log starts."""
_ITEMS_PER_TYPE = 20
_ITEMS_PER_BRAND = 120
_ARRIVING = 0.25
"""Share of the items that arrive in the first nine tenths of the log."""
_AGE_DAYS = 900.0
"""Oldest age of an item when the log starts."""
_TYPE_DAYS = 1e6
"""More days than any log spans: keeps the keys of two product types apart."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Items in numbers. N = items, T = product types, K = attribute kinds, D = style components, C = countries."""

    kind_of: NDArray[np.int64]  # (N,) product type
    values: NDArray[np.int8]  # (N, K) attribute value, -1 = the kind does not apply
    language: NDArray[np.int8]  # (N,) of title and text
    brand: NDArray[np.int64]  # (N,)
    allowed: NDArray[np.bool_]  # (N, C) may be shown there
    created: NDArray[np.float32]  # (N,) days since the start of the log, negative before
    price: NDArray[np.float32]  # (N,) standard deviations from what is usual for the type
    style: NDArray[np.float32]  # (N, D) of length 1
    quality: NDArray[np.float32]  # (N,) standardised: what buyers find, whatever they were after
    clickbait: NDArray[np.bool_]  # (N,)
    popularity: NDArray[np.float32]  # (surfaces, N) standardised
    by_type: NDArray[np.int64]  # (N,) items by type, each type's in the order of arrival
    first: NDArray[np.int64]  # (T + 1,) where each type starts in by_type
    arrivals: NDArray[np.float64]  # (N,) keys that rise along by_type: first the type, then the day of arrival
    complements: NDArray[np.int64]  # (T, 3) types that are bought together with a type, -1 = none
    siblings: NDArray[np.int64]  # (T, 2) types of the same category, -1 = none
    table: pl.DataFrame  # the table `items`

    @property
    def types(self) -> int:
        """Number of product types (T)."""
        return len(self.first) - 1

    def arrived(self, kind: NDArray[np.int64], day: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return how many items of type ``kind`` (R,) are there on ``day`` (R,); none of type -1."""
        known = np.maximum(kind, 0)
        ahead = np.searchsorted(self.arrivals, known * _TYPE_DAYS + day, side="right") - self.first[known]
        return np.where(kind < 0, 0, ahead)


def make_catalogue(knobs: Knobs, lexicon: Lexicon) -> Catalogue:
    """Return the catalogue of a world."""
    random = generator(knobs.seed, Part.CATALOGUE)
    count = knobs.items
    types = int(np.clip(count // _ITEMS_PER_TYPE, 6, len(lexicon.types)))
    kind_of = random.choice(types, count, p=_shares(random.lognormal(0.0, 0.5, types)))
    values = _values(lexicon, types, kind_of, random)
    language = random.choice(len(LANGUAGES), count, p=[0.6, 0.22, 0.18])
    brands = max(8, count // _ITEMS_PER_BRAND)
    brand = _brand_of(lexicon, kind_of, brands, random)
    tier, make, brand_style = (
        random.normal(size=brands),
        random.normal(size=brands),
        random.normal(size=(brands, STYLE)),
    )
    clickbait = _share_of(count, knobs.clickbait, random)
    price = (0.6 * tier[brand] + 0.8 * random.normal(size=count)).astype(np.float32)
    quality = 0.6 * make[brand] + 0.75 * random.normal(size=count) + 0.25 * price - 2.0 * clickbait
    quality = ((quality - quality.mean()) / quality.std()).astype(np.float32)
    shared = random.normal(size=count)
    own = random.normal(size=(len(SURFACES), count))
    popularity = np.sqrt(1 - knobs.divergence) * shared + np.sqrt(knobs.divergence) * own
    created = _arrivals(knobs, random)
    order = np.lexsort((created, kind_of))
    catalogue = Catalogue(
        kind_of=kind_of,
        values=values,
        language=language.astype(np.int8),
        brand=brand,
        allowed=_allowed(language, random),
        created=created,
        price=price,
        style=_styles(lexicon, values, brand_style[brand], random),
        quality=quality,
        clickbait=clickbait,
        popularity=popularity.astype(np.float32),
        by_type=order,
        first=np.searchsorted(kind_of[order], np.arange(types + 1)),
        arrivals=np.asarray(kind_of[order] * _TYPE_DAYS + created[order], dtype=np.float64),
        complements=_links([kind.complements for kind in lexicon.types[:types]], types, 3),
        siblings=_links(_same_category(lexicon, types), types, 2),
        table=pl.DataFrame(),
    )
    return _with_table(catalogue, lexicon, knobs)


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weights / weights.sum())


def _share_of(count: int, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return (count,) True for exactly that share of the rows."""
    return np.asarray(random.permutation(count) < round(share * count))


def _values(lexicon: Lexicon, types: int, kind_of: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int8]:
    """Return the attribute values of the items: each type has its own common ones."""
    values = np.full((len(kind_of), len(KINDS)), -1, dtype=np.int8)
    for number in range(types):
        items = np.flatnonzero(kind_of == number)
        for kind in lexicon.types[number].kinds:
            known = len(lexicon.values[kind])
            share = _shares(random.permutation(1.0 / np.arange(1, known + 1)))
            values[items, kind] = random.choice(known, len(items), p=share)
    return values


def _brand_of(
    lexicon: Lexicon, kind_of: NDArray[np.int64], brands: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the brand of each item: brands keep to one department, and few of them are large."""
    departments = sorted({kind.path[0] for kind in lexicon.types})
    department = np.array([departments.index(kind.path[0]) for kind in lexicon.types])[kind_of]  # (N,)
    brand = np.zeros(len(kind_of), dtype=np.int64)
    for number in range(len(departments)):
        items = np.flatnonzero(department == number)
        own = np.arange(number, brands, len(departments))
        if not len(own):
            own = np.array([number % brands])
        brand[items] = random.choice(own, len(items), p=_shares(1.0 / np.arange(1, len(own) + 1)))
    return brand


def _arrivals(knobs: Knobs, random: np.random.Generator) -> NDArray[np.float32]:
    """Return the day on which each item arrives: most before the log starts, the cold ones at its end."""
    count, days = knobs.items, float(knobs.days)
    created = -_AGE_DAYS * random.random(count)
    cold = _share_of(count, knobs.cold, random)
    during = ~cold & (random.random(count) < _ARRIVING)
    created[during] = 0.9 * days * random.random(count)[during]
    created[cold] = days * (0.9 + 0.1 * random.random(count)[cold])
    return created.astype(np.float32)


def _allowed(language: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Return where items may be shown: everywhere, or where their language is spoken and in a few places more."""
    count = len(language)
    spoken = np.array([place.language for place in PLACES])  # (C,)
    allowed = np.asarray((spoken == language[:, None]) | (random.random((count, len(PLACES))) < NEIGHBOUR))
    allowed[random.random(count) < EVERYWHERE] = True
    return allowed


def _styles(
    lexicon: Lexicon,
    values: NDArray[np.int8],
    brand_style: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the style of each item: what its attributes and its brand say of it, and something of its own."""
    total = np.zeros((len(values), STYLE))
    for kind in range(len(KINDS)):
        known = random.normal(size=(len(lexicon.values[kind]), STYLE))
        has = values[:, kind] >= 0
        total[has] += known[values[has, kind]]
    own = random.normal(size=total.shape)
    return unit_rows(0.8 * unit_rows(total) + 0.5 * unit_rows(brand_style) + 0.5 * unit_rows(own)).astype(np.float32)


def _same_category(lexicon: Lexicon, types: int) -> list[tuple[int, ...]]:
    paths = [kind.path[:-1] for kind in lexicon.types[:types]]
    return [tuple(i for i, path in enumerate(paths) if path == paths[n] and i != n) for n in range(types)]


def _links(links: list[tuple[int, ...]], types: int, width: int) -> NDArray[np.int64]:
    """Return the first ``width`` links of each type to types that this world has, filled with -1."""
    out = np.full((types, width), -1, dtype=np.int64)
    for row, others in enumerate(links):
        known = [other for other in others if other < types][:width]
        out[row, : len(known)] = known
    return out


def _with_table(catalogue: Catalogue, lexicon: Lexicon, knobs: Knobs) -> Catalogue:
    """Return the catalogue with what shoppers and programs see of it."""
    random = generator(knobs.seed, Part.WORDS)
    count = knobs.items
    brands = make_brands(int(catalogue.brand.max()) + 1, random)
    brand = [brands[number] for number in catalogue.brand.tolist()]
    titles, texts = compose_titles(
        lexicon,
        catalogue.language.astype(np.int64),
        catalogue.kind_of,
        catalogue.values.astype(np.int64),
        brand,
        random,
    )
    usual = np.array([kind.price for kind in lexicon.types])[catalogue.kind_of]
    price = np.round(usual * np.exp(0.4 * catalogue.price), 2)
    rating, ratings = _ratings(catalogue, random)
    path = [" > ".join(kind.path) for kind in lexicon.types]
    table = pl.DataFrame(
        {
            Col.ITEM: item_ids(count),
            Col.TITLE: titles,
            Col.TEXT: pl.Series(texts).replace("", None),
            Col.CATEGORY: _with_holes(pl.Series(path).gather(catalogue.kind_of), 0.02, random),
            Col.COUNTRIES: _countries(catalogue.allowed),
            Col.CREATED: START + (catalogue.created.astype(np.float64) * 86_400).astype("timedelta64[s]"),
            "price": _with_holes(pl.Series(price), 0.03, random),
            "rating": rating,
            "n_ratings": ratings,
        }
    )
    return Catalogue(**{**vars(catalogue), "table": table})


def _ratings(catalogue: Catalogue, random: np.random.Generator) -> tuple[pl.Series, NDArray[np.int64]]:
    """Return mean rating and number of ratings when the log starts; what had not arrived by then has none."""
    age = np.maximum(-catalogue.created.astype(np.float64), 0.0)
    rate = 0.04 * np.exp(0.9 * catalogue.popularity.mean(axis=0, dtype=np.float64) + 0.4 * random.normal(size=len(age)))
    count = random.poisson(age * rate)
    noise = random.normal(size=len(age)) / np.sqrt(np.maximum(count, 1))
    mean = np.round(np.clip(3.9 + 0.5 * catalogue.quality + 0.9 * noise, 1.0, 5.0), 1)
    return pl.Series(np.where(count > 0, mean, np.nan)).fill_nan(None), count


def _countries(allowed: NDArray[np.bool_]) -> pl.Series:
    """Return the codes where each item may be shown, null where it may be everywhere."""
    lists = [None if row.all() else [code for code, may in zip(CODES, row, strict=True) if may] for row in allowed]
    return pl.Series(lists, dtype=pl.List(pl.String))


def _with_holes(column: pl.Series, share: float, random: np.random.Generator) -> pl.Series:
    """Return ``column`` with that share of its rows left out, as catalogues have them."""
    return column.set(pl.Series(random.random(len(column)) < share), None)


def item_ids(count: int) -> pl.Series:
    """Return the ids of all items, in order."""
    return numbered("i", count)


def numbered(letter: str, count: int, start: int = 0) -> pl.Series:
    """Return ``count`` ids: a letter and a number from ``start``."""
    return pl.select(pl.format(letter + "{}", pl.int_range(start, start + count))).to_series()
