"""An evaluation as the page reads it: what may be absent is asked for here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from training.evaluation.report import Entry

ORACLE: Final = "oracle (truth)"
"""The name of the oracle on the page."""
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Reading:
    """An evaluation as ``judge`` returns it. The first ranker is the one that is judged; the others are baselines."""

    evaluation: Mapping[str, Any]

    @cached_property
    def first(self) -> str:
        """The ranker that is judged."""
        return str(next(iter(self.evaluation["rankers"])))

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks of the judged ranker."""
        return list(self.evaluation["rankers"][self.first]["tasks"])

    @cached_property
    def metric(self) -> str:
        """The metric that is drawn: NDCG at 10, or at the judged cut-off that is nearest to it."""
        return self.nearest("ndcg", 10)

    def nearest(self, kind: str, wanted: int) -> str:
        """Return the name of a metric at the judged cut-off that is nearest to ``wanted``; of two, the smaller."""
        cutoff = min(self.evaluation["protocol"]["k"], key=lambda k: (abs(k - wanted), k))
        return f"{kind}_at_{cutoff}"

    def node(self, task: str, name: str) -> Mapping[str, Any]:
        """Return what is said of a ranker, or of the oracle, in a task; empty where nothing is."""
        if name == ORACLE:
            rankers: Mapping[str, Any] = {ORACLE: self.evaluation.get("oracle", _NOTHING)}
        else:
            rankers = self.evaluation["rankers"]
        node: Mapping[str, Any] = rankers[name].get("tasks", _NOTHING).get(task, _NOTHING)
        return node

    def entry(self, task: str, name: str, metric: str) -> Entry | None:
        """Return a figure of a task; None where it is undefined."""
        found: Entry | None = self.node(task, name).get("metrics", _NOTHING).get(metric)
        return found

    def is_judged(self, task: str) -> bool:
        """Whether the judged ranker has the metric that is drawn, as it has where a request has a target."""
        return self.entry(task, self.first, self.metric) is not None

    def rankers(self, task: str) -> list[str]:
        """Return who has the metric that is drawn: the baselines, the judged ranker, then the oracle."""
        names = [*self.evaluation["rankers"]]
        everybody = [*names[1:], names[0], ORACLE]
        return [name for name in everybody if self.entry(task, name, self.metric) is not None]

    def baselines(self, task: str) -> list[str]:
        """Return the baselines that have the metric that is drawn."""
        return [name for name in self.rankers(task) if self.kind(name) == "baseline"]

    def kind(self, name: str) -> str:
        """Return ``baseline``, ``ours`` or ``oracle``: how a ranker is drawn."""
        return "ours" if name == self.first else "oracle" if name == ORACLE else "baseline"

    def best_baseline(self, task: str) -> str | None:
        """Return the baseline with the largest mean of the drawn metric; of equals, the first; None without any."""
        found = {name: self.entry(task, name, self.metric) for name in self.baselines(task)}
        means = {name: entry["value"] for name, entry in found.items() if entry is not None}
        return max(means, key=means.__getitem__, default=None)

    def comparisons(self, task: str) -> list[Mapping[str, Any]]:
        """Return the paired differences of a task between the judged ranker and others."""
        rows = self.evaluation.get("comparisons", [])
        return [row for row in rows if row["task"] == task and row["a"] == self.first]

    def comparison(self, task: str, metric: str, name: str) -> Mapping[str, Any] | None:
        """Return the paired difference between the judged ranker and ``name``; None where it was not made."""
        rows = self.comparisons(task)
        return next((row for row in rows if (row["metric"], row["b"]) == (metric, name)), None)

    def covered(self, task: str) -> Mapping[str, Any] | None:
        """Return the share of the way to the oracle in the drawn metric; None without an oracle or a baseline."""
        shares = self.evaluation.get("oracle", _NOTHING).get("covered", _NOTHING).get(task, _NOTHING)
        found: Mapping[str, Any] | None = shares.get(self.metric)
        return found
