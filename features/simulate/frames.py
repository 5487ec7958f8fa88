"""Requests and pages as the tables that a log would hold, and as the truth beside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.simulate.block import Requests, World
from features.simulate.catalogue import START, item_ids, numbered
from features.simulate.gaps import Gaps
from features.simulate.places import CODES
from features.simulate.surfaces import SURFACES

_TASKS = pl.Series([surface.name for surface in SURFACES])
_DAY_US = 86_400_000_000


class Ids(NamedTuple):
    """Ids by number."""

    items: pl.Series
    users: pl.Series


def make_ids(world: World) -> Ids:
    """Return the ids of a world's items and users."""
    return Ids(item_ids(world.knobs.items), numbered("u", world.knobs.users))


def request_frame(requests: Requests, gaps: Gaps, ids: Ids, start: int) -> pl.DataFrame:
    """Return a row per request, as the log states it: ``request_id, task, user_id, query, country, …``.

    Args:
        requests: R requests.
        gaps: what their log leaves out.
        ids: of items and users.
        start: number of the first request.
    """
    unknown_user = pl.Series(gaps.no_user[requests.session])
    unknown_country = pl.Series(gaps.no_country[requests.session])
    moment = START + (requests.day * _DAY_US).astype("timedelta64[us]").astype("timedelta64[s]")
    return pl.DataFrame(
        {
            Col.REQUEST: numbered("r", len(requests.day), start),
            Col.TASK: _TASKS.gather(requests.surface),
            Col.USER: ids.users.gather(requests.user).set(unknown_user, None),
            Col.QUERY: requests.query,
            Col.COUNTRY: pl.Series(CODES).gather(requests.country.astype(np.int64)).set(unknown_country, None),
            Col.SOURCE_ITEM: _optional(ids.items, requests.source),
            Col.TIMESTAMP: pl.Series(moment.astype("datetime64[us]")),
        }
    )


def shown_rows(requests: Requests) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return request and place of every shown item (E,), in the order of the log."""
    row, place = np.nonzero(requests.pages.item >= 0)
    return row, place


def event_frame(requests: Requests, stated: pl.DataFrame, ids: Ids) -> pl.DataFrame:
    """Return the rows of ``events``: every item shown, with what came of it. ``stated`` is its ``request_frame``."""
    row, place = shown_rows(requests)
    request = stated.select(pl.all().gather(row))
    return request.select(
        Col.TASK,
        ids.items.gather(requests.pages.item[row, place]).alias(Col.ITEM),
        pl.Series(Col.LABEL, requests.pages.label[row, place]),
        Col.USER,
        Col.QUERY,
        Col.COUNTRY,
        Col.SOURCE_ITEM,
        Col.TIMESTAMP,
        Col.REQUEST,
        pl.Series(Col.POSITION, (place + 1).astype(np.int32)),
    )


def truth_frame(world: World, requests: Requests, stated: pl.DataFrame, ids: Ids) -> pl.DataFrame:
    """Return what is true of every shown item, row by row beside ``event_frame``."""
    row, place = shown_rows(requests)
    pages = requests.pages
    item = pages.item[row, place]
    return pl.DataFrame(
        {
            Col.REQUEST: stated[Col.REQUEST].gather(row),
            Col.ITEM: ids.items.gather(item),
            "relevance": pages.relevance[row, place],
            "quality": world.catalogue.quality[item],
            "examination": pages.examination[row, place],
            "probability": pages.probability[row, place],
            "value": pages.value[row, place],
        }
    )


def intent_frame(world: World, requests: Requests, stated: pl.DataFrame, ids: Ids) -> pl.DataFrame:
    """Return what is true of every request: who asked, where, and for which product type."""
    kinds = pl.Series([kind.key for kind in world.lexicon.types])
    return pl.DataFrame(
        {
            Col.REQUEST: stated[Col.REQUEST],
            Col.USER: ids.users.gather(requests.user),
            Col.COUNTRY: pl.Series(CODES).gather(requests.country.astype(np.int64)),
            "mission": kinds.gather(requests.mission),
        }
    )


def item_truth(world: World, ids: Ids) -> pl.DataFrame:
    """Return what is true of every item: type, quality, clickbait, popularity by task."""
    catalogue = world.catalogue
    kinds = pl.Series([kind.key for kind in world.lexicon.types])
    columns: dict[str, object] = {
        Col.ITEM: ids.items,
        "type": kinds.gather(catalogue.kind_of),
        "brand": catalogue.brand,
        "quality": catalogue.quality,
        "clickbait": catalogue.clickbait,
    }
    columns |= {f"popularity_{name}": part for name, part in zip(_TASKS, catalogue.popularity, strict=True)}
    return pl.DataFrame(columns)


def user_truth(world: World, ids: Ids) -> pl.DataFrame:
    """Return what is true of every user: home, and interests before and after they move on."""
    people = world.people
    kinds = pl.Series([kind.key for kind in world.lexicon.types])
    width = people.moves.shape[1]

    def types(phase: int) -> pl.Series:
        return kinds.gather(people.interests[phase].ravel()).reshape((-1, width)).arr.to_list()

    day = pl.Series(people.moves.ravel()).replace(np.inf, None).reshape((-1, width)).arr.to_list()
    return pl.DataFrame(
        {
            Col.USER: ids.users,
            Col.COUNTRY: pl.Series(CODES).gather(people.country.astype(np.int64)),
            "arrived": people.arrived,
            "interests": types(0),
            "later_interests": types(1),
            "move_day": day,
            "weights": pl.Series(people.weights.ravel()).reshape((-1, width)).arr.to_list(),
        }
    )


def _optional(ids: pl.Series, number: NDArray[np.int64]) -> pl.Series:
    """Return the ids of ``number`` (R,), null where it is -1."""
    return ids.gather(np.maximum(number, 0)).set(pl.Series(number < 0), None)
