"""An evaluation as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.evaluation.pages.calibration import calibration
from training.evaluation.pages.curves import curves
from training.evaluation.pages.differences import differences
from training.evaluation.pages.examples import examples
from training.evaluation.pages.exposure import exposure
from training.evaluation.pages.first_stage import first_stage
from training.evaluation.pages.footing import footing
from training.evaluation.pages.hidden import hidden_fields
from training.evaluation.pages.judgments import judgments
from training.evaluation.pages.markup import Html, element, soft
from training.evaluation.pages.overview import overview
from training.evaluation.pages.rankers import ranker_figures
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.script import policy, scripts
from training.evaluation.pages.slices import slices
from training.evaluation.pages.style import STYLE
from training.evaluation.pages.wording import count

_PARTS: Final = (
    ranker_figures,
    differences,
    slices,
    hidden_fields,
    curves,
    first_stage,
    calibration,
    exposure,
    examples,
)
"""What is told of a task, in this order; a part of which the evaluation says nothing is empty."""


def evaluation_page(title: str, lead: Html, evaluation: Mapping[str, Any], beside: Mapping[str, Html]) -> str:
    """Return the page of ``evaluation`` as ``judge`` made it.

    Every figure that is drawn is also in a table, so that the page can be read without its scripts.

    Args:
        title: heading of the page.
        lead: what was made, above the figures.
        evaluation: of one ranker, which comes first, and any baselines; with or without an oracle.
        beside: by task, what follows its figures.
    """
    reading = Reading(evaluation)
    body = [
        element("h1", title),
        lead,
        element("p", "The charts need a script; their figures are in the tables.", class_="soft unscripted"),
        overview(reading),
        *(_task(reading, task, beside.get(task, Html())) for task in reading.tasks),
        judgments(reading),
        footing(reading),
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    ]
    page = element("html", element("head", *head), element("body", element("main", *body), scripts()), lang="en")
    return f"<!doctype html>\n{page}\n"


def _task(reading: Reading, task: str, beside: Html) -> Html:
    node = reading.node(task, reading.first)
    told = count(node["requests"])
    if node["requests_without_target"]:
        told += (
            f"; of {node['requests_without_target']:,} more, nothing that may be served was engaged with, so they are "
            "not scored"
        )
    parts = [part(reading, task) for part in _PARTS] if reading.is_judged(task) else []
    return element("section", element("h2", task), soft(told + "."), *parts, beside, id=task)
