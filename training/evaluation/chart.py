"""A bar chart with intervals, as SVG that is drawn to the width it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from training.evaluation.markup import Html, element
from training.evaluation.report import Entry

_ROW: Final = 42
"""Height of a bar with its line of text, in pixels."""
_BAR: Final = 12
_GAP: Final = 12
"""Between the rankers and the oracle."""


class Bar(NamedTuple):
    """A figure of one ranker."""

    name: str
    entry: Entry
    kind: str
    """``baseline``, ``ours`` or ``oracle``: the class that colours it."""


def bar_chart(label: str, bars: Sequence[Bar]) -> Html:
    """Return the chart of ``bars``; where one is the oracle's, it stands apart and its value is a line through all.

    Places are in per cent of the width and in pixels of the height, so that text keeps its size on a narrow page.
    """
    reach = max((bar.entry.get("high", bar.entry["value"]) for bar in bars), default=0.0) or 1.0
    top, parts = 0, []
    for bar in bars:
        top += _GAP if bar.kind == "oracle" else 0
        parts += _bar(bar, top, reach)
        top += _ROW
    for bar in bars:
        if bar.kind == "oracle":
            at = _share(bar.entry["value"], reach)
            parts.append(element("line", class_="oracle", x1=at, x2=at, y1=18, y2=top - _ROW + 18))
    told = f"{label}: " + ", ".join(f"{bar.name} {bar.entry['value']:.3f}" for bar in bars)
    return element("svg", *parts, class_="chart", width="100%", height=top, role="img", aria_label=told)


def _bar(bar: Bar, top: int, reach: float) -> list[Html]:
    entry, middle = bar.entry, top + 18 + _BAR / 2
    told = element("tspan", f"{entry['value']:.3f}", class_="value", dx=8)
    parts = [
        element("text", bar.name, told, class_=bar.kind, x=0, y=top + 12),
        element("rect", class_=bar.kind, x=0, y=top + 18, width=_share(entry["value"], reach), height=_BAR),
    ]
    if "low" in entry:
        low, high = _share(entry["low"], reach), _share(entry["high"], reach)
        parts.append(element("line", class_="interval", x1=low, x2=high, y1=middle, y2=middle))
        parts += [element("line", class_="interval", x1=at, x2=at, y1=middle - 4, y2=middle + 4) for at in (low, high)]
    return parts


def _share(value: float, reach: float) -> str:
    """Return a place on the axis, which leaves a little room for the end of the longest interval."""
    return f"{99.5 * value / reach:.2f}%"
