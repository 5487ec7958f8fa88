"""The study of one task: w is chosen on each half of valid, and kept if the half that did not choose it confirms it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Estimate, bootstrap, sum_by_cluster
from training.quality.sample import DEPTH, Found, Sample

LOSS: Final = 0.01
"""Share of the recall of w = 0 that may be lost where w was not chosen."""
MARGIN: Final = 0.5
"""Part of that loss that a trial may take: what is chosen at the edge would fall over it elsewhere."""
ALONE: Final = 0.1
"""Weight at which each component is tried alone at first, as a share of the largest."""
RESAMPLES: Final = 2_000
"""Bootstrap resamples of the confirmation."""


@dataclass(frozen=True)
class Trial:
    """One w, and what it finds on the half that it is tried on."""

    weight: NDArray[np.float64]  # (Q,)
    engagement: float
    """Found engagement as a share of the ideal."""
    recall: float
    """recall_at_100, the mean over requests."""


@dataclass(frozen=True)
class Verdict:
    """What came of a task.

    Attributes:
        task: its name.
        requests: requests of the two halves.
        bound: the largest weight of a component that is tried, the mean of the halves.
        trials: of each half in their order, w = 0 first.
        chosen: (Q,) the mean of the best weights of the two halves.
        lead: what the weights of each half gain in engagement on the other, as a share of the ideal, with its interval;
            see ``lead_of``.
        recall: recall_at_100 without them and with them, each on the half that did not choose them.
        ahead: (R,) what they gain in engagement, by request, on the half that did not choose them.
        ideal: (R,) the engagement that could be found.
        cluster: (R,) what a request is resampled with, the same number for a user in all tasks.
        reason: why w stays 0; empty where it does not.
    """

    task: str
    requests: tuple[int, int]
    bound: float
    trials: tuple[tuple[Trial, ...], ...]
    chosen: NDArray[np.float64]
    lead: Estimate
    recall: tuple[float, float]
    ahead: NDArray[np.float64]
    ideal: NDArray[np.float64]
    cluster: NDArray[np.int64]
    reason: str = ""

    @property
    def weight(self) -> NDArray[np.float64]:
        """The weights (Q,) that the task is served with."""
        return np.zeros_like(self.chosen) if self.reason else self.chosen

    def as_json(self, components: Sequence[str]) -> dict[str, Any]:
        """Return the verdict as the file of the weights tells it, its trials left to MLflow; null = there is none."""
        before, after = (None if np.isnan(recall) else recall for recall in self.recall)
        return {
            "requests": list(self.requests),
            "bound": self.bound,
            "chosen": dict(zip(components, self.chosen.tolist(), strict=True)),
            "lead": estimate_json(self.lead),
            "recall": {"before": before, "after": after},
            "why_zero": self.reason or None,
        }


def estimate_json(found: Estimate) -> dict[str, float | None]:
    """Return a figure with its interval as files tell it; null = it is not defined."""
    return {name: None if np.isnan(value) else value for name, value in found._asdict().items()}


def _untuned(task: str, requests: tuple[int, int], components: int) -> Verdict:
    """Return the verdict on a task with a half that nothing can be chosen by."""
    reason = f"{requests[0]:,} and {requests[1]:,} requests are too few to choose by and to confirm it"
    undefined, none = Estimate(np.nan, np.nan, np.nan), np.zeros(0)
    return Verdict(
        *(task, requests, 0.0, (), np.zeros(components), undefined, (np.nan, np.nan)),
        *(none, none, none.astype(np.int64), reason),
    )


def tune_task(
    task: str,
    one: Sample,
    other: Sample,
    components: Sequence[str],
    trials: int,
    seed: int,
    tell: Callable[[], None] = lambda: None,
) -> Verdict:
    """Choose w on each half and judge it on the other, so that no request judges weights that it has chosen.

    A trial maximises found engagement and must keep the recall of w = 0, the first trial, but for ``MARGIN`` of
    ``LOSS``. Weights lie in [0, bound]: larger quality is better, and at the bound the best quality lifts a median item
    from the last place that is looked at to the first. A trial draws their square roots, so that small weights are
    searched finely.

    Args:
        task: its name, for the verdict.
        one: half of its requests.
        other: the other half; no cluster is in both.
        components: names (Q,) of the quality components.
        trials: to run on each half.
        seed: of the sampler and the resamples.
        tell: called after each trial.
    """
    halves = (one, other)
    counts = (len(one.cluster), len(other.cluster))
    if not (one.ideal().any() and other.ideal().any()):
        return _untuned(task, counts, len(components))
    bounds = [half.spread() for half in halves]
    tried = [_search(half, components, bound, trials, seed, tell) for half, bound in zip(halves, bounds, strict=True)]
    best = [_best(of_half) for of_half in tried]
    base = [half.found(np.zeros(len(components))) for half in halves]
    found = [half.found(trial.weight) for half, trial in zip(halves, reversed(best), strict=True)]
    ahead = np.concatenate([with_w.engagement - plain.engagement for with_w, plain in zip(found, base, strict=True)])
    made = Verdict(
        task=task,
        requests=counts,
        bound=float(np.mean(bounds)),
        trials=tuple(map(tuple, tried)),
        chosen=np.mean([trial.weight for trial in best], axis=0),
        lead=Estimate(np.nan, np.nan, np.nan),
        recall=(_recall(base), _recall(found)),
        ahead=ahead,
        ideal=np.concatenate([half.ideal() for half in halves]),
        cluster=np.concatenate([half.cluster for half in halves]),
    )
    return replace(made, lead=lead_of([made], seed))


def decide(verdicts: Sequence[Verdict], seed: int) -> tuple[list[Verdict], Estimate]:
    """Return the verdicts with the reasons why w stays 0, and the lead of all tasks together.

    A task keeps its w where its lead is above 0 for sure and it loses no more than ``LOSS`` of the recall. The lead of
    all tasks is there to read: it may be sure where each task has too few requests. It decides nothing, as a task with
    few requests chooses weights that fit these and no others.
    """
    tuned = [verdict for verdict in verdicts if verdict.trials]
    together = lead_of(tuned, seed) if tuned else Estimate(np.nan, np.nan, np.nan)
    return [replace(verdict, reason=verdict.reason or _reason(verdict)) for verdict in verdicts], together


def _search(
    half: Sample, components: Sequence[str], bound: float, trials: int, seed: int, tell: Callable[[], None]
) -> list[Trial]:
    """Return the trials of a study on one half, w = 0 first."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    useful = half.useful()
    ideal = half.ideal().sum()
    tried: list[Trial] = []

    def attempt(trial: optuna.Trial) -> float:
        weight = np.zeros(len(components))
        weight[useful] = [bound * trial.suggest_float(components[at], 0.0, 1.0) ** 2 for at in useful]
        found = half.found(weight)
        tried.append(Trial(weight, float(found.engagement.sum() / ideal), float(found.recall.mean())))
        trial.set_constraint("recall", _least(tried) - tried[-1].recall)
        tell()
        return tried[-1].engagement

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    for alone in (None, *useful):
        study.enqueue_trial({components[at]: ALONE**0.5 if at == alone else 0.0 for at in useful})
    study.optimize(attempt, n_trials=trials)
    return tried


