"""HTML that cannot forget to escape: what is not HTML already is escaped when it is put into an element."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

_VOID: Final = frozenset({"meta", "line", "rect"})
"""Elements that hold nothing; those of SVG are closed where they begin."""


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


def table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Html:
    """Return a table of the class ``kind``; the first cell of a row is its heading.

    Each other cell carries the heading of its column, which takes its place where a narrow page stacks the cells.
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
    return element("table", element("thead", head), element("tbody", *body), class_=f"figures {kind}".strip())
