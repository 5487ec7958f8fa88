"""How well the judged ranker does on parts of the targets, beside the best baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.pages.chart import legend
from training.evaluation.pages.markup import Html, element, folded, joined, table
from training.evaluation.pages.reading import ORACLE, Reading
from training.evaluation.pages.rows import Mark, Row, dots
from training.evaluation.pages.wording import count, figure, metric_name, told


def slices(reading: Reading, task: str) -> Html:
    """Return the slices as dots with their table folded away; those of countries, which are many, all folded away."""
    names = list(reading.node(task, reading.first).get("slices", {}))
    countries = [name for name in names if name.startswith("country:")]
    others = [name for name in names if name not in countries]
    parts = []
    if others:
        parts += [element("h3", f"Slices, {metric_name(reading.metric)}"), _chart(reading, task, others, "slices")]
        parts.append(folded(f"Slices of {task} as a table", _table(reading, task, others)))
    if countries:
        chart, figures = _chart(reading, task, countries, "slices by country"), _table(reading, task, countries)
        parts.append(folded(f"Slices of {task} by country ({len(countries)})", chart, figures))
    return joined(parts)


def _beside(reading: Reading, task: str) -> list[str]:
    """Return the best baseline of the whole task, if there is one, and the judged ranker."""
    best = reading.best_baseline(task)
    return [reading.first] if best is None else [best, reading.first]


def _chart(reading: Reading, task: str, names: list[str], what: str) -> Html:
    drawn = _beside(reading, task)
    rows = []
    for name in names:
        entries = {ranker: _slice(reading, task, ranker, name).get("metrics", {}) for ranker in drawn}
        found = {ranker: entry[reading.metric] for ranker, entry in entries.items() if reading.metric in entry}
        marks = [Mark(reading.kind(ranker), entry, f"{ranker} {told(entry)}") for ranker, entry in found.items()]
        if marks:
            rows.append(Row(_title(name), _count(reading, task, name), marks))
    if not rows:
        return Html()
    label = f"{metric_name(reading.metric)} of {what} of {task}"
    return joined([legend((f"{reading.kind(ranker)} dot", ranker) for ranker in drawn), dots(label, rows)])


def _table(reading: Reading, task: str, names: list[str]) -> Html:
    shown = [*_beside(reading, task), *([ORACLE] if ORACLE in reading.rankers(task) else [])]
    rows = [
        [
            joined([_title(name), element("small", _count(reading, task, name))]),
            *(figure(_slice(reading, task, ranker, name).get("metrics", {}).get(reading.metric)) for ranker in shown),
        ]
        for name in names
    ]
    return table(["targets", *shown], rows)


def _slice(reading: Reading, task: str, ranker: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = reading.node(task, ranker).get("slices", {}).get(name, {})
    return found


def _title(name: str) -> str:
    kind, _, value = name.partition(":")
    return f"{kind} {value.removesuffix('_id').replace('_', ' ') if kind == 'missing' else value}"


def _count(reading: Reading, task: str, name: str) -> str:
    return count(_slice(reading, task, reading.first, name)["requests"])
