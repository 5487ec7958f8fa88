"""The explorer page at ``/``, and what it needs beside the routes for programs. Nothing is fetched from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import polars as pl
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

from features.columns import Col
from serving.http.holder import Holder
from serving.http.schemas import Text
from serving.ranker import Ranker

_FOLDER: Final = Path(__file__).with_name("page")
_MOST: Final = 10
_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}

Kind = Literal["user", "query", "country", "item"]


class Suggestion(BaseModel):
    """A value that the model knows."""

    value: str
    label: str


def routes(holder: Holder) -> APIRouter:
    """Return the page, and suggestions of values for its fields."""
    router = suggesting(holder)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page() -> FileResponse:
        return FileResponse(_FOLDER / "index.html", headers=_HEADERS)

    return router


def suggesting(holder: Holder) -> APIRouter:
    """Return the suggestions alone."""
    router = APIRouter(include_in_schema=False)

    @router.get("/suggest")
    def suggest(kind: Kind, text: Annotated[Text, Query()] = "") -> list[Suggestion]:
        return suggestions(holder.ranker, kind, text.strip())

    return router


class PageFiles(StaticFiles):
    """The script and the style of the page."""

    def __init__(self) -> None:
        """Serve the folder."""
        super().__init__(directory=_FOLDER)

    def file_response(self, *given: Any, **named: Any) -> Any:
        """Return a file with the headers of the page."""
        response = super().file_response(*given, **named)
        response.headers.update(_HEADERS)
        return response


def suggestions(ranker: Ranker, kind: Kind, text: str) -> list[Suggestion]:
    """Return at most ten values of a ``kind`` that begin with ``text``, then those that have it inside."""
    known = ranker.engine.features.known
    if kind == "item":
        items = ranker.items
        titles = items.get_column(Col.TITLE).fill_null("")
        found = items[_matching(titles, text, items.get_column(Col.ITEM))]
        shown = found.select(Col.ITEM, Col.TITLE).iter_rows()
        return [Suggestion(value=item, label=f"{title} ({item})" if title else item) for item, title in shown]
    values = {"user": known.users, "query": known.queries, "country": known.countries}[kind].values
    return [Suggestion(value=value, label=value) for value in values[_matching(values, text)]]


def _matching(texts: pl.Series, text: str, ids: pl.Series | None = None) -> list[int]:
    """Return the places of the first texts that match, those that begin with ``text``, or are of that id, first."""
    low, wanted = texts.str.to_lowercase(), text.lower()
    begins, inside = low.str.starts_with(wanted), low.str.contains(wanted, literal=True)
    if ids is not None:
        begins |= ids == text
    first = begins.arg_true().head(_MOST).to_list()
    rest = (inside & ~begins).arg_true().head(_MOST).to_list()
    return [*first, *rest][:_MOST]
