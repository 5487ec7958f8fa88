"""Runs a ranker over the judged requests, and keeps what the metrics need of the lists it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.answers import Served, blocks, read_ranking, requests_of
from training.evaluation.exposure import Exposure, ExposureNotes
from training.evaluation.judged import NUMBER, Judged, seen_pairs
from training.evaluation.protocol import Contender, Protocol

Progress = Callable[[str, int, int], None]
"""Called with the ranker's name, the requests it has ranked, and their number."""


class Outcome(NamedTuple):
    """What the served lists of one ranker come to; it does not grow with their length.

    T = targets, R = requests.
    """

    target_rank: NDArray[np.int64]  # (T,) where each target was served, from 1; 0 = not
    tied: NDArray[np.bool_]  # (R,) whether the served list holds two equal scores
    exposure: Exposure


def serve(contender: Contender, judged: Judged, protocol: Protocol, progress: Progress) -> Outcome:
    """Rank each distinct context of its tasks that has a target once, in blocks, and return what came of it."""
    contexts = judged.contexts.join(judged.targets.select("context").unique(), on="context", how="semi")
    contexts = contexts.filter(pl.col(Col.TASK).is_in(contender.tasks or judged.tasks)).sort("context")
    catalogue = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    personal = contexts.filter(pl.col(Col.TASK).is_in(protocol.exclude_seen)).select(Col.USER, Col.TASK).unique()
    seen = seen_pairs(judged.history).join(personal, on=Col.USER, how="inner")
    lookup = _TargetLookup(judged.targets, len(catalogue))
    target_rank = np.zeros(len(judged.targets), dtype=np.int64)
    tied = np.zeros(len(judged.contexts), dtype=np.bool_)
    exposure = ExposureNotes(judged, protocol)
    done = 0
    for block in blocks(contexts, protocol.block):
        answer = contender.rank(requests_of(block), protocol.depth)
        served = read_ranking(contender.name, answer, block, catalogue, seen, protocol.depth)
        lookup.note_ranks(served, target_rank)
        _note_ties(served, tied)
        exposure.add(served, block)
        done += len(block)
        progress(contender.name, done, len(contexts))
    return Outcome(target_rank, tied[judged.requests["context"].to_numpy()], exposure.result())


class _TargetLookup:
    """Finds targets by context and item. Several requests of one context may have the same target."""

    def __init__(self, targets: pl.DataFrame, items: int) -> None:
        self._items = items
        key = self._key(targets["context"].to_numpy(), targets[NUMBER].to_numpy())  # (T,)
        self._order = np.argsort(key, kind="stable")  # (T,)
        self._keys = key[self._order]

    def _key(self, context: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.int64]:
        return context.astype(np.int64) * self._items + item

    def note_ranks(self, served: Served, target_rank: NDArray[np.int64]) -> None:
        """Write into ``target_rank`` (T,) the ranks of the targets that were served."""
        key = self._key(served.context, served.item)  # (A,)
        first = np.searchsorted(self._keys, key, side="left")
        count = np.searchsorted(self._keys, key, side="right") - first
        hit = count > 0
        first, count = first[hit], count[hit]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        rows = self._order[np.repeat(first, count) + within]
        target_rank[rows] = np.repeat(served.rank[hit], count)


def _note_ties(served: Served, tied: NDArray[np.bool_]) -> None:
    order = np.lexsort((served.score, served.context))  # equal scores need not be neighbours in the served order
    context, score = served.context[order], served.score[order]
    equal = (context[1:] == context[:-1]) & (score[1:] == score[:-1])
    tied[context[1:][equal]] = True
