"""What the evaluation file says of one ranker and task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.curve import curve
from training.evaluation.exposure import exposure_names
from training.evaluation.intervals import Estimate
from training.evaluation.judged import Judged
from training.evaluation.metrics import RequestMetrics, ranking_metrics
from training.evaluation.protocol import Protocol
from training.evaluation.report import Entry, entries
from training.evaluation.served import Outcome

WHOLE: Final = ""
"""The group of all targets, among those of the slices."""


class Table(NamedTuple):
    """What one ranker did for a task, the mean over its seeds. R = requests of the split."""

    groups: dict[str, NDArray[np.int64]]
    """Rows of the targets: of all, and of each slice."""
    metrics: dict[str, RequestMetrics]
    """By group."""
    exposed: NDArray[np.float64]
    """(R, K, 2) figures of each request's lists."""
    ties: float
    """Share of the requests with a target whose list holds equal scores."""
    shown: list[dict[str, Entry]]
    """By seed, how the lists spread over the catalogue."""
    curves: list[dict[str, list[Any]]]
    """By seed."""
    by_seed: NDArray[np.float64]
    """(seeds, M) means of the metrics of all targets."""

    @classmethod
    def build(
        cls,
        task: str,
        groups: dict[str, NDArray[np.int64]],
        outcomes: Sequence[Outcome],
        judged: Judged,
        protocol: Protocol,
    ) -> Table:
        """Return the table of the ``outcomes``, one of each seed, over the targets of ``groups``."""
        by_seed = [_metrics(judged, outcome, groups[WHOLE], protocol) for outcome in outcomes]
        whole = by_seed[0]._replace(values=np.mean([part.values for part in by_seed], axis=0))
        slices = {group: rows for group, rows in groups.items() if group != WHOLE}
        scored = whole.request
        return cls(
            groups,
            {WHOLE: whole, **{group: _mean(judged, outcomes, rows, protocol) for group, rows in slices.items()}},
            np.mean([outcome.exposure.per_request for outcome in outcomes], axis=0),
            float(np.mean([outcome.tied[scored] for outcome in outcomes])) if len(scored) else 0.0,
            [outcome.exposure.spread[task] for outcome in outcomes],
            [curve(*_targets(judged, outcome, groups[WHOLE]), protocol.depth) for outcome in outcomes],
            np.stack([part.values.mean(axis=0) if len(scored) else part.values.sum(axis=0) for part in by_seed]),
        )


def node(
    table: Table, estimates: dict[str, list[Estimate]], exposed: list[Estimate], requests: int, protocol: Protocol
) -> dict[str, Any]:
    """Return the node of the file.

    Args:
        table: of the ranker.
        estimates: of the metrics, by group.
        exposed: of the figures of exposure.
        requests: of the task, with and without a target.
        protocol: how it is judged.
    """
    scored = len(table.metrics[WHOLE].request)
    metrics = {group: entries(part.names, estimates[group]) for group, part in table.metrics.items()}
    shown = _mean_entries(table.shown) | entries(exposure_names(protocol.k), exposed)
    several = {"seeds": _seeds(table)} if len(table.by_seed) > 1 and scored else {}
    return {
        "requests": scored,
        "requests_without_target": requests - scored,
        "targets": len(table.groups[WHOLE]),
        "ties": table.ties,
        "metrics": {**metrics[WHOLE], **shown},
        **several,
        "curve": _mean_curve(table.curves),
        "impressions": {"rows": 0, "metrics": {}},
        "slices": {
            group: {
                "requests": len(part.request),
                "targets": len(table.groups[group]),
                "metrics": metrics[group],
            }
            for group, part in table.metrics.items()
            if group != WHOLE
        },
    }


def _targets(
    judged: Judged, outcome: Outcome, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return request, label and served rank of the targets ``rows``."""
    request = judged.targets["request"].to_numpy().astype(np.int64)
    return request[rows], judged.targets[Col.LABEL].to_numpy()[rows], outcome.target_rank[rows]


def _metrics(judged: Judged, outcome: Outcome, rows: NDArray[np.int64], protocol: Protocol) -> RequestMetrics:
    return ranking_metrics(*_targets(judged, outcome, rows), protocol.k)


def _mean(judged: Judged, outcomes: Sequence[Outcome], rows: NDArray[np.int64], protocol: Protocol) -> RequestMetrics:
    tables = [_metrics(judged, outcome, rows, protocol) for outcome in outcomes]
    return tables[0]._replace(values=np.mean([table.values for table in tables], axis=0))


def _mean_entries(parts: list[dict[str, Entry]]) -> dict[str, Entry]:
    return {name: {"value": float(np.mean([part[name]["value"] for part in parts]))} for name in parts[0]}


def _mean_curve(curves: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    means = {name: np.mean([part[name] for part in curves], axis=0).tolist() for name in ("recall", "ndcg")}
    return {"k": curves[0]["k"], **means}


def _seeds(table: Table) -> dict[str, dict[str, Any]]:
    """Return by metric the value of each seed, and their standard deviation (with n - 1)."""
    spread_of = table.by_seed.std(axis=0, ddof=1)
    return {
        name: {"values": values.tolist(), "spread": float(deviation)}
        for name, values, deviation in zip(table.metrics[WHOLE].names, table.by_seed.T, spread_of, strict=True)
    }
