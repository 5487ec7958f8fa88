"""Graded judgments: NDCG over the judged items of each query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.pages.markup import Html, element, soft, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.rows import Mark, Row, bars
from training.evaluation.pages.wording import count, figure, metric_name, number, told


def judgments(reading: Reading) -> Html:
    """Return the section on graded judgments; empty where there are none."""
    rankers = reading.evaluation["rankers"]
    nodes: dict[str, Mapping[str, Any]] = {
        name: rankers[name]["judgments"]
        for name in [*list(rankers)[1:], reading.first]
        if rankers[name].get("judgments", {}).get("metrics")
    }
    if not nodes:
        return Html()
    metrics = list(next(reversed(nodes.values()))["metrics"])
    drawn = reading.metric if reading.metric in metrics else metrics[0]
    rows = []
    for name, node in nodes.items():
        if entry := node["metrics"].get(drawn):
            mark = Mark(reading.kind(name), entry, told(entry))
            rows.append(Row(name, number(entry["value"]), [mark], strong=name == reading.first))
    found = [[name, *(figure(node["metrics"].get(metric)) for metric in metrics)] for name, node in nodes.items()]
    requests = next(reversed(nodes.values()))["requests"]
    return element(
        "section",
        element("h2", "Graded judgments"),
        soft(
            f"{count(requests)} whose items have at least two distinct grades. Only judged items are ranked; the gain "
            "of an item is its grade above the smallest of the scale."
        ),
        element("h3", metric_name(drawn)),
        bars(f"{metric_name(drawn)} of graded judgments", rows),
        table(["ranker", *map(metric_name, metrics)], found),
        id="judgments",
    )
