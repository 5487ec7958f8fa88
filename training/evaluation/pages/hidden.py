"""What a missing field costs: the same requests with it, and with it hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.pages.markup import Html, element, folded, joined, soft, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.rows import Mark, Row, bars
from training.evaluation.pages.wording import count, difference, metric_name, number, signed, told_difference


def hidden_fields(reading: Reading, task: str) -> Html:
    """Return by how much the judged ranker changes with each field hidden, as bars and as a table."""
    found = {
        field.replace("_", " "): node
        for field, node in reading.node(task, reading.first).get("hidden", {}).items()
        if reading.metric in node["metrics"]
    }
    if not found:
        return Html()
    name = metric_name(reading.metric)
    rows = [
        Row(field, signed(cost["difference"]), [Mark("ours", _entry(cost), told_difference(cost))])
        for field, cost in ((field, node["metrics"][reading.metric]) for field, node in found.items())
    ]
    return joined(
        [
            element("h3", f"What a missing field costs, {name}"),
            soft(
                f"{reading.first} on requests that state the field, with it hidden minus with it told. Where the user "
                "is hidden, so is the history."
            ),
            bars(f"Change of {name} of {task} where a field is hidden", rows),
            folded(
                f"What a missing field costs {task}, as a table",
                table(["hidden", f"{name} told", f"{name} hidden", "difference"], _rows(reading, found)),
            ),
        ]
    )


def _entry(cost: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": cost["difference"], **{end: cost[end] for end in ("low", "high") if end in cost}}


def _rows(reading: Reading, found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    rows: list[list[str]] = []
    for field, node in found.items():
        cost = node["metrics"][reading.metric]
        title = joined([field, element("small", count(node["requests"]))])
        rows.append([title, number(cost["told"]), number(cost["hidden"]), difference(cost)])
    return rows
