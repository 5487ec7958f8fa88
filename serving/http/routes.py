"""The routes of one model; whatever ranks goes through the ranker, as everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Query, Response

from features.errors import DataError
from serving import exclusion
from serving.http import schemas
from serving.http.answering import Answered, Call
from serving.http.batching import Batcher
from serving.http.holder import Holder
from serving.http.limits import LIMITS
from serving.http.wording import ranked, scored
from serving.ranker import Ranker
from serving.requests import as_requests

_Ids = Annotated[list[schemas.Id], Query(min_length=1, max_length=LIMITS.items)]
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": schemas.Problem, "description": "A request is wrong; the reason says which, and the way out."},
    401: {"model": schemas.Problem, "description": "The token is missing or wrong."},
    413: {"model": schemas.Problem, "description": "The body is too large."},
    503: {"model": schemas.Problem, "description": "Too much waits already; try again after the time that is told."},
}


def routes(holder: Holder, batcher: Batcher[Call, Answered], *, beside: bool) -> APIRouter:
    """Return the routes of the model that ``holder`` holds; ``beside`` says whether there is another one."""
    router = APIRouter(responses=_PROBLEMS)

    @router.post("/rank", response_model=schemas.RankAnswer)
    async def rank(body: schemas.RankBody) -> Response:
        """Return the best items of each request, in the order of the requests."""
        ranker = holder.ranker
        frame = as_requests([one.model_dump() for one in body.requests], ranker.tasks)
        left_out = None if body.exclude_seen is None else exclusion.check(body.exclude_seen, ranker.tasks)
        call = Call(frame, body.top_k, left_out, body.details)
        found = await batcher.do(call, ("rank", left_out, body.details), frame.height)
        return await _json(ranked, call, found)

    @router.post("/score", response_model=schemas.ScoreAnswer)
    async def score(body: schemas.ScoreBody) -> Response:
        """Return a score for each candidate that the requests name."""
        requests = [one.model_dump() for one in body.requests]
        call = Call(as_requests(requests, holder.ranker.tasks, need_candidates=True), None)
        return await _json(scored, call, await batcher.do(call, "score", call.frame.height))

    @router.post("/items")
    async def add_items(body: schemas.ItemsBody) -> schemas.ItemsAnswer:
        """Rank new items as well, until the service ends; what was removed comes back as it was."""
        return _items(await asyncio.to_thread(lambda: holder.add(_table(body.items))))

    @router.delete("/items")
    async def remove_items(item_id: _Ids) -> schemas.ItemsAnswer:
        """Rank items no more, from the next request on."""
        return _items(await asyncio.to_thread(holder.remove, item_id))

    @router.get("/model")
    async def model() -> schemas.ModelAnswer:
        """Tell what is served."""
        ranker = holder.ranker
        return schemas.ModelAnswer(
            model_id=ranker.model_id,
            data_hash=ranker.data_hash,
            run=holder.run,
            tasks=list(ranker.tasks),
            items=ranker.items.height,
            quality=list(ranker.engine.features.statistics.quality.names),
            exclude_seen=list(ranker.exclude_seen),
            beside=beside,
        )

    return router


async def _json(
    wording: Callable[[Call, Answered], schemas.RankAnswer | schemas.ScoreAnswer], call: Call, found: Answered
) -> Response:
    """Return an answer as JSON, which for many items takes a while: others are heard meanwhile."""
    text = await asyncio.to_thread(lambda: wording(call, found).model_dump_json())
    return Response(text, media_type="application/json")


def _table(items: list[schemas.NewItem]) -> pl.DataFrame:
    """Return items as a table.

    Raises:
        DataError: a field is of several types, or holds what no column can.
    """
    try:
        return pl.DataFrame([one.model_dump() for one in items], infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        problem = type(error).__name__
        raise DataError(f"new items: their fields make no table ({problem}). Give each field one type.") from error


def _items(ranker: Ranker) -> schemas.ItemsAnswer:
    return schemas.ItemsAnswer(model_id=ranker.model_id, items=ranker.items.height)
