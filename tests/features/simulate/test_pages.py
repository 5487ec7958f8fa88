"""Which items could be shown, and which of them are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.simulate.aisles import Aisles, Asked, aisles_of
from features.simulate.block import Requests, World
from features.simulate.catalogue import Catalogue
from features.simulate.knobs import Knobs
from features.simulate.pages import all_candidates, show_pages
from features.simulate.places import PLACES
from features.simulate.surfaces import SURFACES
from features.simulate.world import make_world
from features.simulate.worth import Worth, worth_of

REQUESTS = 20
SURFACE = st.integers(0, len(SURFACES) - 1)
SEED = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def little() -> World:
    return make_world(Knobs(items=300, users=50, cold=0.3))


def anything(world: World, surface: int, random: np.random.Generator) -> tuple[Asked, Aisles, np.ndarray]:
    """Return random requests of a surface, their aisles, and where they are asked."""
    items, kinds = world.catalogue.values.shape
    day = random.uniform(0, world.knobs.days, REQUESTS)
    there = np.flatnonzero(world.catalogue.created <= 0)
    asked = Asked(
        surface=surface,
        user=random.integers(0, world.knobs.users, REQUESTS),
        day=day,
        mission=random.integers(0, world.catalogue.types, REQUESTS),
        values=world.catalogue.values[random.integers(0, items, REQUESTS)],
        source=random.choice(there, REQUESTS) if SURFACES[surface].name == "similar" else np.full(REQUESTS, -1),
    )
    assert asked.values.shape == (REQUESTS, kinds)
    aisles = aisles_of(asked, world.people, world.catalogue, random.random(REQUESTS))
    return asked, aisles, random.integers(0, len(PLACES), REQUESTS).astype(np.int8)


@given(SURFACE, SEED, st.booleans())
@settings(max_examples=60)
def test_candidates_are_there_and_allowed_and_come_once(
    little: World, surface: int, seed: int, all_there: bool
) -> None:
    random = np.random.default_rng(seed)
    asked, aisles, country = anything(little, surface, random)
    depths = SURFACES[surface].depths
    found = all_candidates(asked, aisles, depths, little.catalogue, country, None if all_there else random)
    for row in range(REQUESTS):
        items = found.item[row, found.real[row]]
        assert len(set(items.tolist())) == len(items)
        assert (little.catalogue.created[items] <= asked.day[row]).all()
        assert little.catalogue.allowed[items, country[row]].all()
        assert asked.source[row] not in items


@given(SURFACE, SEED)
@settings(max_examples=20)
def test_deep_enough_aisles_hold_all_that_there_is(little: World, surface: int, seed: int) -> None:
    asked, aisles, country = anything(little, surface, np.random.default_rng(seed))
    depths = (*(len(little.catalogue.by_type) for _ in SURFACES[surface].depths[:-1]), 1)
    found = all_candidates(asked, aisles, depths, little.catalogue, country, None)
    catalogue = little.catalogue
    for row in range(REQUESTS):
        kinds = aisles.kind[row, :-1]
        may = np.isin(catalogue.kind_of, kinds[kinds >= 0]) & (catalogue.created <= asked.day[row])
        may &= catalogue.allowed[:, country[row]]
        may[asked.source[row] : asked.source[row] + 1] &= asked.source[row] < 0
        here = found.real[row] & (found.aisle < len(depths) - 1)
        assert set(found.item[row, here].tolist()) == set(np.flatnonzero(may).tolist())


def other_quality(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, quality=-catalogue.quality, clickbait=~catalogue.clickbait)


def test_production_does_not_know_quality(little: World) -> None:
    days = float(little.knobs.days)
    for surface in range(len(SURFACES)):
        asked, aisles, country = anything(little, surface, np.random.default_rng(surface))
        found = all_candidates(asked, aisles, SURFACES[surface].depths, little.catalogue, country, None)

        def worth(catalogue: Catalogue) -> Worth:
            return worth_of(asked, aisles, found, little.people, catalogue, days)  # noqa: B023  called in this round only

        before, after = worth(little.catalogue), worth(other_quality(little.catalogue))
        assert (before.production() == after.production()).all()
        assert (before.total() != after.total()).mean() > 0.99


def test_pages_do_not_know_quality_and_users_do(little: World) -> None:
    asked, aisles, country = anything(little, 0, np.random.default_rng(0))
    one, other = (
        show_pages(asked, aisles, little.people, catalogue, country, 180.0, np.random.default_rng(1))
        for catalogue in (little.catalogue, other_quality(little.catalogue))
    )
    assert (one.item == other.item).all()
    assert (one.relevance == other.relevance).all()
    assert (one.probability != other.probability).mean() > 0.99


def test_pages_are_taken_and_widened_together(blocks: list[Requests]) -> None:
    pages = blocks[0].pages.take(slice(2, 5))
    wide = pages.widened(13)
    for name, part in wide._asdict().items():
        assert part.shape == (3, 13)
        assert (part[:, :10] == getattr(pages, name)).all()
        assert (part[:, 10:] == (-1 if name == "item" else 0)).all()
