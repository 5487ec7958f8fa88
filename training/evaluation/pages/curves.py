"""Recall over the length of the list, and what the first stage leaves the ranker to find."""

from __future__ import annotations

from math import log10

from training.evaluation.pages.chart import axis
from training.evaluation.pages.lines import CEILING, Line, line_kind, lines
from training.evaluation.pages.markup import Html, element, folded, joined, soft, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import NOTHING, figure, metric_name

_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


def curves(reading: Reading, task: str) -> Html:
    """Return the recall of all rankers over k, its table folded away, and the first stage where it is known."""
    parts = []
    names = [name for name in _names(reading, task) if reading.node(task, name).get("curve", {}).get("k")]
    if names:
        parts += [element("h3", "Recall over k"), _chart(reading, task, names)]
        parts.append(folded(f"Recall over k of {task} as a table", _table(reading, task, names)))
    return joined([*parts, _first_stage(reading, task)])


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


def _first_stage(reading: Reading, task: str) -> Html:
    names = [name for name in _names(reading, task) if reading.node(task, name).get("ceiling")]
    if not names:
        return Html()
    metrics = [reading.nearest("recall", 100), reading.metric]
    header = [
        "ranker",
        "candidates",
        "share of targets among them",
        *(f"{metric_name(m)} of the list" for m in metrics),
    ]
    rows = []
    for name in names:
        ceiling = reading.node(task, name)["ceiling"]
        served = [figure(reading.entry(task, name, metric)) for metric in metrics]
        rows.append([name, f"{ceiling['candidates']:,.0f}", figure(ceiling["recall"]), *served])
    note = "What the first stage does not bring, the ranker cannot find: the share of targets among its candidates is "
    return joined(
        [
            element("h3", "First stage beside ranker"),
            soft(note + "the most that recall can be."),
            table(header, rows),
        ]
    )
