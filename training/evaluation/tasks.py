"""One task under judgement: the figures of all rankers, on the whole and in slices, from the same resamples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation import comparisons
from training.evaluation.comparisons import Difference
from training.evaluation.covered import covered, covered_entries
from training.evaluation.exposure import exposure_sample
from training.evaluation.intervals import bootstrap, mean_by_cluster
from training.evaluation.judged import Judged
from training.evaluation.node import WHOLE, Table, node
from training.evaluation.protocol import Protocol
from training.evaluation.report import generator
from training.evaluation.served import Outcome
from training.evaluation.slices import Masks

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
    outcomes: dict[str, tuple[Outcome, ...]],
    judged: Judged,
    masks: Masks,
    protocol: Protocol,
    oracle: Outcome | None = None,
) -> TaskReport:
    """Return the figures of one task from the ``outcomes`` of the rankers, by name, and of the ``oracle`` beside them.

    A ranker that was trained with several seeds has an outcome of each, and the figures of a request are their means.
    The draws do not depend on the oracle, so that all other figures are the same without it.
    """
    groups = _groups(task, judged, masks)
    everyone = outcomes if oracle is None else {**outcomes, _ORACLE: (oracle,)}
    tables = {name: Table.build(task, groups, found, judged, protocol) for name, found in everyone.items()}
    first, *others = outcomes
    whole = tables[first].metrics[WHOLE].request  # the requests that have a target, the same for all rankers
    clusters, cluster_of = np.unique(judged.requests["cluster"].to_numpy()[whole], return_inverse=True)
    cluster = np.zeros(len(judged.requests), dtype=np.int64)
    cluster[whole] = cluster_of

    overall = {name: table.metrics[WHOLE] for name, table in tables.items()}
    samples = [
        mean_by_cluster(cluster[part.request], part.values)
        for table in tables.values()
        for part in table.metrics.values()
    ]
    samples += [exposure_sample(table.exposed, whole, cluster_of) for table in tables.values()]
    metrics = protocol.compared(overall[first].names) if len(whole) else []
    pairs = [comparisons.paired(overall[first], overall[name], metrics, cluster_of) for name in others]
    ways = []
    if oracle is not None and others and len(whole):
        baselines = {name: overall[name] for name in others}
        ways.append(covered(overall[first], baselines, overall[_ORACLE], cluster_of))
    random = generator(protocol.seed, task)
    everything = [*samples, *pairs, *(way.sample for way in ways)]
    found = iter(bootstrap(everything, len(clusters), protocol.resamples, random))

    estimates = {name: {group: next(found) for group in table.metrics} for name, table in tables.items()}
    requests = int((judged.requests[Col.TASK] == task).sum())
    nodes = {name: node(table, estimates[name], next(found), requests, protocol) for name, table in tables.items()}
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
    return {WHOLE: np.flatnonzero(of_task), **{name: rows for name, rows in slices.items() if len(rows)}}
