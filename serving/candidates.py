"""The first stage: candidates from the space and from the counts, merged, with what may not be shown left out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.evidence import Evidence
from features.history import History
from features.imputation import RequestRows
from serving.config import CandidateConfig


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
    """Return the ``count`` best item rows (B, count) of ``scores`` (B, N + 1) above 0; 0 where there are fewer."""
    found = np.zeros((len(scores), min(count, scores.shape[1])), dtype=np.int64)
    some = np.flatnonzero(scores.any(axis=1))  # most sources have nothing to say on most requests
    allowed = torch.from_numpy(scores[some]).masked_fill_(torch.from_numpy(blocked[some]), 0.0)
    value, item = allowed.topk(found.shape[1], dim=1, sorted=False)
    found[some] = torch.where(value > 0, item, 0).numpy()
    return found


def from_evidence(evidence: Evidence, blocked: NDArray[np.bool_], sizes: CandidateConfig) -> list[NDArray[np.int64]]:
    """Return candidates (B, n) of each source of counts."""
    sources = ((scores, getattr(sizes, size)) for size, scores in evidence.sources().values())
    return [best(scores, blocked, size) for scores, size in sources if size and scores.any()]


def merge(sources: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the distinct candidates of all sources, (B, L) ascending item rows, 0 = padding at the front of a row."""
    merged = np.sort(np.concatenate(sources, axis=1), axis=1)
    merged[:, 1:][merged[:, 1:] == merged[:, :-1]] = 0
    merged = np.sort(merged, axis=1)
    longest = int((merged > 0).sum(axis=1).max(initial=1))
    return merged[:, merged.shape[1] - max(longest, 1) :]


def all_items(blocked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return every item that is not blocked, (B, L)."""
    return merge([np.where(blocked, 0, np.arange(blocked.shape[1])[None, :])])
