"""What a list holds beyond the candidates of its request: the nearest others, so that a longer list begins alike."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FURTHER: Final = "further"
"""Names it among the sources of candidates."""


class Further(NamedTuple):
    """Items that follow when all candidates are served. B = requests, M = items at most."""

    items: NDArray[np.int64]  # (B, M) item rows, nearest first, 0 = no more
    scores: NDArray[np.float32]  # (B, M) in the space, falling; only their differences are served


def continued(
    items: NDArray[np.int64], scores: NDArray[np.float32], further: Further, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return lists of at most ``count`` items that go on after their last candidate, with scores that go on falling.

    What follows never gets between the candidates, whatever the ranker thinks of it: a list of ten is the beginning of
    a list of a thousand. Its scores are no logits: they fall from the last candidate's by what the space's scores fall.

    Args:
        items: (B, K) all candidates in served order, 0 = no more, at the end.
        scores: (B, K) their logits.
        further: what follows.
        count: the items that are asked for.
    """
    more = further.items > 0
    near = np.where(more, further.scores, 0.0).astype(np.float32)
    lowest = np.where(items > 0, scores, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    start = np.where(np.isfinite(lowest), lowest, near[:, :1])  # without candidates, the space's own scores
    fallen = np.where(more, start + (near - near[:, :1]), -np.inf)
    items, scores = np.concatenate([items, further.items], axis=1), np.concatenate([scores, fallen], axis=1)
    order = np.argsort(items == 0, axis=1, kind="stable")[:, :count]  # padding to the end
    return np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1).astype(np.float32)
