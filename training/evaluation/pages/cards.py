"""A request and what was answered, on a card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from features.columns import Col
from training.evaluation.pages.markup import Html, element, listed

_FIELDS: Final = {
    Col.QUERY: "query",
    Col.SOURCE_ITEM: "looking at",
    Col.USER: "user",
    Col.COUNTRY: "country",
}
"""What is told of a request, and under which name."""


def request_facts(request: Mapping[str, Any], source_title: str | None) -> dict[str, str]:
    """Return what a request says, by the name under which it is told; the source item by its title, if it has one."""
    told = {name: str(request[field]) for field, name in _FIELDS.items() if request.get(field) is not None}
    if "looking at" in told and source_title:
        told["looking at"] = source_title
    return told or {"asked": "nothing is known"}


def card(facts: Mapping[str, str], answers: Iterable[Html]) -> Html:
    """Return a card with ``facts`` above the ``answers``, which are list items in served order."""
    return element("div", listed(facts), element("ol", *answers), class_="card")


def answer(title: str, note: str, *, kind: str = "") -> Html:
    """Return an item of an answer."""
    parts = element("span", title, dir="auto"), element("small", note)
    return element("li", *parts, class_=kind) if kind else element("li", *parts)


def cards(made: Iterable[Html]) -> Html:
    """Return cards beside each other, as many as there is room for."""
    return element("div", *made, class_="cards")
