"""By how much the judged ranker is above each baseline, on the same requests."""

from __future__ import annotations

from training.evaluation.pages.markup import Html, element, joined, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.rows import Mark, Row, dots
from training.evaluation.pages.wording import NOTHING, difference, metric_name, p_value, signed, told_difference


def differences(reading: Reading, task: str) -> Html:
    """Return the differences of one metric as dots, those of all compared metrics in a table."""
    found = reading.comparisons(task)
    if not found:
        return Html()
    metrics = list(dict.fromkeys(row["metric"] for row in found))
    metric = reading.metric if reading.metric in metrics else metrics[0]
    heading = f"{reading.first} minus each baseline"
    rows = [
        Row(
            row["b"],
            signed(row["difference"]),
            [Mark("ours", {"value": row["difference"], "low": row["low"], "high": row["high"]}, told_difference(row))],
        )
        for row in found
        if row["metric"] == metric
    ]
    chart = dots(f"{heading}, {metric_name(metric)} of {task}", rows)
    return joined([element("h3", f"{heading}, {metric_name(metric)}"), chart, _table(reading, task, metrics)])


def _table(reading: Reading, task: str, metrics: list[str]) -> Html:
    names = list(dict.fromkeys(row["b"] for row in reading.comparisons(task)))
    header = ["minus"]
    for metric in metrics:
        header += [f"difference in {metric_name(metric)}", "p (Holm)"]
    rows: list[list[str]] = []
    for name in names:
        rows.append([name])
        for metric in metrics:
            row = reading.comparison(task, metric, name)
            rows[-1] += [NOTHING, NOTHING] if row is None else [difference(row), p_value(row["p_holm"])]
    return table(header, rows)
