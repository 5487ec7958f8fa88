"""One task under judgement: the figures of all rankers, on the whole and in slices, from the same resamples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation import comparisons
from training.evaluation.comparisons import Difference
from training.evaluation.covered import covered, covered_entries
from training.evaluation.curve import curve
from training.evaluation.exposure import exposure_names, exposure_sample, spread
from training.evaluation.intervals import Estimate, bootstrap, mean_by_cluster
from training.evaluation.judged import Judged
from training.evaluation.metrics import RequestMetrics, ranking_metrics
from training.evaluation.protocol import Protocol
from training.evaluation.report import entries, generator
from training.evaluation.served import Outcome
from training.evaluation.slices import Masks

_WHOLE = ""
"""The group of all targets, among those of the slices."""
_ORACLE = ""
"""The name of the oracle, which no ranker has, among those of the rankers."""


class TaskReport(NamedTuple):
    """What the evaluation file says of one task."""

    nodes: dict[str, dict[str, Any]]
    """By ranker."""
    differences: list[Difference]
    """Between the first ranker and each other."""
    oracle: dict[str, Any]
    """Of the same shape as a ranker's; empty without an oracle."""
    covered: dict[str, dict[str, Any]]
    """By metric, the share of the distance from the best baseline to the oracle that the first ranker covers."""


def judge_task(
    task: str,
    outcomes: dict[str, Outcome],
    judged: Judged,
    masks: Masks,
    protocol: Protocol,
    oracle: Outcome | None = None,
) -> TaskReport:
    """Return the figures of one task from the ``outcomes`` of the rankers, by name, and of the ``oracle`` beside them.

    The draws do not depend on the oracle, so that all other figures are the same without it.
    """
    groups = _groups(task, judged, masks)
    everyone = outcomes if oracle is None else {**outcomes, _ORACLE: oracle}
    tables = {
        name: {group: _metrics(judged, outcome, rows, protocol) for group, rows in groups.items()}
        for name, outcome in everyone.items()
    }
    first, *others = outcomes
    whole = tables[first][_WHOLE].request  # the requests that have a target, the same for all rankers
    clusters, cluster_of = np.unique(judged.requests["cluster"].to_numpy()[whole], return_inverse=True)
    cluster = np.zeros(len(judged.requests), dtype=np.int64)
    cluster[whole] = cluster_of

    samples = [
        mean_by_cluster(cluster[part.request], part.values) for table in tables.values() for part in table.values()
    ]
    samples += [exposure_sample(outcome.exposure, whole, cluster_of) for outcome in everyone.values()]
    pairs = [comparisons.paired(tables[first][_WHOLE], tables[name][_WHOLE], cluster_of) for name in others]
    ways = []
    if oracle is not None and others and len(whole):
        baselines = {name: tables[name][_WHOLE] for name in others}
        ways.append(covered(tables[first][_WHOLE], baselines, tables[_ORACLE][_WHOLE], cluster_of))
    random = generator(protocol.seed, task)
    everything = [*samples, *pairs, *(way.sample for way in ways)]
    found = iter(bootstrap(everything, len(clusters), protocol.resamples, random))

    estimates = {name: {group: next(found) for group in table} for name, table in tables.items()}
    nodes = {}
    for name, table in tables.items():
        nodes[name] = _node(task, groups, table, estimates[name], next(found), everyone[name], judged, protocol)
    metrics = comparisons.compared(tables[first][_WHOLE].names) if len(whole) else []
    differences = [
        Difference(task, metric, first, name, estimate, p)
        for name, pair in zip(others, pairs, strict=True)
        for metric, estimate, p in zip(
            metrics, next(found), comparisons.sign_flips(pair, protocol.resamples, random), strict=False
        )
    ]
    beside = nodes.pop(_ORACLE, {})
    shares = [covered_entries(way, next(found)) for way in ways]
    return TaskReport(nodes, differences, beside, shares[0] if shares else {})


def _groups(task: str, judged: Judged, masks: Masks) -> dict[str, NDArray[np.int64]]:
    """Return the rows of the task's targets, and those of each slice that has any."""
    of_task = (judged.targets[Col.TASK] == task).to_numpy()
    slices = {name: np.flatnonzero(of_task & mask) for name, mask in masks.items()}
    return {_WHOLE: np.flatnonzero(of_task), **{name: rows for name, rows in slices.items() if len(rows)}}


def _metrics(judged: Judged, outcome: Outcome, rows: NDArray[np.int64], protocol: Protocol) -> RequestMetrics:
    return ranking_metrics(*_targets(judged, outcome, rows), protocol.k)


def _targets(
    judged: Judged, outcome: Outcome, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return request, label and served rank of the targets ``rows``."""
    request = judged.targets["request"].to_numpy().astype(np.int64)
    return request[rows], judged.targets[Col.LABEL].to_numpy()[rows], outcome.target_rank[rows]


def _node(
    task: str,
    groups: dict[str, NDArray[np.int64]],
    table: dict[str, RequestMetrics],
    estimates: dict[str, list[Estimate]],
    exposed: list[Estimate],
    outcome: Outcome,
    judged: Judged,
    protocol: Protocol,
) -> dict[str, Any]:
    """Return what the evaluation file says of one ranker and task."""
    scored = table[_WHOLE].request
    requests = int((judged.requests[Col.TASK] == task).sum())
    metrics = {group: entries(part.names, estimates[group]) for group, part in table.items()}
    shown = spread(outcome.exposure.shown[task], protocol.k) | entries(exposure_names(protocol.k), exposed)
    return {
        "requests": len(scored),
        "requests_without_target": requests - len(scored),
        "targets": len(groups[_WHOLE]),
        "ties": float(outcome.tied[scored].mean()) if len(scored) else 0.0,
        "metrics": {**metrics[_WHOLE], **shown},
        "curve": curve(*_targets(judged, outcome, groups[_WHOLE]), protocol.depth),
        "impressions": {"rows": 0, "metrics": {}},
        "slices": {
            group: {
                "requests": len(part.request),
                "targets": len(groups[group]),
                "metrics": metrics[group],
            }
            for group, part in table.items()
            if group != _WHOLE
        },
    }
