"""The oracle: what the best ranking of a request would have been, for one who knows the world."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.simulate.aisles import Aisles, Asked, aisles_of
from features.simulate.block import Requests, World
from features.simulate.pages import all_candidates, judged_worth
from features.simulate.surfaces import SURFACES
from features.simulate.worth import worth_of

DEPTH = 200
"""Items that the oracle names for a request."""
_CELLS = 1_500_000
"""Candidates that are looked at at once."""


def oracle_ranking(world: World, requests: Requests, ids: pl.Series, item_ids: pl.Series) -> pl.DataFrame:
    """Return ``request_id, rank, item_id, score``: the items that are expected to add most to the judged gain.

    The score is the logarithm of the rate at which production shows an item for this request times the mean label of
    who looks at it, with the share of an aisle that the first stage of production looks at. That is the best order as
    long as no item is all but sure to be shown, and near it otherwise. The oracle knows the user even where the log
    does not.

    Args:
        world: the world.
        requests: R requests.
        ids: their ids (R,).
        item_ids: ids of the catalogue (N,).
    """
    parts = [
        pl.DataFrame(
            {
                Col.REQUEST: ids.gather(rows),
                Col.RANK: rank.astype(np.int32),
                Col.ITEM: item_ids.gather(item),
                Col.SCORE: score,
                "row": rows,
            }
        )
        for rows, rank, item, score in _ranked(world, requests)
    ]
    return pl.concat(parts).sort("row", Col.RANK).drop("row")


_Ranked = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def _ranked(world: World, requests: Requests) -> Iterator[_Ranked]:
    """Yield request, rank, item and score of the best items, some requests at a time."""
    for surface in range(len(SURFACES)):
        rows, asked = requests.asked(surface)
        if not len(rows):
            continue
        aisles = aisles_of(asked, world.people, world.catalogue, requests.fashion[rows])
        width = sum(_depths(world, asked, aisles))
        size = max(1, _CELLS // width)
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            yield _best(world, asked.take(part), aisles.take(part), rows[part], requests)


def _best(world: World, asked: Asked, aisles: Aisles, rows: NDArray[np.int64], requests: Requests) -> _Ranked:
    depths = _depths(world, asked, aisles)
    candidates = all_candidates(asked, aisles, depths, world.catalogue, requests.country[rows], None)
    worth = worth_of(asked, aisles, candidates, world.people, world.catalogue, float(world.knobs.days))
    score = judged_worth(asked, worth, candidates.item, world.catalogue)  # (R, L)
    score += np.log(_looked_at(world, asked, aisles))[:, candidates.aisle]
    score[~candidates.real] = -np.inf
    place = np.argsort(-score, axis=1, kind="stable")[:, :DEPTH]
    best = np.take_along_axis(score, place, axis=1)  # (R, k)
    row, rank = np.nonzero(best > -np.inf)
    item = np.take_along_axis(candidates.item, place, axis=1)
    return rows[row], rank + 1, item[row, rank], best[row, rank]


def _depths(world: World, asked: Asked, aisles: Aisles) -> tuple[int, ...]:
    """Return the size of the largest aisle of each column: everything in them, and nothing from anywhere."""
    sizes = [int(world.catalogue.arrived(column, asked.day).max()) for column in aisles.kind.T[:-1]]
    return (*(max(1, size) for size in sizes), 1)


def _looked_at(world: World, asked: Asked, aisles: Aisles) -> NDArray[np.float32]:
    """Return the share (R, A) of each aisle's items that the first stage of production looks at."""
    columns = aisles.kind.T[:-1]
    there = np.stack([world.catalogue.arrived(column, asked.day) for column in columns], axis=1)
    there = np.column_stack([there, np.full(len(there), len(world.catalogue.by_type))])
    return np.asarray(np.minimum(1.0, SURFACES[asked.surface].depths / np.maximum(there, 1)), dtype=np.float32)
