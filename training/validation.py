"""Validation while training: the served path on a sample of the valid requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.store import Features
from serving.engine import Engine, Listed, Requests
from training.evaluation.judged import NUMBER, Judged
from training.evaluation.metrics import ranking_metrics

DEPTH = 20
"""Validation reads the best so many items of a request."""


@dataclass(frozen=True)
class Validation:
    """Requests of the valid split with their targets.

    Attributes:
        requests: as rows of the fitted vocabularies, distinct contexts.
        exclude_seen: (T,) tasks in which seen items are left out.
        weight: (C,) requests that share the context.
        key: (K,) ascending ``context * (N + 1) + item row`` of the targets.
        label: (K,) their labels.
        tasks: names of the tasks.
        items: item rows with padding.
        request_of: (K,) request number of each target entry.
    """

    requests: Requests
    exclude_seen: NDArray[np.bool_]
    context: NDArray[np.int64]
    request: NDArray[np.int64]
    item: NDArray[np.int64]
    label: NDArray[np.float64]
    request_task: NDArray[np.int64]
    tasks: tuple[str, ...]

    @classmethod
    def build(
        cls, features: Features, judged: Judged, exclude_seen: NDArray[np.bool_], per_task: int, seed: int
    ) -> Validation:
        """Sample at most ``per_task`` requests of each task that have a target, by ``seed``."""
        with_target = judged.targets.select("request").unique()
        requests = judged.requests.join(with_target, on="request", how="semi", maintain_order="left")
        order = np.random.default_rng(seed).permutation(requests.height)
        requests = requests.with_columns(order=pl.Series(order)).filter(
            pl.col("order").rank("ordinal").over("task") <= per_task
        )
        contexts = judged.contexts.join(requests, on="context", how="semi", maintain_order="left")
        place = contexts.select("context").with_row_index("at")
        rows = (
            judged.targets.join(requests.select("request"), on="request", how="semi", maintain_order="left")
            .join(place, on="context", how="left", validate="m:1", maintain_order="left")
            .join(
                judged.items.select("item_id").with_row_index(NUMBER),
                on=NUMBER,
                how="left",
                validate="m:1",
                maintain_order="left",
            )
        )
        tasks = requests.sort("request").select(pl.col("task").cast(pl.Enum(features.tasks)).to_physical())
        numbers = requests.sort("request").get_column("request").to_numpy()
        return cls(
            requests=Requests(*features.read_requests(contexts)),
            exclude_seen=exclude_seen,
            context=rows.get_column("at").cast(pl.Int64).to_numpy(),
            request=np.searchsorted(numbers, rows.get_column("request").to_numpy()),
            item=features.catalogue.ids.rows(rows.get_column("item_id")),
            label=rows.get_column("label").to_numpy(),
            request_task=tasks.to_series().cast(pl.Int64).to_numpy(),
            tasks=features.tasks,
        )

    def __len__(self) -> int:
        """Return the number of distinct contexts."""
        return len(self.requests.rows.task)

    def blocks(self, size: int) -> list[slice]:
        """Return the contexts in blocks of ``size``."""
        return [slice(start, min(start + size, len(self))) for start in range(0, len(self), size)]

    def retrieved(self, engine: Engine, block: slice) -> NDArray[np.int64]:
        """Return the best item rows (b, DEPTH) of a block by the space alone."""
        return engine.retrieve(self.requests.take(block), self.exclude_seen, DEPTH)[0]

    def listed(self, engine: Engine, block: slice) -> Listed:
        """Return a block with its candidates; while the space stands still, they stay the same."""
        return engine.list_candidates(self.requests.take(block), self.exclude_seen, DEPTH)

    def metrics(self, answers: NDArray[np.int64]) -> dict[str, float]:
        """Return NDCG and recall at 20 of each task, and their means over tasks, of ``answers`` (C, DEPTH)."""
        hit = answers[self.context] == self.item[:, None]  # (K, DEPTH)
        rank = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0)
        found = ranking_metrics(self.request, self.label, rank, (DEPTH,))
        values: dict[str, float] = {}
        for name in (f"ndcg_at_{DEPTH}", f"recall_at_{DEPTH}"):
            column = found.values[:, found.names.index(name)]
            by_task = {
                self.tasks[task]: float(column[self.request_task[found.request] == task].mean())
                for task in np.unique(self.request_task[found.request])
            }
            values |= {f"valid_{name}/{task}": value for task, value in by_task.items()}
            values[f"valid_{name}"] = float(np.mean(list(by_task.values())))
        return values
