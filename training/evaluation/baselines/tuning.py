"""Chooses a baseline's settings for each task on valid, by what the settings come to when fitted on train alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from features.columns import Col
from training.evaluation.baselines.base import Baseline, Settings, World
from training.evaluation.baselines.driver import BaselineRanker
from training.evaluation.judged import Judged
from training.evaluation.metrics import ranking_metrics
from training.evaluation.protocol import Contender, Protocol
from training.evaluation.report import generator
from training.evaluation.served import serve

CUTOFF = 20
METRIC = f"ndcg_at_{CUTOFF}"
"""What is compared, as the mean of a task's requests."""
SAMPLE = 2_000
"""Requests of a task that a setting is tried on, at most."""


class Tuner:
    """The budget: each setting of a baseline's grid is fitted once, and ranks a seeded sample of each task of valid."""

    def __init__(self, valid: Judged, protocol: Protocol) -> None:
        """Tune on ``valid``, read with what train alone fits, under the rules of ``protocol``."""
        self._world = World.of(valid)
        self._protocol = replace(protocol, k=(CUTOFF,), metrics=None, hidden=0)
        self._sample = replace(valid, targets=_sampled(valid.targets, protocol.seed))

    def choose(self, baseline: type[Baseline]) -> dict[str, Settings]:
        """Return the best setting for each task that has a target; the first of equal ones."""
        choices = baseline.choices(self._world)
        tasks = self._sample.targets[Col.TASK].unique(maintain_order=True).to_list()
        if len(choices) == 1:
            return dict.fromkeys(tasks, choices[0])
        found = [self._figures(baseline(**settings)) for settings in choices]
        return {task: choices[int(np.argmax([figures[task] for figures in found]))] for task in tasks}

    def _figures(self, baseline: Baseline) -> dict[str, float]:
        """Return the mean metric of each task."""
        baseline.fit(self._world)
        ranker = BaselineRanker(baseline, self._world, self._protocol.exclude_seen)
        outcome = serve(Contender(baseline.name, ranker.rank), self._sample, self._protocol, _silent)
        targets = self._sample.targets.with_columns(pl.Series("rank", outcome.target_rank))
        return {str(task): _mean(rows) for (task,), rows in targets.group_by(Col.TASK)}


def _sampled(targets: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the targets of a sample of the requests of each task."""
    parts = []
    for (task,), rows in targets.group_by(Col.TASK, maintain_order=True):
        requests = rows["request"].unique().sort().to_numpy()
        random = generator(seed, f"tuning {task}")
        chosen = random.choice(requests, min(SAMPLE, len(requests)), replace=False)
        parts.append(rows.filter(pl.col("request").is_in(chosen)))
    return pl.concat(parts) if parts else targets


def _mean(targets: pl.DataFrame) -> float:
    request = targets["request"].to_numpy().astype(np.int64)
    metrics = ranking_metrics(request, targets[Col.LABEL].to_numpy(), targets["rank"].to_numpy(), (CUTOFF,))
    return float(metrics.values[:, metrics.names.index(METRIC)].mean())


def _silent(ranker: str, done: int, total: int) -> None:
    """Show no progress."""
