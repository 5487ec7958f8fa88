"""What the first stage leaves the ranker to find, and what each source of candidates adds to that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.further import FURTHER
from training.evaluation.pages.markup import Html, element, joined, soft, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import figure, metric_name

_NOTE = (
    "What the first stage does not bring, the ranker cannot find: the share of targets among its candidates is the "
    "most that recall can be."
)
_SOURCES = (
    "Candidates come from several sources, and one may come from more than one of them. The share that a source brings "
    "is the ceiling with its candidates alone; what is lost without it is the share of targets that it alone brings. "
    "Sources are named by the settings of serving.candidates that say how many each may bring."
)
_FURTHER = (
    "Of the source further are the nearest items of the space that go on where the list that is asked for is longer "
    "than the candidates of a request."
)


def first_stage(reading: Reading, task: str) -> Html:
    """Return the ceiling of each ranker that tells its candidates, and the sources of the judged one."""
    names = [reading.first, *reading.baselines(task)]
    names = [name for name in names if reading.node(task, name).get("ceiling")]
    if not names:
        return Html()
    parts = [element("h3", "First stage beside ranker"), soft(_NOTE), _ceilings(reading, task, names)]
    if sources := reading.node(task, reading.first).get("ceiling", {}).get("sources"):
        note = f"{_SOURCES} {_FURTHER}" if FURTHER in sources else _SOURCES
        parts += [element("h3", "Sources of candidates"), soft(note), _sources(sources)]
    return joined(parts)


def _ceilings(reading: Reading, task: str, names: list[str]) -> Html:
    metrics = [reading.nearest("recall", 100), reading.metric]
    served = [f"{metric_name(metric)} of the list" for metric in metrics]
    rows = []
    for name in names:
        ceiling = reading.node(task, name)["ceiling"]
        figures = [figure(reading.entry(task, name, metric)) for metric in metrics]
        rows.append([name, f"{ceiling['candidates']:,.0f}", figure(ceiling["recall"]), *figures])
    return table(["ranker", "candidates", "share of targets among them", *served], rows)


def _sources(sources: Mapping[str, Mapping[str, Any]]) -> Html:
    """Return a row for each source, the one that brings the most targets first."""
    order = sorted(sources, key=lambda name: -sources[name]["recall"]["value"])
    rows = [
        [
            name.replace("_", " "),
            f"{sources[name]['candidates']:,.0f}",
            figure(sources[name]["recall"]),
            figure(sources[name]["lost_without"]),
        ]
        for name in order
    ]
    return table(["source", "candidates", "share of targets that it brings", "lost without it"], rows)
