"""Charts of lines: a figure of several rankers over another figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from training.evaluation.pages.chart import legend, plain, plot
from training.evaluation.pages.markup import Html, joined

_COLOURS: Final = 8
"""Colours of the style for rankers other than the judged one; then they come again, dashed."""
_HEIGHT: Final = 340
CEILING: Final = "ceiling"


class Line(NamedTuple):
    """A line with a dot at each point."""

    kind: str
    """``ours``, ``ceiling``, or what ``line_kind`` returns: how it is drawn."""
    name: str
    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str]
    """What is told where a point is pointed at."""


def line_kind(number: int) -> str:
    """Return how the ranker with this number, from 0, is drawn; 0 is the judged one."""
    if number == 0:
        return "ours"
    colour = f"series-{(number - 1) % _COLOURS + 1}"
    return colour if number <= _COLOURS else f"{colour} again"


def lines(label: str, drawn: Sequence[Line], layout: Mapping[str, Any]) -> Html:
    """Return the lines with their legend; the judged ranker's lies on top."""
    names = legend((line.kind, line.name) for line in drawn)
    below = sorted(drawn, key=lambda line: line.kind == "ours")
    margin = {"l": 46, "r": 14, "t": 8, "b": 44}
    return joined([names, plot(label, _HEIGHT, [_trace(line) for line in below], {"margin": margin, **layout})])


def _trace(line: Line) -> dict[str, Any]:
    colour = f"--{line.kind.split()[0]}"
    plain_line = line.kind in ("ours", CEILING)
    dash = "dash" if line.kind == CEILING else "dot" if line.kind.endswith("again") else "solid"
    return {
        "type": "scatter",
        "mode": "lines" if line.kind == CEILING else "lines+markers",
        "x": list(line.x),
        "y": list(line.y),
        "hovertext": [plain(text) for text in line.texts],
        "hoverinfo": "text",
        "line": {"color": colour, "width": 2.5 if plain_line else 1.5, "dash": dash},
        "marker": {"color": colour, "size": 6 if line.kind == "ours" else 4},
    }
