"""A block of the log: the sessions of a stretch of time, step by step, as requests and the pages shown for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.simulate.aisles import Asked, aisles_of
from features.simulate.catalogue import Catalogue
from features.simulate.draws import Part, generator
from features.simulate.gaps import Gaps, draw_gaps
from features.simulate.knobs import Knobs
from features.simulate.lexicon import Lexicon
from features.simulate.pages import Pages, join_pages, show_pages
from features.simulate.people import People
from features.simulate.queries import type_queries
from features.simulate.sessions import Sessions, make_sessions
from features.simulate.surfaces import LONGEST, NUMBER, SURFACES

_STEP_DAYS = 90.0 / 86_400.0
"""Time between two requests of a session, on average."""
WIDEST = max(surface.page for surface in SURFACES)
"""Items of the longest page (P)."""
_SEARCH = NUMBER["search"]
_SIMILAR = NUMBER["similar"]


class World(NamedTuple):
    """What the knobs make of a world before anybody comes."""

    knobs: Knobs
    lexicon: Lexicon
    catalogue: Catalogue
    people: People


class Requests(NamedTuple):
    """Requests in the order of time. R = requests, K = attribute kinds, P = items of the longest page."""

    surface: NDArray[np.int64]  # (R,)
    session: NDArray[np.int64]  # (R,) session of the block
    step: NDArray[np.int64]  # (R,) place in the session
    user: NDArray[np.int64]  # (R,)
    day: NDArray[np.float64]  # (R,)
    country: NDArray[np.int8]  # (R,) where the user is
    mission: NDArray[np.int64]  # (R,)
    values: NDArray[np.int8]  # (R, K)
    source: NDArray[np.int64]  # (R,) -1 = none
    fashion: NDArray[np.float64]  # (R,) decides which type is in fashion there and then
    query: pl.Series  # (R,) String, null where nothing was typed
    pages: Pages  # (R, P) each

    def take(self, rows: NDArray[np.int64] | slice) -> Requests:
        """Return some of the requests."""
        return Requests(
            surface=self.surface[rows],
            session=self.session[rows],
            step=self.step[rows],
            user=self.user[rows],
            day=self.day[rows],
            country=self.country[rows],
            mission=self.mission[rows],
            values=self.values[rows],
            source=self.source[rows],
            fashion=self.fashion[rows],
            query=self.query[rows],
            pages=self.pages.take(rows),
        )

    def asked(self, surface: int) -> tuple[NDArray[np.int64], Asked]:
        """Return the rows of one surface, and what is asked in them."""
        rows = np.flatnonzero(self.surface == surface)
        return rows, Asked(
            surface, self.user[rows], self.day[rows], self.mission[rows], self.values[rows], self.source[rows]
        )


def make_block(world: World, block: int) -> tuple[Requests, Gaps]:
    """Return the requests of block number ``block``, and what their log leaves out."""
    knobs = world.knobs
    sessions = make_sessions(knobs, world.people, world.catalogue, block)
    random = generator(knobs.seed, Part.GAPS, block)
    gaps = draw_gaps(world.people.country[sessions.user], random)
    wait = random.exponential(_STEP_DAYS, (len(sessions.user), LONGEST)).cumsum(axis=1)
    groups: list[Requests] = []
    previous = np.full(len(sessions.user), -1, dtype=np.int64)
    for step in range(LONGEST):
        shown = previous.copy()
        for surface in range(len(SURFACES)):
            rows = np.flatnonzero(sessions.surfaces[:, step] == surface)
            if surface == _SIMILAR:
                rows = rows[previous[rows] >= 0]
            if not len(rows):
                continue
            draws = generator(knobs.seed, Part.PAGES, block, step, surface)
            group = _ask(world, sessions, gaps, rows, step, surface, wait, previous, draws)
            groups.append(group)
            shown[rows] = _looked_at(group.pages)
        previous = shown
    requests = _join(groups)
    order = np.lexsort((requests.step, requests.session, requests.day))
    requests = requests.take(order)
    return _typed(world, requests, block), gaps


def _ask(
    world: World,
    sessions: Sessions,
    gaps: Gaps,
    rows: NDArray[np.int64],
    step: int,
    surface: int,
    wait: NDArray[np.float64],
    previous: NDArray[np.int64],
    random: np.random.Generator,
) -> Requests:
    """Return the requests of one step on one surface, with their pages."""
    _, _, catalogue, people = world
    count = len(rows)
    source = previous[rows] if surface == _SIMILAR else np.full(count, -1, dtype=np.int64)
    values = np.full((count, catalogue.values.shape[1]), -1, dtype=np.int8)
    if surface == _SEARCH:
        wanted = catalogue.values[sessions.ideal[rows]]
        values = np.where(sessions.asked[rows, step], wanted, values)
    elif surface == _SIMILAR:
        values = catalogue.values[source]
    asked = Asked(
        surface, sessions.user[rows], sessions.day[rows] + wait[rows, step], sessions.mission[rows], values, source
    )
    fashion = random.random(count)
    aisles = aisles_of(asked, people, catalogue, fashion)
    country = gaps.country[rows]
    pages = show_pages(asked, aisles, people, catalogue, country, float(world.knobs.days), random)
    return Requests(
        surface=np.full(count, surface),
        session=rows,
        step=np.full(count, step),
        user=asked.user,
        day=asked.day,
        country=country,
        mission=asked.mission,
        values=values,
        source=source,
        fashion=fashion,
        query=pl.repeat(None, count, dtype=pl.String, eager=True),
        pages=pages.widened(WIDEST),
    )


def _looked_at(pages: Pages) -> NDArray[np.int64]:
    """Return the item (R,) that users open from each page: the one they engaged with most, else the first."""
    return np.asarray(pages.item[np.arange(len(pages.item)), pages.label.argmax(axis=1)])


def _join(groups: Sequence[Requests]) -> Requests:
    """Return the requests of all ``groups`` below each other."""
    return Requests(
        surface=np.concatenate([group.surface for group in groups]),
        session=np.concatenate([group.session for group in groups]),
        step=np.concatenate([group.step for group in groups]),
        user=np.concatenate([group.user for group in groups]),
        day=np.concatenate([group.day for group in groups]),
        country=np.concatenate([group.country for group in groups]),
        mission=np.concatenate([group.mission for group in groups]),
        values=np.concatenate([group.values for group in groups]),
        source=np.concatenate([group.source for group in groups]),
        fashion=np.concatenate([group.fashion for group in groups]),
        query=pl.concat([group.query for group in groups]),
        pages=join_pages([group.pages for group in groups]),
    )


def _typed(world: World, requests: Requests, block: int) -> Requests:
    """Return the requests with the queries that are typed on the pages that have a search box in use."""
    rows = np.flatnonzero(requests.surface == _SEARCH)
    random = generator(world.knobs.seed, Part.QUERIES, block)
    typed = type_queries(
        world.lexicon,
        world.people.language[requests.user[rows]].astype(np.int64),
        requests.mission[rows],
        requests.values[rows].astype(np.int64),
        random,
    )
    return requests._replace(query=requests.query.scatter(rows, typed))
