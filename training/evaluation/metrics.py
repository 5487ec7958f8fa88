"""Ranking metrics of many requests at once, from the rank at which each target was served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RequestMetrics(NamedTuple):
    """Metrics of the requests that have a target. R = such requests, M = metrics."""

    request: NDArray[np.int64]  # (R,) rising
    names: list[str]  # (M,)
    values: NDArray[np.float64]  # (R, M), each in [0, 1]


def place_in_group(group: NDArray[np.int64], *keys: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row its place, from 1, among the rows of its group (n,), ordered by ``keys``, first key first.

    Rows that are equal in all keys keep their order.
    """
    order = np.lexsort((*reversed(keys), group))
    ordered = group[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(group) else np.empty(0, dtype=np.int64)
    first = np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - first + 1
    return place


def ranking_metrics(
    request: NDArray[np.int64], label: NDArray[np.float64], rank: NDArray[np.int64], cutoffs: Sequence[int]
) -> RequestMetrics:
    """Return recall, hit, NDCG and MAP at each cut-off, and the reciprocal rank up to the last, of each request.

    Only targets matter to these metrics, so the served lists themselves are not needed: what is served without being a
    target has gain 0.

    Args:
        request: (T,) the request of each target; an item is at most once a target of a request.
        label: (T,) gain of each target, > 0.
        rank: (T,) where the target was served, from 1; 0 = not served.
        cutoffs: values of k, rising.

    With the targets of one request: ``recall_at_k`` = targets served within k / targets. ``hit_at_k`` = 1 where one
    is. ``ndcg_at_k``: gain is the label itself, discount ``log2(rank + 1)``, divided by the same sum over the targets
    in the best order (Järvelin & Kekäläinen 2002). ``map_at_k`` = sum over targets within k of the precision at their
    rank / targets. ``mrr`` = 1 / rank of the first target served, 0 where none is within the last k.
    """
    requests, group = np.unique(request, return_inverse=True)
    size = len(requests)

    def total(values: NDArray[np.float64] | NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(group, weights=values, minlength=size).astype(np.float64)  # (R,), int64 without a target

    targets = total(np.ones(len(group)))  # (R,)
    served = np.where(rank > 0, rank, np.iinfo(np.int64).max)  # (T,)
    place = place_in_group(group, served)  # (T,) targets served up to and including this one
    ideal = place_in_group(group, -label)  # (T,) rank in the best order
    gain = np.where(rank > 0, label / np.log2(np.maximum(rank, 1) + 1.0), 0.0)  # (T,)
    best_gain = label / np.log2(ideal + 1.0)  # (T,)
    precision = np.where(rank > 0, place / np.maximum(rank, 1), 0.0)  # (T,)

    columns: dict[str, NDArray[np.float64]] = {}
    for k in cutoffs:
        within = served <= k  # (T,)
        hits = total(within)
        columns[f"recall_at_{k}"] = hits / targets
        columns[f"hit_at_{k}"] = np.minimum(hits, 1.0)
        columns[f"ndcg_at_{k}"] = np.minimum(total(gain * within) / total(best_gain * (ideal <= k)), 1.0)
        columns[f"map_at_{k}"] = total(precision * within) / targets
    first = (place == 1) & (served <= cutoffs[-1])  # (T,)
    columns["mrr"] = total(np.where(first, 1.0 / np.maximum(rank, 1), 0.0))
    return RequestMetrics(requests, list(columns), np.stack(list(columns.values()), axis=1))
