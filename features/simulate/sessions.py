"""Who comes, when, for what, and through which surfaces they go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.simulate.catalogue import Catalogue
from features.simulate.draws import Part, choose, generator, keyed_uniform
from features.simulate.knobs import Knobs
from features.simulate.people import People, draw_interest, draw_users
from features.simulate.surfaces import FIRST, LONGEST, NEXT, NUMBER, SURFACES

BLOCK = 4096
"""Sessions that are made at once; it bounds the memory."""
_MISSION_DAYS = 10.0
"""How long a user looks for the same thing."""
_ON_MISSION = 0.6
"""Share of the sessions that go on with what the user was looking for."""
_ASKED = np.cumsum([0.45, 0.35, 0.15, 0.05])
"""Share of the searches that ask for none, one, two, three attributes."""
_IDEALS = 4
"""Items that a user has in mind, of which the one most to their taste says which attributes are asked for."""
_RUSH = 0.6
"""How uneven the hours are: 0 = all alike; the busiest moment is 1 / (1 - this) times as busy as the average one."""


class Sessions(NamedTuple):
    """The sessions of a block, in the order of time. S = sessions, K = attribute kinds."""

    user: NDArray[np.int64]  # (S,)
    day: NDArray[np.float64]  # (S,) when it starts, in days since the start of the log
    surfaces: NDArray[np.int64]  # (S, LONGEST) the surface of each request, -1 = the session has ended
    mission: NDArray[np.int64]  # (S,) the product type that is looked for
    ideal: NDArray[np.int64]  # (S,) an item that would be just right
    asked: NDArray[np.bool_]  # (S, LONGEST, K) which of its attributes a search asks for


def block_size(knobs: Knobs) -> int:
    """Return the sessions of a block: fewer where the world is small."""
    return min(BLOCK, max(1, round(knobs.events / _rows(knobs))))


def _rows(knobs: Knobs) -> float:
    """Return the rows that a session is expected to have."""
    start, move = _chances(knobs)
    pages = np.array([surface.page for surface in SURFACES], dtype=np.float64)
    rows, at = 0.0, start
    for _ in range(LONGEST):
        rows += float((at * pages).sum())
        at = (at[:, None] * move[:, :-1]).sum(axis=0)
    return rows


def make_sessions(knobs: Knobs, people: People, catalogue: Catalogue, block: int) -> Sessions:
    """Return the sessions of block number ``block``; the blocks share out the log's days evenly, and go on after it."""
    random = generator(knobs.seed, Part.SESSIONS, block)
    count = block_size(knobs)
    span = knobs.days * count * _rows(knobs) / knobs.events
    day = _hours(np.sort((block + random.random(count)) * span))
    user = draw_users(people, day, random.random(count))
    mission, ideal, key = _missions(knobs, people, catalogue, user, day, random)
    ways = _ways(knobs, random, count)
    return Sessions(user, day, ways, mission, ideal, _asked(knobs, catalogue, ways, ideal, key, random))


def _hours(day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the moments with more of them around midnight UTC and fewer at noon, in the same order."""
    hour = day % 1.0
    return np.asarray(day - _RUSH * np.sin(2 * np.pi * hour) / (2 * np.pi))


def _chances(knobs: Knobs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a session starts (S,), and where it goes from each surface (S, S + 1), the last column its end."""
    end = len(SURFACES)
    start, move = np.zeros(end), np.zeros((end, end + 1))
    for name in knobs.tasks:
        start[NUMBER[name]] = FIRST.get(name, 0.0)
        for other, share in NEXT[name].items():
            move[NUMBER[name], NUMBER[other]] = share if other in knobs.tasks else 0.0
    move[:, end] = 1.0 - move.sum(axis=1)
    return start / start.sum(), move


def _ways(knobs: Knobs, random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return (S, LONGEST) the surfaces that the sessions go through."""
    end = len(SURFACES)
    start, move = _chances(knobs)
    ways = np.full((count, LONGEST), -1, dtype=np.int64)
    ways[:, 0] = choose(np.repeat(start[None, :], count, axis=0), random.random(count))
    for step in range(1, LONGEST):
        uniform = random.random(count)
        on = ways[:, step - 1] >= 0
        following = choose(move[ways[on, step - 1]], uniform[on])
        ways[on, step] = np.where(following == end, -1, following)
    return ways


def _missions(
    knobs: Knobs,
    people: People,
    catalogue: Catalogue,
    user: NDArray[np.int64],
    day: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return what each session looks for: product type, ideal item, and a key that its repetitions share."""
    count = len(user)
    period = np.floor(day / _MISSION_DAYS + keyed_uniform(knobs.seed, user)).astype(np.int64)
    lasting = random.random(count) < _ON_MISSION
    fresh = random.integers(1, 2**40, count)
    key = np.where(lasting, user * 100_003 + period, -fresh)

    def uniform(what: int) -> NDArray[np.float64]:
        return keyed_uniform(knobs.seed + int(Part.MISSIONS), key, what)

    own = draw_interest(people, user, day, uniform(0))
    worth = np.exp(people.trends)[people.country[user]]  # (S, T)
    other = choose(worth, uniform(1))
    mission = np.where(uniform(2) < knobs.overlap, own, other)
    there = catalogue.arrived(mission, day)
    draws = np.stack([uniform(3 + number) for number in range(_IDEALS)], axis=1)  # (S, 4)
    place = np.minimum((draws * there[:, None]).astype(np.int64), np.maximum(there - 1, 0)[:, None])
    items = catalogue.by_type[np.minimum(catalogue.first[mission][:, None] + place, len(catalogue.by_type) - 1)]
    liked = np.einsum("sd,sid->si", people.taste_on(user, day / knobs.days), catalogue.style[items])
    return mission, items[np.arange(count), liked.argmax(axis=1)], key


def _asked(
    knobs: Knobs,
    catalogue: Catalogue,
    ways: NDArray[np.int64],
    ideal: NDArray[np.int64],
    key: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.bool_]:
    """Return (S, LONGEST, K) the attributes that each request asks for: a later search of a session asks for one more.

    Which attribute comes first belongs to the mission, so that people search again with the same words.
    """
    has = catalogue.values[ideal] >= 0  # (S, K)
    kinds = has.shape[1]
    turn = np.stack([keyed_uniform(knobs.seed, key, 100 + kind) * (1 + kind) for kind in range(kinds)], axis=1)
    turn[~has] = np.inf  # the first kinds, such as the colour, are what people think of first
    place = turn.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")  # (S, K)
    number = np.searchsorted(_ASKED, random.random(len(ideal)))  # (S,)
    searches = (ways == NUMBER["search"]).cumsum(axis=1)  # (S, LONGEST)
    wanted = number[:, None] + np.maximum(searches - 1, 0)
    return np.asarray(has[:, None, :] & (place[:, None, :] < wanted[:, :, None]))
