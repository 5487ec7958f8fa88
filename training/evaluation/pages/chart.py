"""A chart as plotly draws it when the page opens, in the colours of the page, with its meaning in words beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from training.evaluation.pages.markup import Html, element

_FONT: Final = "system-ui, sans-serif"
_LAYOUT: Final[Mapping[str, Any]] = {
    "autosize": True,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": _FONT, "size": 13, "color": "--ink"},
    "showlegend": False,
    "hovermode": "closest",
    "dragmode": False,
    "hoverlabel": {
        "bgcolor": "--card",
        "bordercolor": "--line",
        "align": "left",
        "font": {"family": _FONT, "size": 13, "color": "--ink"},
    },
}


def plot(label: str, height: int, data: list[dict[str, Any]], layout: Mapping[str, Any]) -> Html:
    """Return a chart that is drawn to the width it finds.

    Args:
        label: what the chart says, for those who do not see it.
        height: in pixels.
        data: traces of plotly.
        layout: of plotly. The name of a colour of the page, such as ``--ink``, may stand for a colour, here and in
            ``data``.
    """
    spec = json.dumps({"data": data, "layout": {**_LAYOUT, "height": height, **layout}}, allow_nan=False)
    return element(
        "figure",
        element("div", class_="plot", style=f"height: {height}px"),
        element("script", in_script(spec), type="application/json"),
        class_="chart",
        role="img",
        aria_label=label,
    )


def in_script(text: str) -> Html:
    """Return JSON that a script element may hold: nothing in it can end the element, or begin a comment."""
    return Html(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def plain(text: str) -> str:
    """Return text that plotly, which reads some HTML in texts, shows as it is."""
    return escape(text, quote=False)


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """Return an axis that stays where it is, so that a finger on the chart scrolls the page."""
    return {
        "fixedrange": True,
        "gridcolor": "--line",
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": "--soft"},
        "title": {"text": title, "font": {"color": "--soft", "size": 13}, "standoff": 8},
        "nticks": 6,
        **settings,
    }


def legend(entries: Iterable[tuple[str, str]]) -> Html:
    """Return the names of what is drawn, each with the look of its kind, a class of the style: ``(kind, name)``."""
    return element("ul", *(element("li", name, class_=kind) for kind, name in entries), class_="legend")
