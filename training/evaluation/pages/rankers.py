"""How well each ranker does in a task, on the whole."""

from __future__ import annotations

from training.evaluation.pages.markup import Html, element, folded, joined, table
from training.evaluation.pages.reading import ORACLE, Reading
from training.evaluation.pages.rows import Mark, Row, bars
from training.evaluation.pages.wording import figure, metric_name, number, per_cent, told


def ranker_figures(reading: Reading, task: str) -> Html:
    """Return the drawn metric of all rankers as bars, the usual metrics in a table, and all metrics folded away."""
    names = reading.rankers(task)
    rows = []
    for name in names:
        entry = reading.entry(task, name, reading.metric) or {}
        mark = Mark(reading.kind(name), entry, told(entry))
        rows.append(Row(name, number(entry["value"]), [mark], strong=name == reading.first))
    known = reading.node(task, reading.first)["metrics"]
    usual = [reading.metric, reading.nearest("recall", 20), reading.nearest("hit", 20), "mrr"]
    drawn = metric_name(reading.metric)
    return joined(
        [
            _covered(reading, task),
            element("h3", drawn),
            bars(f"{drawn} of {task}", rows),
            _table(reading, task, [metric for metric in usual if metric in known]),
            folded(f"All metrics of {task}", _transposed(reading, task, list(known))),
        ]
    )


def _covered(reading: Reading, task: str) -> Html:
    share = reading.covered(task)
    if share is None:
        return Html()
    return element(
        "p",
        f"{reading.first} covers ",
        element("strong", per_cent(share["value"])),
        f" ({per_cent(share['low'])} to {per_cent(share['high'])}) of the distance from {share['best']}, the best "
        "baseline, to the oracle.",
    )


def _table(reading: Reading, task: str, metrics: list[str]) -> Html:
    names = reading.rankers(task)
    rows = [[name, *(figure(reading.entry(task, name, metric)) for metric in metrics)] for name in names]
    return table(["ranker", *map(metric_name, metrics)], rows, "last-apart" if ORACLE in names else "")


def _transposed(reading: Reading, task: str, metrics: list[str]) -> Html:
    names = reading.rankers(task)
    rows = [[metric_name(metric), *(figure(reading.entry(task, name, metric)) for name in names)] for metric in metrics]
    return table(["metric", *names], rows)
