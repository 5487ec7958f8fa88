"""The users: where they live, what they like, what they come for again and again, and how that drifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.simulate.catalogue import STYLE, Catalogue, numbered
from features.simulate.draws import Part, choose, generator, unit_rows
from features.simulate.knobs import Knobs
from features.simulate.lexicon import Lexicon
from features.simulate.places import CODES, PLACES

INTERESTS = 5
"""Product types that a user is interested in at a time."""
_LIFESTYLES = 12
"""Kinds of people; interests of one kind go together."""
_THERE_BEFORE = 0.6
"""Share of the users that have an account when the log starts."""
_HABITS = 8
"""Items that a user has tried before one became the usual one."""
_AT_ONCE = 65_536
"""Users whose interests are drawn at once; it bounds the memory."""
_FOREIGN = 0.04
"""Share of the users that speak another language than their country."""


@dataclass(frozen=True, kw_only=True)
class People:
    """Users in numbers, in the order in which they came. U = users, I = interests, T = product types."""

    arrived: NDArray[np.float64]  # (U,) days since the start of the log
    reach: NDArray[np.float64]  # (U,) activity summed over the users up to each
    country: NDArray[np.int8]  # (U,) index into PLACES
    language: NDArray[np.int8]  # (U,)
    level: NDArray[np.float32]  # (U,) price level, in the units of Catalogue.price
    interests: NDArray[np.int64]  # (2, U, I) product types before and after each interest moves on
    moves: NDArray[np.float64]  # (U, I) the day on which an interest moves on; infinite where it stays
    weights: NDArray[np.float64]  # (U, I) how much of the user each interest is; sums to 1
    usual: NDArray[np.int64]  # (2, U, I) the item that is bought again and again, -1 where a type is not consumed
    tastes: NDArray[np.float32]  # (2, U, D) style at the start and at the end of the log
    trends: NDArray[np.float64]  # (C, T) worth of each type in each country
    table: pl.DataFrame  # the table `users`

    def interests_on(self, user: NDArray[np.int64], day: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the product types (R, I) that interest ``user`` (R,) on ``day`` (R,)."""
        moved = self.moves[user] <= day[:, None]
        return np.asarray(np.where(moved, self.interests[1, user], self.interests[0, user]))

    def usual_on(self, user: NDArray[np.int64], day: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the items (R, I) that ``user`` (R,) buys again and again on ``day`` (R,), -1 = none."""
        moved = self.moves[user] <= day[:, None]
        return np.asarray(np.where(moved, self.usual[1, user], self.usual[0, user]))

    def taste_on(self, user: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the style (R, D) that ``user`` (R,) likes after ``share`` (R,) of the log."""
        later = share.astype(np.float32)[:, None]
        return np.asarray((1 - later) * self.tastes[0, user] + later * self.tastes[1, user])


def make_people(knobs: Knobs, lexicon: Lexicon, catalogue: Catalogue) -> People:
    """Return the users of a world."""
    random = generator(knobs.seed, Part.PEOPLE)
    count, types = knobs.users, catalogue.types
    arrived = np.sort(np.where(random.random(count) < _THERE_BEFORE, 0.0, knobs.days * random.random(count)))
    arrived[0] = 0.0  # somebody is there when the doors open
    country = random.choice(len(PLACES), count, p=[place.share for place in PLACES])
    spoken = np.array([place.language for place in PLACES])[country]
    language = np.where(random.random(count) < _FOREIGN, random.integers(0, 3, count), spoken)
    trends = 0.9 * random.normal(size=types) + 0.4 * random.normal(size=(len(PLACES), types))  # (C, T)
    lifestyle = random.integers(0, _LIFESTYLES, count)
    interests = _interests(lifestyle, country, trends, random)
    leaves = random.random((count, INTERESTS)) < knobs.drift
    weights = random.gamma(0.8, size=(count, INTERESTS)) + 0.05
    level = (0.8 * random.normal(size=count)).astype(np.float32)
    tastes = _tastes(lifestyle, knobs.drift, random)
    return People(
        arrived=arrived,
        reach=np.cumsum(random.lognormal(0.0, 1.0, count)),
        country=country.astype(np.int8),
        language=language.astype(np.int8),
        level=level,
        interests=interests,
        moves=np.where(leaves, knobs.days * random.random((count, INTERESTS)), np.inf),
        weights=weights / weights.sum(axis=1, keepdims=True),
        usual=_usual(lexicon, catalogue, interests, tastes, country, level, random),
        tastes=tastes,
        trends=trends,
        table=_table(count, country, random),
    )


def _interests(
    lifestyle: NDArray[np.int64], country: NDArray[np.int64], trends: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Return (2, U, I) distinct interests: now, and what each makes room for later."""
    types, wanted = trends.shape[1], 2 * INTERESTS
    leaning = np.log(random.gamma(0.25, size=(_LIFESTYLES, types)) + 1e-3)  # (S, T)
    best = np.empty((len(lifestyle), min(wanted, types)), dtype=np.int64)  # drawn without putting back
    for start in range(0, len(best), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        known = leaning[lifestyle[part]] + trends[country[part]]  # (some U, T)
        best[part] = np.argsort(-(known + random.gumbel(size=known.shape)), axis=1, kind="stable")[:, :wanted]
    best = np.pad(best, ((0, 0), (0, wanted - best.shape[1])), mode="wrap")
    return np.stack([best[:, :INTERESTS], best[:, INTERESTS:]])


def _tastes(lifestyle: NDArray[np.int64], drift: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Return (2, U, D) tastes: people of a kind like similar things, and nobody stays the same."""
    kinds = unit_rows(random.normal(size=(_LIFESTYLES, STYLE)))
    before = unit_rows(0.7 * kinds[lifestyle] + unit_rows(random.normal(size=(len(lifestyle), STYLE))))
    after = unit_rows((1 - drift) * before + drift * unit_rows(random.normal(size=before.shape)))
    return np.stack([before, after]).astype(np.float32)


def _usual(
    lexicon: Lexicon,
    catalogue: Catalogue,
    interests: NDArray[np.int64],
    tastes: NDArray[np.float32],
    country: NDArray[np.int64],
    level: NDArray[np.float32],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Return (2, U, I) the usual item of each interest in consumables: the best of a few that the user has tried."""
    consumable = np.array([kind.consumable for kind in lexicon.types[: catalogue.types]])
    usual = np.full(interests.shape, -1, dtype=np.int64)
    for phase in range(2):
        for slot in range(INTERESTS):
            kind = interests[phase, :, slot]
            there = catalogue.arrived(kind, np.zeros(len(kind)))
            tried = (random.random((len(kind), _HABITS)) * there[:, None]).astype(np.int64)
            item = catalogue.by_type[np.minimum(catalogue.first[kind][:, None] + tried, len(catalogue.by_type) - 1)]
            worth = 3.0 * np.einsum("ud,uhd->uh", tastes[phase], catalogue.style[item]) + catalogue.quality[item]
            worth = worth + catalogue.popularity.mean(axis=0)[item]
            worth -= 0.5 * np.abs(catalogue.price[item] - level[:, None])
            worth[~catalogue.allowed[item, country[:, None]]] = -np.inf
            best = item[np.arange(len(kind)), worth.argmax(axis=1)]
            buys = consumable[kind] & (there > 0) & np.isfinite(worth.max(axis=1))
            usual[phase, :, slot] = np.where(buys, best, -1)
    return usual


def _table(count: int, country: NDArray[np.int64], random: np.random.Generator) -> pl.DataFrame:
    home = pl.Series(CODES).gather(country)
    unknown = pl.Series(random.random(count) < 0.05)
    return pl.DataFrame({Col.USER: numbered("u", count), Col.COUNTRY: home.set(unknown, None)})


def draw_users(people: People, day: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the user (R,) of a session on ``day`` (R,): among those who are there, the active ones more often."""
    there = np.searchsorted(people.arrived, day, side="right")
    return np.minimum(np.searchsorted(people.reach, uniform * people.reach[there - 1], side="right"), there - 1)


def draw_interest(
    people: People, user: NDArray[np.int64], day: NDArray[np.float64], uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return one product type (R,) of the user's interests."""
    slot = choose(people.weights[user], uniform)
    return people.interests_on(user, day)[np.arange(len(user)), slot]
