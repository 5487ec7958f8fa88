"""Which rows the ranker learns from: rows that neither the space nor the counts have seen.

The ranker weighs what the space and the counts say. Had they seen its rows, they would be right about them more often than
they will ever be again, and the ranker would trust them too much. So a part of the rows is set aside for it: the latest
part where rows have times; else all rows of some users, or of some requests where there is no user.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.events import EventRows
from features.vocabulary import UNKNOWN


def ranker_rows(rows: EventRows, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which rows (E,) are the ranker's, about ``share`` of them, whole requests together."""
    if len(rows.item) and np.isfinite(rows.time).all():
        return _latest(rows, share)
    group = np.where(rows.user > UNKNOWN, rows.user, rows.user.max(initial=0) + 1 + rows.request)
    distinct, place = np.unique(group, return_inverse=True)
    chosen = np.zeros(len(distinct), dtype=bool)
    count = int(np.clip(round(share * len(distinct)), 1, max(len(distinct) - 1, 1)))
    chosen[np.random.default_rng(seed).permutation(len(distinct))[:count]] = True
    return chosen[place.ravel()]


def _latest(rows: EventRows, share: float) -> NDArray[np.bool_]:
    begin = np.full(rows.request.max(initial=-1) + 1, np.inf)
    np.minimum.at(begin, rows.request, rows.time)
    time = begin[rows.request]
    order = np.lexsort((rows.request, time))
    first = order[int((1 - share) * len(order))]
    later = time > time[first]
    same = (time == time[first]) & (rows.request >= rows.request[first])
    chosen = later | same
    return chosen if not chosen.all() else np.zeros(len(chosen), dtype=bool)
