"""Recall over the length of the list."""

from __future__ import annotations

from math import log10

from training.evaluation.pages.chart import axis
from training.evaluation.pages.lines import CEILING, Line, line_kind, lines
from training.evaluation.pages.markup import Html, element, folded, joined, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import NOTHING

_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


def curves(reading: Reading, task: str) -> Html:
    """Return the recall of all rankers over k, and its table folded away."""
    parts = []
    names = [name for name in _names(reading, task) if reading.node(task, name).get("curve", {}).get("k")]
    if names:
        parts += [element("h3", "Recall over k"), _chart(reading, task, names)]
        parts.append(folded(f"Recall over k of {task} as a table", _table(reading, task, names)))
    return joined(parts)


def _names(reading: Reading, task: str) -> list[str]:
    """Return the judged ranker, then the baselines."""
    return [reading.first, *reading.baselines(task)]


def _chart(reading: Reading, task: str, names: list[str]) -> Html:
    order = list(reading.evaluation["rankers"])
    drawn = []
    for name in names:
        curve = reading.node(task, name)["curve"]
        texts = [f"{name}: {value:.3f} within {k}" for k, value in zip(curve["k"], curve["recall"], strict=True)]
        drawn.append(Line(line_kind(order.index(name)), name, curve["k"], curve["recall"], texts))
    longest = max(max(line.x) for line in drawn)
    if ceiling := reading.node(task, reading.first).get("ceiling"):
        value = ceiling["recall"]["value"]
        told = f"among {ceiling['candidates']:,.0f} candidates of the first stage"
        drawn.append(Line(CEILING, told, [1, longest], [value, value], [f"{told}: {value:.3f}"] * 2))
    ticks = [k for k in _TICKS if k <= longest]
    room = 0.03
    layout = {
        "xaxis": axis("k", type="log", tickvals=ticks, ticktext=[str(k) for k in ticks])
        | {"range": [-room, log10(longest) + room]},
        "yaxis": axis("recall", rangemode="tozero", tickformat="~g"),
    }
    return lines(_label(task, drawn), drawn, layout)


def _label(task: str, drawn: list[Line]) -> str:
    ends = ", ".join(f"{line.name} {line.y[-1]:.3f} within {line.x[-1]}" for line in drawn)
    return f"Recall over k of {task}: {ends}"


def _table(reading: Reading, task: str, names: list[str]) -> Html:
    shown = reading.node(task, names[0])["curve"]["k"]
    rows = []
    for name in names:
        curve = reading.node(task, name)["curve"]
        found = dict(zip(curve["k"], curve["recall"], strict=True))
        rows.append([name, *(f"{found[k]:.3f}" if k in found else NOTHING for k in shown)])
    return table(["ranker", *(f"k = {k}" for k in shown)], rows)
