"""Charts of rows: a name and a figure in a line of text, and below it a bar, or dots, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from training.evaluation.pages.chart import axis, plain, plot
from training.evaluation.pages.markup import Html

_ROW: Final = 42
"""Height of a row with its line of text, in pixels."""
_FOOT: Final = 26
"""Height of the numbers of the axis, in pixels."""
_SIDE: Final = 16
"""Margin left and right of the axis, in pixels: room for half of a number."""
_SIDE_AT_ZERO: Final = 5
"""Margin left of an axis that begins with 0."""
_TEXT: Final = 0.27
"""Where the middle of the line of text is, in rows."""
_LONGEST: Final = 32
"""Characters of a name that a narrow page has room for beside its note; the tables have the rest."""
_MARKS: Final = (0.5, 0.92)
"""Between which heights of a row its marks are, in rows."""
_BAR: Final = 0.28
"""Height of a bar, in rows."""
_COLOURS: Final = {"baseline": "--baseline", "ours": "--ours", "oracle": "--oracle"}
_DOTS: Final = {
    "baseline": {"color": "--soft", "symbol": "diamond-open"},
    "ours": {"color": "--ours", "symbol": "circle"},
}


class Mark(NamedTuple):
    """A figure of one ranker."""

    kind: str
    """``baseline``, ``ours`` or ``oracle``: how it is drawn."""
    entry: Mapping[str, Any]
    """``value``, with ``low`` and ``high`` where it has an interval."""
    text: str
    """What is told where it is pointed at."""


class Row(NamedTuple):
    """A line of text, and what is drawn below it."""

    name: str
    note: str
    """What follows the name."""
    marks: Sequence[Mark]
    strong: bool = False
    """Whether the name stands out."""


_Placed = Sequence[tuple[float, Mark]]
"""Marks, each with its height, in rows."""


def bars(label: str, rows: Sequence[Row]) -> Html:
    """Return bars from 0, one a row; where one is the oracle's, its value is a line through all."""
    return _chart(label, rows, _bars)


def dots(label: str, rows: Sequence[Row]) -> Html:
    """Return dots with intervals, those of a row below each other."""
    return _chart(label, rows, _dots)


def _chart(label: str, rows: Sequence[Row], trace: Callable[[str, _Placed], dict[str, Any]]) -> Html:
    kinds = dict.fromkeys(mark.kind for row in rows for mark in row.marks)
    traces = [trace(kind, [found for found in _placed(rows) if found[1].kind == kind]) for kind in kinds]
    size, reach = len(rows), _reach(rows)
    left = _SIDE if reach[0] < 0 else _SIDE_AT_ZERO
    layout = {
        "margin": {"l": left, "r": _SIDE, "t": 0, "b": _FOOT},
        "xaxis": axis(range=reach, zeroline=True, zerolinecolor="--soft", tickformat="~g"),
        "yaxis": axis(range=[size, 0], visible=False),
        "annotations": [_text(row, place, left) for place, row in enumerate(rows)],
        "shapes": [_line(mark) for row in rows for mark in row.marks if mark.kind == "oracle"],
    }
    told = "; ".join(f"{row.name}: {', '.join(mark.text for mark in row.marks)}" for row in rows)
    return plot(f"{label}: {told}", size * _ROW + _FOOT, traces, layout)


def _placed(rows: Sequence[Row]) -> Iterator[tuple[float, Mark]]:
    """Yield the marks with their heights, in rows."""
    top, bottom = _MARKS
    for place, row in enumerate(rows):
        step = (bottom - top) / len(row.marks)
        for number, mark in enumerate(row.marks):
            yield round(place + top + (number + 0.5) * step, 3), mark


def _bars(kind: str, marks: _Placed) -> dict[str, Any]:
    colour = _COLOURS[kind]
    hollow = {"color": "rgba(0,0,0,0)", "line": {"color": colour, "width": 1.5}}
    return {
        **_points(marks),
        "type": "bar",
        "orientation": "h",
        "width": _BAR,
        "marker": hollow if kind == "oracle" else {"color": colour},
    }


def _dots(kind: str, marks: _Placed) -> dict[str, Any]:
    return {
        **_points(marks, str(_DOTS[kind]["color"])),
        "type": "scatter",
        "mode": "markers",
        "marker": {**_DOTS[kind], "size": 9, "line": {"color": _DOTS[kind]["color"], "width": 1.5}},
        "cliponaxis": False,
    }


def _points(marks: _Placed, colour: str = "--ink") -> dict[str, Any]:
    entries = [mark.entry for _, mark in marks]
    return {
        "x": [entry["value"] for entry in entries],
        "y": [height for height, _ in marks],
        "hovertext": [plain(mark.text) for _, mark in marks],
        "hoverinfo": "text",
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [entry.get("high", entry["value"]) - entry["value"] for entry in entries],
            "arrayminus": [entry["value"] - entry.get("low", entry["value"]) for entry in entries],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
    }


def _reach(rows: Sequence[Row]) -> list[float]:
    """Return the ends of the axis, with 0 and all intervals between them."""
    entries = [mark.entry for row in rows for mark in row.marks]
    low = min(0.0, *(entry.get("low", entry["value"]) for entry in entries))
    high = max(0.0, *(entry.get("high", entry["value"]) for entry in entries))
    room = 0.01 * (high - low) or 1.0
    return [low - room if low < 0 else 0.0, high + room if high > 0 or low == 0 else 0.0]


def _text(row: Row, place: int, left: int) -> dict[str, Any]:
    """Return the line of text, which begins where the chart does, ``left`` pixels before its axis."""
    short = row.name if len(row.name) <= _LONGEST else row.name[: _LONGEST - 1] + "…"
    name = f"<b>{plain(short)}</b>" if row.strong else plain(short)
    return {
        "text": f"{name}&nbsp; {plain(row.note)}",
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "xshift": -left,
        "y": place + _TEXT,
        "yanchor": "middle",
        "showarrow": False,
        "align": "left",
        "borderpad": 0,
        "bgcolor": "--ground",
        "font": {"size": 14},
    }


def _line(mark: Mark) -> dict[str, Any]:
    value = mark.entry["value"]
    line = {"color": "--oracle", "width": 1, "dash": "dot"}
    return {"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1, "line": line}
