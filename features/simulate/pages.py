"""What production shows, what is looked at, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.simulate.aisles import Aisles, Asked
from features.simulate.catalogue import Catalogue
from features.simulate.people import People
from features.simulate.surfaces import SURFACES
from features.simulate.worth import Candidates, Worth, sigmoid, worth_of

TEMPERATURE = 0.8
"""Noise of production's ranking, in logits; a page is a draw without putting back (Plackett-Luce)."""
_CART = -1.0
"""Logit of a cart after a click, for an item of mean quality."""
_PURCHASE = -0.4
"""Logit of a purchase after a cart."""
_LEVEL_QUALITY = 0.8
"""Worth of a standard deviation of quality for going on from a click."""
_LEVEL_BAIT = 1.5
"""What clickbait costs there, beside its low quality."""


class Pages(NamedTuple):
    """Pages of results. R = requests, P = items of a page; a place without an item has item -1."""

    item: NDArray[np.int64]  # (R, P)
    label: NDArray[np.float32]  # (R, P) 0 = not engaged, 1 = click, 2 = cart, 3 = purchase
    relevance: NDArray[np.float32]  # (R, P) logit
    examination: NDArray[np.float32]  # (R, P)
    probability: NDArray[np.float32]  # (R, P) of label > 0, where it was shown
    value: NDArray[np.float32]  # (R, P) expected label, once it is looked at

    def take(self, rows: NDArray[np.int64] | slice) -> Pages:
        """Return some of the pages."""
        return Pages(
            item=self.item[rows],
            label=self.label[rows],
            relevance=self.relevance[rows],
            examination=self.examination[rows],
            probability=self.probability[rows],
            value=self.value[rows],
        )

    def widened(self, width: int) -> Pages:
        """Return the pages with places for ``width`` items, the new ones empty."""
        more = ((0, 0), (0, width - self.item.shape[1]))
        return Pages(
            item=np.pad(self.item, more, constant_values=-1),
            label=np.pad(self.label, more),
            relevance=np.pad(self.relevance, more),
            examination=np.pad(self.examination, more),
            probability=np.pad(self.probability, more),
            value=np.pad(self.value, more),
        )


