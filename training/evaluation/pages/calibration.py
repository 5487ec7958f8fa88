"""What was shown: the order within a page, and whether a score means a probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.pages.chart import axis
from training.evaluation.pages.lines import Line, line_kind, lines
from training.evaluation.pages.markup import Html, element, joined, soft, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import count, figure, metric_name

_METRICS = ("gauc", "ece", "normalised_entropy")


def calibration(reading: Reading, task: str) -> Html:
    """Return the figures of the rows shown, and a reliability diagram of the rankers that give probabilities."""
    names = [reading.first, *(name for name in reading.evaluation["rankers"] if name != reading.first)]
    names = [name for name in names if _shown(reading, task, name).get("metrics")]
    if not names:
        return Html()
    rows = _shown(reading, task, names[0])["rows"]
    metrics = [metric for metric in _METRICS if any(metric in _metrics(reading, task, name) for name in names)]
    found = [[name, *(figure(_metrics(reading, task, name).get(metric)) for metric in metrics)] for name in names]
    return joined(
        [
            element("h3", "What was shown"),
            soft(
                f"From the scores of {count(rows, 'row')} shown in requests that hold a zero: GAUC is "
                "the order within a request; ECE the mean distance of the probability from the rate of engagement; the "
                "normalised entropy is 1 for one who knows nothing but the mean rate."
            ),
            table(["ranker", *map(metric_name, metrics)], found),
            _diagram(reading, task, [name for name in names if _shown(reading, task, name).get("calibration")]),
        ]
    )


def _shown(reading: Reading, task: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = reading.node(task, name).get("impressions", {})
    return found


def _metrics(reading: Reading, task: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _shown(reading, task, name)["metrics"]
    return found


def _diagram(reading: Reading, task: str, names: list[str]) -> Html:
    if not names:
        return Html()
    order = list(reading.evaluation["rankers"])
    drawn = []
    for name in names:
        bins = _shown(reading, task, name)["calibration"]
        texts = [
            f"{name}: {probability:.3f} predicted, {rate:.3f} engaged, {count(rows, 'row')}"
            for probability, rate, rows in zip(bins["probability"], bins["rate"], bins["rows"], strict=True)
        ]
        drawn.append(Line(line_kind(order.index(name)), name, bins["probability"], bins["rate"], texts))
    reach = 1.05 * max(max(*line.x, *line.y) for line in drawn) or 1.0
    layout = {
        "xaxis": axis("probability", range=[0, reach], tickformat="~g"),
        "yaxis": axis("rate of engagement", range=[0, reach], tickformat="~g"),
        "shapes": [
            {
                **{"type": "line", "x0": 0, "y0": 0, "x1": reach, "y1": reach, "layer": "below"},
                "line": {"color": "--soft", "width": 1, "dash": "dot"},
            }
        ],
    }
    words = ". ".join("; ".join(line.texts) for line in drawn)
    label = f"Rate of engagement over probability in {task}: {words}"
    return element("div", element("h4", "Reliability"), lines(label, drawn, layout), class_="narrow")
