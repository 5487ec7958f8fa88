"""The first stage: what the space and the counts bring, merged, with what may not be shown left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.catalogue import Catalogue
from features.evidence import Evidence
from features.history import History
from features.imputation import RequestRows
from serving.config import CandidateConfig
from serving.order import top_k

SPACE: Final = "space"
"""The source that is the index of the space."""
EVERYTHING: Final = "everything"
"""The one source of a catalogue that is ranked whole."""

_DEPTH_BITS: Final = 16
"""Steps in which the depth of a place in a list is counted, as a power of two: float32 holds them exactly."""

Brought = Mapping[str, NDArray[np.int64]]
"""What each source brings, by the setting that says how many: item rows (B, n), the best first, 0 = none."""


def blocked_items(
    rows: RequestRows, history: History, catalogue: Catalogue, exclude_seen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return what may not be shown, (B, N + 1): padding, the source item, items of other countries, seen items.

    Args:
        rows: the requests as they came, so that only a stated country filters.
        history: engagements of the users.
        catalogue: the items.
        exclude_seen: (T,) the tasks in which seen items are left out.
    """
    count = len(rows.task)
    blocked = np.zeros((count, catalogue.rows), dtype=bool)
    if catalogue.restricted.any():
        for country in np.unique(rows.country[rows.country > 0]):
            blocked[rows.country == country] = ~catalogue.shown_in(int(country))
    leaves_out = exclude_seen[rows.task]
    owner = np.where(leaves_out, rows.owner, 0)
    seen = history.matrix(owner, np.where(leaves_out, rows.end, 0), catalogue.rows, rows.hide)
    row = np.repeat(np.arange(count), np.diff(seen.indptr))
    blocked[row, seen.indices] = True
    blocked[np.arange(count), rows.source] = True
    blocked[:, 0] = True
    return blocked


def best(scores: NDArray[np.float32], blocked: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Return the ``count`` best item rows (B, count) of ``scores`` (B, N + 1) above 0, the best first; 0 = fewer."""
    found = np.zeros((len(scores), min(count, scores.shape[1])), dtype=np.int64)
    some = np.flatnonzero(scores.any(axis=1))  # most sources have nothing to say on most requests
    allowed = torch.from_numpy(scores[some]).masked_fill_(torch.from_numpy(blocked[some]), 0.0)
    value, item = allowed.topk(found.shape[1], dim=1)
    found[some] = torch.where(value > 0, item, 0).numpy()
    return found


def from_evidence(
    evidence: Evidence, blocked: NDArray[np.bool_], sizes: CandidateConfig
) -> dict[str, NDArray[np.int64]]:
    """Return what each source of counts brings, as ``Brought``; those that have nothing to say are left out."""
    found: dict[str, list[NDArray[np.int64]]] = {}
    for size, scores in evidence.sources().values():
        if (count := getattr(sizes, size)) and scores.any():
            found.setdefault(size, []).append(best(scores, blocked, count))
    return {size: _in_turns(lists) for size, lists in found.items()}


def merge(sources: Iterable[NDArray[np.int64]], total: int, ties: Tensor) -> NDArray[np.int64]:
    """Return the distinct candidates of all sources, (B, L) ascending item rows, 0 = padding at the front of a row.

    Where a request has more than ``total``, every source is shortened by about the same share of its length, so that
    the lengths say what the sources are worth: of an item, the place in each list is divided by the length of the list,
    and those items are kept whose smallest quotient is smallest. What several sources bring takes one place. Of equal
    quotients, those are kept that would be served first among equal scores.

    Args:
        sources: item rows (B, n) of each source, the best first, 0 = none.
        total: most candidates of a request; 0 = no limit.
        ties: (N + 1,) places of the items among equal scores.
    """
    key = np.concatenate([(rows << _DEPTH_BITS) + _depth(rows.shape[1]) for rows in sources], axis=1)
    key.sort(axis=1)
    merged, depth = key >> _DEPTH_BITS, key & (2**_DEPTH_BITS - 1)  # (B, all); an item's smallest depth is in front
    merged[:, 1:][merged[:, 1:] == merged[:, :-1]] = 0
    if total and (merged > 0).sum(axis=1).max(initial=0) > total:
        merged = _first(merged, depth, total, ties)
    return _trimmed(merged)


def brought_by(candidates: NDArray[np.int64], sources: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return which sources brought each of the merged ``candidates``, (B, L): bit j is set for the j-th source."""
    stride = 1 + candidates.max(initial=0)
    keys = (candidates + stride * np.arange(len(candidates))[:, None]).ravel()  # ascending, as each row is
    found = np.zeros(candidates.shape, dtype=np.int64)
    for bit, rows in enumerate(sources):
        request, place = np.nonzero((rows > 0) & (rows < stride))
        wanted = rows[request, place] + stride * request
        at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        found.ravel()[at[keys[at] == wanted]] |= 1 << bit
    return found


def all_items(blocked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return every item that is not blocked, (B, L)."""
    return _trimmed(np.where(blocked, 0, np.arange(blocked.shape[1])[None, :]))


def _in_turns(lists: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return lists (B, n) of one source as one (B, n · lists), in which they take turns."""
    return np.stack(lists, axis=2).reshape(len(lists[0]), -1)


def _depth(length: int) -> NDArray[np.int64]:
    """Return how deep in a list of ``length`` its places are, (length,) in steps of the whole length."""
    return (np.arange(length) << _DEPTH_BITS) // max(length, 1)


def _first(merged: NDArray[np.int64], depth: NDArray[np.int64], total: int, ties: Tensor) -> NDArray[np.int64]:
    """Return the ``total`` items (B, total) of ``merged`` (B, L) that are least deep, in served order."""
    score = torch.from_numpy(np.where(merged > 0, -depth, -np.inf).astype(np.float32))
    kept = top_k(score, ties[torch.from_numpy(merged)], total).numpy()
    return np.take_along_axis(merged, kept, axis=1)


def _trimmed(items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``items`` (B, L) in ascending order without columns of padding alone, but for one if there is no other."""
    items = np.sort(items, axis=1)
    longest = int((items > 0).sum(axis=1).max(initial=1))
    return items[:, items.shape[1] - max(longest, 1) :]
