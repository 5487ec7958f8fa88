"""The tuned weights and their sweep, as tables and as a plot."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from training.evaluation.intervals import Estimate
from training.quality.sample import DEPTH, TOP
from training.quality.study import Verdict
from training.quality.sweep import Point

Sweeps = Mapping[str, Sequence[Point]]


def print_study(
    verdicts: Sequence[Verdict], together: Estimate, sweeps: Sweeps, components: Sequence[str], console: Console
) -> None:
    """Print the weights, what all tasks gain together, a line for each task whose w stays 0, and the sweeps."""
    console.print(summary(verdicts))
    if not np.isnan(together.value):
        console.print(f"all tasks together: engagement gained {_with_interval(together)}", highlight=False)
    for verdict in verdicts:
        if verdict.reason:
            console.print(f"{verdict.task}: w stays 0: {verdict.reason}.", soft_wrap=True, highlight=False)
    console.print(weights(verdicts, components))
    for task, points in sweeps.items():
        console.print(sweep_table(task, points))


def summary(verdicts: Sequence[Verdict]) -> Table:
    """Return a row for each task: what the chosen w gains, and what it does to recall, where it was not chosen."""
    table = _table("Where it was not chosen", "task", ("requests", "engagement gained", f"recall_at_{DEPTH}"))
    for verdict in verdicts:
        gain = recall = "–"
        if verdict.trials:
            gain = _with_interval(verdict.lead)
            recall = f"{verdict.recall[0]:.4f} → {verdict.recall[1]:.4f}"
        table.add_row(verdict.task, f"{sum(verdict.requests):,}", gain, recall)
    return table


def weights(verdicts: Sequence[Verdict], components: Sequence[str]) -> Table:
    """Return a row for each task: the weights that it is served with."""
    table = _table("Quality weights", "task", components)
    for verdict in verdicts:
        table.add_row(verdict.task, *(f"{weight:.3f}" for weight in verdict.weight))
    return table


def _table(title: str, first: str, others: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold")  # two names that begin alike are told apart by their ends
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _with_interval(found: Estimate) -> str:
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def sweep_table(task: str, points: Sequence[Point]) -> Table:
    """Return a row for each point of a task: recall, and the mean of each component in the top 10."""
    title = f"{task}: each weight from 0 upward, the others as tuned; mean quality of the top {TOP}"
    table = _table(title, "swept", ("weight", f"recall_at_{DEPTH}", *points[0].quality))
    before = ""
    for point in points:
        if point.component != before:
            table.add_section()
        before = point.component
        weight = f"{point.weight:.3f}" if point.component else "–"
        means = [f"{mean:+.3f}" for mean in point.quality.values()]
        table.add_row(point.component or "as tuned", weight, f"{point.recall:.4f}", *means)
    return table


def plot(sweeps: Sweeps) -> bytes:
    """Return a PNG: a row for each task, recall on the left, and on the right the mean of the component swept."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3 * len(sweeps)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(sweeps), 2, squeeze=False)
    for (left, right), (task, points) in zip(axes, sweeps.items(), strict=True):
        for name in dict.fromkeys(point.component for point in points if point.component):
            swept = [point for point in points if point.component == name]
            weight = [point.weight for point in swept]
            left.plot(weight, [point.recall for point in swept], marker=".", label=name)
            right.plot(weight, [point.quality[name] for point in swept], marker=".", label=name)
        left.set(title=task, xlabel="weight", ylabel=f"recall_at_{DEPTH}")
        right.set(title=task, xlabel="weight", ylabel=f"its mean in the top {TOP}")
        right.legend(fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100, metadata={"Software": None})
    return out.getvalue()


def trial_metrics(verdict: Verdict, components: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return the name, step and value of what MLflow is told of each trial of a task; the halves follow each other."""
    found = []
    for step, trial in enumerate(trial for half in verdict.trials for trial in half):
        found += [(f"{verdict.task}/engagement", step, trial.engagement)]
        found += [(f"{verdict.task}/recall_at_{DEPTH}", step, trial.recall)]
        named = zip(components, trial.weight.tolist(), strict=True)
        found += [(f"{verdict.task}/weight/{name}", step, weight) for name, weight in named]
    return [entry for entry in found if np.isfinite(entry[2])]
