"""Where a request's items come from: the product types that can answer it, and how well each does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.simulate.catalogue import Catalogue
from features.simulate.draws import choose
from features.simulate.people import INTERESTS, People
from features.simulate.surfaces import SURFACES

_SIBLING = -2.2
"""Worth of an item of the same category that is another kind of thing."""
_COMPLEMENT = -0.2
"""Worth of what is bought together with the source item, beside a substitute for it."""
_NEIGHBOUR = -1.2
"""Worth of what goes with a user's main interest."""
_FASHION = -0.8
"""Worth of what the country is after at the time."""
_SEARCHING = 0.5
"""Worth of what the user is looking for these days, on the pages that do not ask."""
_EXPLORED = -4.0
"""Worth of an item from anywhere, which production mixes in to learn about it."""
_ANYWHERE = -2
"""Marks the aisle of all items."""


class Asked(NamedTuple):
    """Requests of one surface, as the world knows them. R = requests, K = attribute kinds."""

    surface: int
    user: NDArray[np.int64]  # (R,)
    day: NDArray[np.float64]  # (R,)
    mission: NDArray[np.int64]  # (R,) product type that is looked for
    values: NDArray[np.int8]  # (R, K) attribute values that are asked for, -1 = any will do
    source: NDArray[np.int64]  # (R,) source item, -1 = none

    def take(self, rows: slice) -> Asked:
        """Return some of the requests."""
        return self._replace(
            user=self.user[rows],
            day=self.day[rows],
            mission=self.mission[rows],
            values=self.values[rows],
            source=self.source[rows],
        )


class Aisles(NamedTuple):
    """Product types that can answer requests. A = aisles of the surface."""

    kind: NDArray[np.int64]  # (R, A) product type, -1 = none, -2 = all items
    worth: NDArray[np.float32]  # (R, A) logit

    def take(self, rows: slice) -> Aisles:
        """Return the aisles of some of the requests."""
        return Aisles(self.kind[rows], self.worth[rows])


def aisles_of(asked: Asked, people: People, catalogue: Catalogue, uniform: NDArray[np.float64]) -> Aisles:
    """Return the aisles of ``asked``; ``uniform`` (R,) decides what is in fashion there and then."""
    makers = {"search": _searched, "similar": _similar}
    columns = makers.get(SURFACES[asked.surface].name, _home)(asked, people, catalogue, uniform)
    columns.append((np.full(len(asked.user), _ANYWHERE), _EXPLORED))
    kind = np.stack([column for column, _ in columns], axis=1)
    worth = np.stack([np.broadcast_to(worth, len(asked.user)) for _, worth in columns], axis=1)
    _close_repeats(kind, worth := worth.astype(np.float32))
    return Aisles(kind, worth)


_Column = tuple[NDArray[np.int64], NDArray[np.float64] | float]


def _searched(asked: Asked, people: People, catalogue: Catalogue, uniform: NDArray[np.float64]) -> list[_Column]:
    del people, uniform
    return [(asked.mission, 0.0), *_each(catalogue.siblings[asked.mission], _SIBLING)]


def _similar(asked: Asked, people: People, catalogue: Catalogue, uniform: NDArray[np.float64]) -> list[_Column]:
    del people, uniform
    kind = catalogue.kind_of[asked.source]
    complements = _each(catalogue.complements[kind], _COMPLEMENT)
    siblings = _each(catalogue.siblings[kind][:, :1], _SIBLING)
    return [(kind, 0.0), *complements, *siblings]


def _home(asked: Asked, people: People, catalogue: Catalogue, uniform: NDArray[np.float64]) -> list[_Column]:
    interests = people.interests_on(asked.user, asked.day)  # (R, I)
    weights = people.weights[asked.user]
    worth = np.log(weights * INTERESTS)
    main = interests[np.arange(len(interests)), weights.argmax(axis=1)]
    columns: list[_Column] = [(asked.mission, _SEARCHING)]
    columns += [(interests[:, slot], worth[:, slot]) for slot in range(INTERESTS)]
    if SURFACES[asked.surface].name == "presearch":
        fashion = choose(np.exp(people.trends)[people.country[asked.user]], uniform)
        return [*columns, (fashion, _FASHION)]
    return [*columns, (catalogue.complements[main][:, 0], _NEIGHBOUR)]


def _each(kinds: NDArray[np.int64], worth: float) -> list[_Column]:
    return [(kinds[:, column], worth) for column in range(kinds.shape[1])]


def _close_repeats(kind: NDArray[np.int64], worth: NDArray[np.float32]) -> None:
    """Keep one aisle of a product type, with the largest worth, in place."""
    for later in range(1, kind.shape[1]):
        for earlier in range(later):
            same = (kind[:, later] == kind[:, earlier]) & (kind[:, later] >= 0)
            worth[same, earlier] = np.maximum(worth[same, earlier], worth[same, later])
            kind[same, later] = -1