def _least(tried: Sequence[Trial]) -> float:
    """Return the recall that a trial must keep."""
    return (1 - MARGIN * LOSS) * tried[0].recall


def _best(tried: Sequence[Trial]) -> Trial:
    """Return the trial that finds most engagement among those that keep the recall; the earliest of equal ones."""
    return max((trial for trial in tried if trial.recall >= _least(tried)), key=lambda trial: trial.engagement)


def lead_of(verdicts: Sequence[Verdict], seed: int) -> Estimate:
    """Return the lead in engagement as a share of the ideal, the mean over tasks, from a paired bootstrap."""
    tasks = len(verdicts)
    cluster = np.unique(np.concatenate([verdict.cluster for verdict in verdicts]), return_inverse=True)[1]
    values = np.zeros((len(cluster), 2 * tasks))  # what each task is ahead, then what it could find
    start = 0
    for at, verdict in enumerate(verdicts):
        rows = slice(start, start := start + len(verdict.cluster))
        values[rows, at], values[rows, tasks + at] = verdict.ahead, verdict.ideal
    sums = sum_by_cluster(cluster, values, _mean_share)
    return bootstrap([sums], len(sums.cluster), RESAMPLES, np.random.default_rng(seed))[0][0]


def _mean_share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (..., 1) over tasks of the first half of the sums (..., 2T) divided by the second."""
    ahead, ideal = np.split(sums, 2, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((ahead / ideal).mean(axis=-1, keepdims=True))


def _recall(found: Sequence[Found]) -> float:
    return float(np.concatenate([part.recall for part in found]).mean())


def _reason(verdict: Verdict) -> str:
    """Return why w stays 0, or nothing."""
    lead, (before, after) = verdict.lead, verdict.recall
    if not verdict.chosen.any():
        return "no trial found more than w = 0"
    if not lead.low > 0:
        gained = f"{lead.value:+.4f} of the engagement, {lead.low:+.4f} to {lead.high:+.4f}"
        return f"its gain is not confirmed where it was not chosen: {gained}"
    if after < (1 - LOSS) * before:
        return f"where it was not chosen it loses recall_at_{DEPTH}: {after:.4f} after {before:.4f}"
    return ""
