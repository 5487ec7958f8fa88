"""What each candidate is worth to a request: relevance, appeal and quality, in logits of engagement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.simulate.aisles import Aisles, Asked
from features.simulate.catalogue import Catalogue
from features.simulate.people import People
from features.simulate.surfaces import SURFACES

_WRONG = 0.6
"""Worth, as a share of a right attribute's, that a wrong one costs."""
_PRICE = 0.5
"""Cost of a price that is a standard deviation off what the user spends."""
_FOREIGN = 1.2
"""Cost of a title in another language."""
_USUAL = 3.5
"""Worth of what the user buys again and again."""
_NEW = 0.5
"""Worth of being new on the first day; halved in ten days."""
_NEW_DAYS = 10.0
_QUALITY = 0.6
"""Worth of a standard deviation of quality to who looks at an item."""
_BAIT = 1.6
"""What clickbait looks like it were worth."""


class Candidates(NamedTuple):
    """Items that could be shown. R = requests, L = longest list."""

    item: NDArray[np.int64]  # (R, L)
    aisle: NDArray[np.int64]  # (L,) where they come from, the same for all requests of a surface
    real: NDArray[np.bool_]  # (R, L) there, allowed, and not the source item


class Worth(NamedTuple):
    """What candidates are worth, each (R, L) float32 in logits."""

    relevance: NDArray[np.float32]
    """How well the item answers the request, for this user."""
    appeal: NDArray[np.float32]
    """Popularity and newness: what anybody is drawn to."""
    quality: NDArray[np.float32]
    """What is seen on a closer look, whatever was asked."""

    def production(self) -> NDArray[np.float32]:
        """Return what the ranker in production knows of it: not the quality."""
        return self.relevance + self.appeal

    def total(self) -> NDArray[np.float32]:
        """Return the logit of engagement with what is looked at, but for the surface's threshold."""
        return self.relevance + self.appeal + self.quality


def worth_of(
    asked: Asked, aisles: Aisles, candidates: Candidates, people: People, catalogue: Catalogue, days: float
) -> Worth:
    """Return what ``candidates`` are worth to ``asked``; ``days`` is the length of the log."""
    surface = SURFACES[asked.surface]
    item = candidates.item
    relevance = aisles.worth[:, candidates.aisle]  # (R, L)
    relevance += surface.taste * _style(people.taste_on(asked.user, asked.day / days), item, catalogue)
    relevance += surface.attributes * _attributes(asked, item, catalogue)
    if surface.source:
        relevance += surface.source * _style(catalogue.style[asked.source], item, catalogue)
    relevance -= _PRICE * np.abs(catalogue.price[item] - people.level[asked.user][:, None])
    relevance -= np.float32(_FOREIGN) * (catalogue.language[item] != people.language[asked.user][:, None])
    relevance += np.float32(_USUAL) * _is_usual(asked, item, people)
    age = np.maximum(asked.day.astype(np.float32)[:, None] - catalogue.created[item], 0.0)
    appeal = surface.popularity * catalogue.popularity[asked.surface, item] + _NEW * np.exp2(-age / _NEW_DAYS)
    quality = _QUALITY * catalogue.quality[item] + np.float32(_BAIT) * catalogue.clickbait[item]
    return Worth(*(part.astype(np.float32, copy=False) for part in (relevance, appeal, quality)))


def _style(wanted: NDArray[np.float32], item: NDArray[np.int64], catalogue: Catalogue) -> NDArray[np.float32]:
    """Return (R, L) how much items look like ``wanted`` (R, D): a sum in fixed order, the same on any thread count."""
    total = np.zeros(item.shape, dtype=np.float32)
    for component in range(wanted.shape[1]):
        total += wanted[:, component, None] * np.ascontiguousarray(catalogue.style[:, component])[item]
    return total


def _attributes(asked: Asked, item: NDArray[np.int64], catalogue: Catalogue) -> NDArray[np.float32]:
    """Return (R, L) attributes as asked for, less those that are not; one that does not apply counts as neither."""
    total = np.zeros(item.shape, dtype=np.float32)
    for kind in range(catalogue.values.shape[1]):
        rows = np.flatnonzero(asked.values[:, kind] >= 0)
        has = np.ascontiguousarray(catalogue.values[:, kind])[item[rows]]
        right = has == asked.values[rows, kind][:, None]
        total[rows] += right - np.float32(_WRONG) * (~right & (has >= 0))
    return total


def _is_usual(asked: Asked, item: NDArray[np.int64], people: People) -> NDArray[np.bool_]:
    usual = people.usual_on(asked.user, asked.day)  # (R, I)
    found = np.zeros(item.shape, dtype=bool)
    for slot in range(usual.shape[1]):
        found |= item == usual[:, slot, None]
    return found


def sigmoid(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / (1 + exp(-logit))."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0))), dtype=np.float32)
