"""HTML that cannot forget to escape: what is not HTML already is escaped when it is put into an element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

_VOID: Final = frozenset({"meta"})
"""Elements that hold nothing."""
_COLUMNS: Final = 7
"""Columns that a wide page has room for."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *parts: str, **attributes: str | float) -> Html:
    """Return ``<name …>parts</name>``; ``class_`` is written ``class``, and ``a_b`` is written ``a-b``."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"' for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{told}/>")
    return Html(f"<{name}{told}>{joined(parts)}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    """Return the parts one after the other, escaped unless they are HTML."""
    return Html("".join(part if isinstance(part, Html) else escape(part, quote=False) for part in parts))


def soft(text: str) -> Html:
    """Return a paragraph that stands back."""
    return element("p", text, class_="soft")


def listed(facts: Mapping[str, str]) -> Html:
    """Return names with what is told of each."""
    parts = [part for name, fact in facts.items() for part in (element("dt", name), element("dd", fact, dir="auto"))]
    return element("dl", *parts)


def folded(summary: str, *parts: str) -> Html:
    """Return what a reader unfolds."""
    return element("details", element("summary", summary), *parts)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Html:
    """Return a table of the class ``kind``; the first cell of a row is its heading.

    Each other cell carries the heading of its column, which takes its place where a narrow page stacks the cells. On a
    wide page, a table that is wider still scrolls by itself.
    """
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", part, data_label=name) for name, part in zip(header[1:], row[1:], strict=True)),
        )
        for row in rows
    ]
    head = element("tr", *(element("th", part, scope="col") for part in header))
    names = ["figures", *(["twos"] if len(header) in (3, 5) else []), *([kind] if kind else [])]
    made = element("table", element("thead", head), element("tbody", *body), class_=" ".join(names))
    return element("div", made, class_="wide", tabindex=0) if len(header) > _COLUMNS else made
