"""Requests of valid, encoded once, with what they engaged with, so that a trial of w costs one search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.columns import Col
from serving.engine import Engine, Requests
from training.evaluation.judged import NUMBER, Judged
from training.evaluation.metrics import place_in_group

DEPTH: Final = 100
"""The space is asked for so many items of a request; engagement and recall are read there."""
TOP: Final = 10
"""Items of a request whose mean quality is read."""


class Found(NamedTuple):
    """What the space finds with some w. R = requests, B = their distinct contexts, Q = quality components."""

    engagement: NDArray[np.float64]  # (R,) gain of the targets that were found, discounted by their rank
    recall: NDArray[np.float64]  # (R,) share of the targets among the first DEPTH
    quality: NDArray[np.float64]  # (B, Q) mean quality of the first TOP


@dataclass(frozen=True)
class Sample:
    """Requests of one task that have a target. B = distinct contexts, R = requests, K = targets.

    Attributes:
        engine: what is served; its w is that of the last search.
        task: number of the task.
        vector: by block of contexts (b, V, D), what the space searches with, without w.
        blocked: by block, (b, (N + 8) // 8) uint8, the bits of what may not be shown.
        context: (K,) context of each target, from 0.
        request: (K,) request of each target, from 0.
        item: (K,) item row of each target.
        gain: (K,) what it is worth, see ``gains``.
        cluster: (R,) what a request is resampled with.
    """

    engine: Engine
    task: int
    vector: list[Tensor]
    blocked: list[NDArray[np.uint8]]
    context: NDArray[np.int64]
    request: NDArray[np.int64]
    item: NDArray[np.int64]
    gain: NDArray[np.float64]
    cluster: NDArray[np.int64]

    @classmethod
    def read(
        cls, engine: Engine, judged: Judged, requests: pl.DataFrame, exclude_seen: tuple[str, ...], task: str
    ) -> Sample:
        """Encode ``requests``, rows of ``judged.requests`` of one ``task`` that have a target, with w out of it."""
        contexts = judged.contexts.join(requests, on="context", how="semi", maintain_order="left")
        targets = _targets(judged, requests, contexts)
        known = judged.fitted.filter(pl.col(Col.TASK) == task)[Col.LABEL]
        every, excluded = Requests(*engine.features.read_requests(contexts)), engine.excluded(exclude_seen)
        vector, blocked = [], []
        for start in range(0, contexts.height, engine.block_size):
            part = every.take(slice(start, start + engine.block_size))
            vector.append(engine.encode(engine.contexts(part)[0]).vector)
            blocked.append(np.packbits(engine.blocked(part.rows, excluded), axis=1))
        return cls(
            engine=engine,
            task=engine.features.tasks.index(task),
            vector=vector,
            blocked=blocked,
            context=targets["at"].cast(pl.Int64).to_numpy(),
            request=np.unique(targets["request"].to_numpy(), return_inverse=True)[1],
            item=engine.features.catalogue.ids.rows(targets[Col.ITEM]),
            gain=gains(targets[Col.LABEL].to_numpy(), known.cast(pl.Float64).to_numpy()),
            cluster=requests.sort("request")["cluster"].to_numpy(),
        )

    def quality(self) -> NDArray[np.float32]:
        """Return the quality vectors (N + 1, Q) as they are indexed."""
        return self.engine.side.indexed[:, self.engine.side.vector.shape[1] :].numpy()

    def useful(self) -> list[int]:
        """Return the components that differ between items; the others move nothing, whatever they weigh."""
        return [int(at) for at in np.flatnonzero(np.ptp(self.quality()[1:], axis=0) > 0)]

    def answers(self, weight: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what the space finds with ``weight`` (Q,): item rows (B, DEPTH) in served order, and their scores."""
        space, items = self.engine.model.space, self.engine.features.catalogue.rows
        parts = []
        with torch.inference_mode():
            space.quality_weight[self.task] = torch.from_numpy(weight)
            for vector, bits in zip(self.vector, self.blocked, strict=True):
                searched = space.search_vectors(vector, torch.full((len(vector),), self.task))
                blocked = np.unpackbits(bits, axis=1, count=items).astype(bool)
                parts.append(self.engine.nearest(searched, blocked, DEPTH))
        return np.concatenate([item for item, _ in parts]), np.concatenate([score for _, score in parts])

    def found(self, weight: NDArray[np.float64]) -> Found:
        """Return what comes of ``weight`` (Q,)."""
        answers, _ = self.answers(weight)
        hit = answers[self.context] == self.item[:, None]  # (K, DEPTH)
        rank = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)  # (K,)
        first = answers[:, :TOP]  # (B, TOP)
        count = np.maximum((first > 0).sum(axis=1, keepdims=True), 1)  # (B, 1)
        return Found(
            engagement=self._total(self.gain / np.log2(rank + 1.0)),
            recall=self._total(np.isfinite(rank)) / self._total(np.ones(len(rank))),
            quality=self.quality()[first].sum(axis=1, dtype=np.float64) / count,  # padding has no quality
        )

    def ideal(self) -> NDArray[np.float64]:
        """Return the engagement (R,) that would be found with the targets of each request in the best order."""
        place = place_in_group(self.request, -self.gain)  # (K,)
        return self._total(np.where(place <= DEPTH, self.gain / np.log2(place + 1.0), 0.0))

    def spread(self) -> float:
        """Return how far the scores of what is found lie apart without quality: first less last, the mean over B."""
        _, score = self.answers(np.zeros(self.quality().shape[1]))
        last = np.where(np.isfinite(score), score, np.inf).min(axis=1)
        return float((score[:, 0] - last)[np.isfinite(last)].mean())

    def _total(self, values: NDArray[np.float64] | NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(self.request, weights=values, minlength=len(self.cluster)).astype(np.float64)


def gains(label: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what targets with ``label`` (K,) are worth: how far each is above the lowest level of engagement.

    The lowest level, a click, is what an item looks like it is worth, and clickbait has it; what comes after it says
    whether that was so. Where the engagements ``known`` (E,) have one level alone, every target is worth 1.
    """
    lowest = known.min(initial=np.inf)
    if not (known > lowest).any():
        return np.ones(len(label))
    return np.asarray(np.maximum(label - lowest, 0.0))


def halves(judged: Judged, task: str, most: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the requests of a task that have a target, in two halves; all of a user's, or of a query's, are in one.

    Args:
        judged: the valid split.
        task: its name.
        most: requests at most, in both together; a seeded sample beyond.
        seed: of the sample and of the halves.
    """
    with_target = judged.targets.select("request").unique()
    of_task = judged.requests.filter(pl.col(Col.TASK) == task)
    requests = of_task.join(with_target, on="request", how="semi", maintain_order="left")
    rng = np.random.default_rng(seed)
    requests = requests[np.sort(rng.permutation(requests.height)[:most])]
    clusters, cluster = np.unique(requests["cluster"].to_numpy(), return_inverse=True)
    first = pl.Series(rng.permutation(len(clusters))[cluster] % 2 == 0, dtype=pl.Boolean)
    return requests.filter(first), requests.filter(~first)


def _targets(judged: Judged, requests: pl.DataFrame, contexts: pl.DataFrame) -> pl.DataFrame:
    """Return the targets of ``requests`` with their item ids, and the place ``at`` of their context."""
    place = contexts.select("context").with_row_index("at")
    items = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    targets = judged.targets.join(requests.select("request"), on="request", how="semi", maintain_order="left")
    for table, key in ((place, "context"), (items, NUMBER)):
        targets = targets.join(table, on=key, how="left", validate="m:1", maintain_order="left")
    return targets
