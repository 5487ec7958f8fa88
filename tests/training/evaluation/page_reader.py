"""Reads a page as a browser would, but for drawing it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Reader(HTMLParser):
    """Reads a page, and fails where an element is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "meta"
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text.append(data)

    @property
    def told(self) -> str:
        """What is written on the page, charts left out."""
        return " ".join(" ".join(self.text).split())

    @property
    def charts(self) -> dict[str, dict[str, Any]]:
        """The charts by what is said of them up to the first colon."""
        labels = [attributes["aria-label"] or "" for tag, attributes in self.seen if tag == "figure"]
        specs = [json.loads(script) for script in self.scripts[: len(labels)]]
        return {label.partition(":")[0]: spec for label, spec in zip(labels, specs, strict=True)}
