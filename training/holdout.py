"""Which rows the ranker learns from: rows that neither the space nor the counts have seen.

The ranker weighs what the space and the counts say. Had they seen its rows, they would be right about them more often
than they will ever be again, and the ranker would trust them too much. So a part of the rows is set aside for it, in
the way in which what it will be asked lies beside what is known: the latest rows where valid comes after train in time;
else the end of each user's sequence where users have one; else some of each user's items, or some requests where users
engage with the same items again.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col, Split
from features.events import EventRows
from features.vocabulary import UNKNOWN

_FEW = 0.005
"""Share of repeated engagements up to which they count as accidents."""
Manner = Literal["time", "sequence", "pairs", "rows"]


def manner_of(events: pl.DataFrame, *, ordered: bool) -> Manner:
    """Return how the valid rows of ``events`` lie beside its train rows.

    Args:
        events: train and valid rows, each with its split.
        ordered: whether a user's events have an order.
    """
    if not ordered:
        return "rows" if _repeated_share(events) > _FEW else "pairs"
    time = pl.col(Col.TIMESTAMP)
    facts = events.select(
        timed=time.is_not_null().all(),
        train=time.filter(pl.col(Col.SPLIT) == Split.TRAIN).quantile(0.99),  # long requests reach into valid
        valid=time.filter(pl.col(Col.SPLIT) == Split.VALID).quantile(0.01),
    ).row(0, named=True)
    after = facts["train"] is None or facts["valid"] is None or facts["valid"] >= facts["train"]
    return "time" if facts["timed"] and after else "sequence"


def _repeated_share(events: pl.DataFrame) -> float:
    """Return the share of the valid engagements by known users whose user engaged with the item in train too."""
    engaged = events.filter(pl.col(Col.LABEL) > 0).drop_nulls(Col.USER)
    valid = engaged.filter(pl.col(Col.SPLIT) == Split.VALID).select(Col.USER, Col.ITEM)
    train = engaged.filter(pl.col(Col.SPLIT) == Split.TRAIN).select(Col.USER, Col.ITEM)
    return valid.join(train, on=[Col.USER, Col.ITEM], how="semi").height / max(valid.height, 1)


def ranker_rows(rows: EventRows, manner: Manner, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which rows (E,) are the ranker's, about ``share`` of them, whole requests together.

    Where ``manner`` leaves one side without engagements (users with a row each have no end of a sequence), others are
    tried, the last engaged request in the end; no row is chosen where that is the only one.
    """
    first = {"time": _latest, "sequence": _ends, "pairs": _pairs, "rows": _requests}[manner]
    for way in (first, _requests, _last):
        chosen = _whole_requests(rows, way(rows, share, seed))
        if rows.engaged[chosen].any() and rows.engaged[~chosen].any():
            return chosen
    return np.zeros(len(rows.item), dtype=bool)


def _latest(rows: EventRows, share: float, seed: int) -> NDArray[np.bool_]:
    place = np.empty(len(rows.rank), dtype=np.int64)
    place[np.lexsort((rows.request, rows.time))] = np.arange(len(rows.rank))
    return place >= (1 - share) * len(place)


def _ends(rows: EventRows, share: float, seed: int) -> NDArray[np.bool_]:
    """Return the last ``share`` of each user's rows, at least one of two; rows without a user by chance."""
    order = np.lexsort((rows.rank, rows.user))
    user = rows.user[order]
    first = np.searchsorted(user, user, side="left")
    count = np.searchsorted(user, user, side="right") - first
    place = np.arange(len(user)) - first
    kept = np.maximum(count - np.maximum(np.round(share * count), 1), 1)
    chosen = np.zeros(len(user), dtype=bool)
    chosen[order] = place >= kept
    return np.where(rows.user > UNKNOWN, chosen, np.random.default_rng(seed).random(len(user)) < share)


def _pairs(rows: EventRows, share: float, seed: int) -> NDArray[np.bool_]:
    """Return all rows of a ``share`` of the user-item pairs; rows without a user by request."""
    key = np.where(rows.user > UNKNOWN, rows.user, rows.user.max(initial=0) + 1 + rows.request)
    item = np.where(rows.user > UNKNOWN, rows.item, 0)
    pair = np.unique(key * (rows.item.max(initial=0) + 1) + item, return_inverse=True)[1]
    drawn: NDArray[np.bool_] = np.random.default_rng(seed).random(pair.max(initial=0) + 1) < share
    return drawn[pair]


def _last(rows: EventRows, share: float, seed: int) -> NDArray[np.bool_]:
    """Return the last engaged row."""
    rank = np.where(rows.engaged, rows.rank, -1)
    return np.asarray(rows.engaged & (rank == rank.max(initial=-1)), dtype=bool)


def _requests(rows: EventRows, share: float, seed: int) -> NDArray[np.bool_]:
    """Return the rows of a ``share`` of the requests."""
    drawn: NDArray[np.bool_] = np.random.default_rng(seed).random(rows.request.max(initial=0) + 1) < share
    return drawn[rows.request]


def _whole_requests(rows: EventRows, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows of the requests of which some row is ``chosen``."""
    some = np.zeros(rows.request.max(initial=0) + 1, dtype=bool)
    some[rows.request[chosen]] = True
    return some[rows.request]
