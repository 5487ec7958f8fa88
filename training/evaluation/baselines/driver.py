"""Makes a ranker of a baseline: masks what may not be served, orders, and cuts, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.columns import Col
from serving.order import tie_ranks, top_k
from training.evaluation.answers import blocks
from training.evaluation.baselines.base import Baseline, Index, World, distinct_ids, user_items
from training.evaluation.judged import CONTEXT

_BLOCK_SCORES = 8_000_000
"""Scores that are held at once."""
_SPARE = 64
"""Scores beyond k that are looked at for ties with the k-th."""


class BaselineRanker:
    """Serves a fitted baseline under the rules of the contract."""

    def __init__(self, baseline: Baseline, world: World, exclude_seen: Sequence[str]) -> None:
        """Serve ``baseline``; in the tasks ``exclude_seen``, what the user has in ``world.history`` is no candidate."""
        self._baseline = baseline
        self._item_ids = world.items[Col.ITEM]
        self._items = Index(self._item_ids)
        self._tie = torch.from_numpy(tie_ranks(self._item_ids))
        self._users = Index(distinct_ids(world.history, Col.USER))
        self._seen = user_items(world.history, self._users, self._items)
        self._exclude_seen = frozenset(exclude_seen)
        self._countries = world.items[Col.COUNTRIES]
        self._barred: dict[str, NDArray[np.int64]] = {}
        self._size = max(1, _BLOCK_SCORES // max(1, len(self._items)))

    def rank(self, requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        """Return ``request_id, rank, item_id, score`` of the ``depth`` best candidates of each request."""
        parts = [self._rank_block(block, depth) for block in blocks(requests, self._size)]
        return pl.concat(parts) if parts else self._rank_block(requests, depth)

    def score(self, requests: pl.DataFrame) -> pl.DataFrame:
        """Return ``request_id, item_id, score`` of the items that each request names in ``candidates``."""
        parts = [self._score_block(block) for block in blocks(requests, self._size)]
        return pl.concat(parts) if parts else self._score_block(requests)

    def _rank_block(self, requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        score = torch.from_numpy(self._baseline.scores(requests))  # (B, N)
        self._mask(score, requests)
        best = select(score, self._tie, depth)  # (B, k)
        value = score.gather(1, best)  # (B, k)
        request, place = (found.numpy() for found in torch.where(value > -torch.inf))  # masked items come last
        return pl.DataFrame(
            {
                Col.REQUEST: requests[Col.REQUEST].gather(request),
                Col.RANK: place + 1,
                Col.ITEM: self._item_ids.gather(best.numpy()[request, place]),
                Col.SCORE: value.numpy()[request, place],
            }
        )

    def _score_block(self, requests: pl.DataFrame) -> pl.DataFrame:
        score = self._baseline.scores(requests.select(Col.REQUEST, *CONTEXT))  # (B, N)
        pairs = requests.select(Col.REQUEST, Col.CANDIDATES).with_row_index("row").explode(Col.CANDIDATES)
        item = self._items.rows(pairs[Col.CANDIDATES])
        values = score[pairs["row"].to_numpy(), item]
        return pairs.select(Col.REQUEST, pl.col(Col.CANDIDATES).alias(Col.ITEM), pl.Series(Col.SCORE, values))

    def _mask(self, score: Tensor, requests: pl.DataFrame) -> None:
        """Set what may not be served to -inf, in place."""
        user = self._users.rows(requests[Col.USER])  # (B,)
        personal = requests[Col.TASK].is_in(list(self._exclude_seen)).to_numpy() & (user >= 0)
        request = np.flatnonzero(personal)
        seen = self._seen[user[request]].tocoo()
        score[torch.from_numpy(request[seen.row]), torch.from_numpy(seen.col.astype(np.int64))] = -torch.inf

        source = self._items.rows(requests[Col.SOURCE_ITEM])  # (B,)
        given = np.flatnonzero(source >= 0)
        score[torch.from_numpy(given), torch.from_numpy(source[given])] = -torch.inf

        for country in distinct_ids(requests, Col.COUNTRY):
            barred = torch.from_numpy(self._barred_in(country))
            for row in np.flatnonzero((requests[Col.COUNTRY] == country).fill_null(False).to_numpy()):
                score[row, barred] = -torch.inf

    def _barred_in(self, country: str) -> NDArray[np.int64]:
        """Return the items that may not be shown in a stated country."""
        if country not in self._barred:
            allowed = self._countries.list.contains(country).fill_null(True)
            self._barred[country] = np.flatnonzero(~allowed.to_numpy())
        return self._barred[country]


class RankerByTask:
    """Serves each task by the ranker that is tuned for it."""

    def __init__(self, rankers: Mapping[str, BaselineRanker]) -> None:
        """Serve requests of the tasks that ``rankers`` names."""
        self._rankers = dict(rankers)

    def rank(self, requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        """Return what ``BaselineRanker.rank`` does."""
        return pl.concat([ranker.rank(rows, depth) for ranker, rows in self._parts(requests)])

    def score(self, requests: pl.DataFrame) -> pl.DataFrame:
        """Return what ``BaselineRanker.score`` does."""
        return pl.concat([ranker.score(rows) for ranker, rows in self._parts(requests)])

    def _parts(self, requests: pl.DataFrame) -> Iterator[tuple[BaselineRanker, pl.DataFrame]]:
        """Yield each ranker with its requests in their order; rankers without a request too, for their columns."""
        tasks: dict[BaselineRanker, list[str]] = {}
        for task, ranker in self._rankers.items():
            tasks.setdefault(ranker, []).append(task)
        for ranker, names in tasks.items():
            yield ranker, requests.filter(pl.col(Col.TASK).is_in(names))


def select(score: Tensor, tie: Tensor, k: int) -> Tensor:
    """Return the positions (B, k') of the k' = min(k, N) best of ``score`` (B, N) in served order.

    The same as ``serving.order.top_k`` and many times faster where few scores are equal to the k-th: all of those are
    among the k + ``_SPARE`` largest, and only these are put in order.
    """
    width = min(k + _SPARE, score.shape[1])
    value, near = score.topk(width, dim=1)  # (B, width)
    chosen = near.gather(1, top_k(value, tie[near], k))  # (B, k')
    last = value[:, chosen.shape[1] - 1]  # (B,)
    doubtful = (value[:, -1] == last) & (last > -torch.inf) if width < score.shape[1] else torch.zeros_like(last) > 0
    if doubtful.any():
        chosen[doubtful] = top_k(score[doubtful], tie, k)
    return chosen