def join_pages(parts: Sequence[Pages]) -> Pages:
    """Return the pages of all ``parts`` below each other; all have places for as many items."""
    return Pages(
        item=np.concatenate([part.item for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        relevance=np.concatenate([part.relevance for part in parts]),
        examination=np.concatenate([part.examination for part in parts]),
        probability=np.concatenate([part.probability for part in parts]),
        value=np.concatenate([part.value for part in parts]),
    )


def all_candidates(
    asked: Asked,
    aisles: Aisles,
    depths: tuple[int, ...],
    catalogue: Catalogue,
    country: NDArray[np.int8],
    random: np.random.Generator | None,
) -> Candidates:
    """Return up to ``depths`` items of each aisle, evenly drawn among those that have arrived.

    An aisle's items are cut into as many stretches as its depth, and one item of each is drawn, so that none comes
    twice. Without ``random`` the first of each stretch is taken: with depths as large as the aisles, all there are.
    """
    parts, real = [], []
    for number, depth in enumerate(depths):
        kind = aisles.kind[:, number]
        anywhere = kind < -1
        there = np.where(anywhere, len(catalogue.by_type), catalogue.arrived(kind, asked.day))[:, None]  # (R, 1)
        edge = np.arange(depth + 1)[None, :] * there // depth  # (R, depth + 1)
        width = np.diff(edge, axis=1)
        drawn = 0 if random is None else (random.random(width.shape, dtype=np.float32) * width).astype(np.int64)
        place = edge[:, :-1] + np.minimum(drawn, np.maximum(width - 1, 0))
        start = np.where(anywhere, 0, catalogue.first[np.maximum(kind, 0)])[:, None]
        parts.append(catalogue.by_type[np.minimum(start + place, len(catalogue.by_type) - 1)])
        real.append(width > 0)
    item = np.concatenate(parts, axis=1)
    shown = np.concatenate(real, axis=1)
    shown &= catalogue.allowed[item, country[:, None]] & (item != asked.source[:, None])
    shown &= catalogue.created[item] <= asked.day[:, None]
    last = len(item[0]) - depths[-1]  # the aisle of all items: what another aisle holds is not shown twice
    for number in range(len(depths) - 1):
        shown[:, last:] &= catalogue.kind_of[item[:, last:]] != aisles.kind[:, number, None]
    return Candidates(item, np.repeat(np.arange(len(depths)), depths), shown)


def show_pages(
    asked: Asked,
    aisles: Aisles,
    people: People,
    catalogue: Catalogue,
    country: NDArray[np.int8],
    days: float,
    random: np.random.Generator,
) -> Pages:
    """Return the pages that production shows for ``asked``, in ``country`` (R,), and what users make of them."""
    surface = SURFACES[asked.surface]
    candidates = all_candidates(asked, aisles, surface.depths, catalogue, country, random)
    worth = worth_of(asked, aisles, candidates, people, catalogue, days)
    noisy = worth.production() / np.float32(TEMPERATURE) + _gumbel(candidates.item.shape, random)
    noisy[~candidates.real] = -np.inf
    size = min(surface.page, noisy.shape[1])
    place = np.argpartition(-noisy, size - 1, axis=1)[:, :size]
    order = np.take_along_axis(noisy, place, axis=1).argsort(axis=1, kind="stable")[:, ::-1]
    place = np.take_along_axis(place, order, axis=1)  # (R, P), best first

    def shown(part: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.take_along_axis(part, place, axis=1)

    item = np.take_along_axis(candidates.item, place, axis=1)
    there = np.take_along_axis(candidates.real, place, axis=1)
    engaged = sigmoid(shown(worth.total()) + np.float32(surface.threshold))
    examination = np.broadcast_to(surface.examination()[:size], item.shape).astype(np.float32)
    probability = examination * engaged
    cart, purchase = further(item, catalogue)
    draws = random.random((3, *item.shape), dtype=np.float32)
    click = draws[0] < probability
    label = click * (1.0 + (draws[1] < cart) * (1.0 + (draws[2] < purchase)))
    return Pages(
        item=np.where(there, item, -1),
        label=label.astype(np.float32),
        relevance=shown(worth.relevance),
        examination=examination,
        probability=probability,
        value=expected_label(engaged, item, catalogue),
    )


def further(item: NDArray[np.int64], catalogue: Catalogue) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the probabilities of a cart after a click, and of a purchase after a cart, in the shape of ``item``."""
    logit = np.float32(_LEVEL_QUALITY) * catalogue.quality[item]
    logit -= np.float32(_LEVEL_BAIT) * catalogue.clickbait[item].astype(np.float32)
    return sigmoid(logit + np.float32(_CART)), sigmoid(logit + np.float32(_PURCHASE))


def expected_label(engaged: NDArray[np.float32], item: NDArray[np.int64], catalogue: Catalogue) -> NDArray[np.float32]:
    """Return the mean label of items that are looked at, ``engaged`` being the probability that it is above 0."""
    cart, purchase = further(item, catalogue)
    return np.asarray(engaged * (1.0 + cart * (1.0 + purchase)), dtype=np.float32)


def judged_worth(asked: Asked, worth: Worth, item: NDArray[np.int64], catalogue: Catalogue) -> NDArray[np.float32]:
    """Return the logarithm of what each item is expected to add to the judged gain of a request.

    A judged target was shown and then engaged with: the rate at which production shows an item, times its mean label.
    """
    engaged = sigmoid(worth.total() + np.float32(SURFACES[asked.surface].threshold))
    return worth.production() / np.float32(TEMPERATURE) + np.log(expected_label(engaged, item, catalogue))


def _gumbel(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Return Gumbel noise: the largest sums of it and logits are a draw without putting back."""
    return np.asarray(-np.log(random.standard_exponential(shape, dtype=np.float32) + np.float32(1e-30)))
