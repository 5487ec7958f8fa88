"""The routes; whatever ranks goes through the ranker, as everywhere."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import polars as pl
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse

from features.columns import Col
from features.errors import DataError
from serving import exclusion
from serving.http import schemas
from serving.http.answering import Answered, Call, answer
from serving.http.batching import Batcher, BusyError
from serving.http.guard import Guard
from serving.http.holder import Holder
from serving.http.limits import LIMITS, Limits
from serving.http.metrics import Metrics
from serving.ranker import Ranker
from serving.requests import as_requests

logger = logging.getLogger("unicorn.http")
_Ids = Annotated[list[schemas.Id], Query(min_length=1, max_length=LIMITS.items)]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.Problem, "description": "A request is wrong; the reason says which, and the way out."},
    401: {"model": schemas.Problem, "description": "The token is missing or wrong."},
    413: {"model": schemas.Problem, "description": "The body is too large."},
    503: {"model": schemas.Problem, "description": "Too much waits already; try again after the time that is told."},
}


def create_app(
    holder: Holder, *, token: str | None = None, limits: Limits = LIMITS, reload_seconds: float = 10.0
) -> FastAPI:
    """Return the service.

    Args:
        holder: what is served.
        token: what callers have to show; None = nobody is asked.
        limits: of a call.
        reload_seconds: how often the run is looked at; 0 = never.
    """
    metrics = Metrics()
    batcher: Batcher[Call, Answered] = Batcher(functools.partial(answer, holder), limits)
    batcher.on_batch = metrics.batch
    metrics.watch(lambda: batcher.waiting, lambda: holder.ranker.items.height)
    metrics.serve(holder.ranker.model_id, reloaded=False)

    async def follow() -> None:
        while True:
            await asyncio.sleep(reload_seconds)
            if await asyncio.to_thread(holder.reload):
                metrics.serve(holder.ranker.model_id, reloaded=True)
                logger.info("model", extra={"model_id": holder.ranker.model_id})

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        following = asyncio.create_task(follow()) if reload_seconds else None
        app.state.ready = True
        yield
        app.state.ready = False
        if following is not None:
            following.cancel()
        await batcher.stop()

    app = FastAPI(
        title="UniCoRn ranker",
        summary="One contextual ranker for search and recommendation.",
        lifespan=lifespan,
        docs_url=None,  # its page would fetch scripts from elsewhere
        redoc_url=None,
    )
    app.state.holder, app.state.batcher, app.state.ready = holder, batcher, False
    app.add_middleware(Guard, limits=limits, token=token, metrics=metrics)

    @app.exception_handler(DataError)
    async def wrong(request: Request, error: DataError) -> Response:
        return JSONResponse({"detail": str(error)}, 400)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        """Say where and why, without what was sent: it may be no JSON itself, such as NaN, and nobody needs it back."""
        problems = [{name: problem[name] for name in ("loc", "msg", "type")} for problem in error.errors()]
        return Response(json.dumps({"detail": problems}), 422, media_type="application/json")

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> Response:
        problem = f"{limits.waiting:,} requests wait already. Try again in a second."
        return JSONResponse({"detail": problem}, 503, {"retry-after": "1"})

    @app.post("/rank", responses=_PROBLEMS)
    async def rank(body: schemas.RankBody) -> schemas.RankAnswer:
        """Return the best items of each request, in the order of the requests."""
        ranker = holder.ranker
        frame = as_requests([one.model_dump() for one in body.requests], ranker.tasks)
        left_out = None if body.exclude_seen is None else exclusion.check(body.exclude_seen, ranker.tasks)
        found = await batcher.do(Call(frame, body.top_k, left_out), ("rank", left_out), frame.height)
        details = _details(found) if body.details else {}
        answers = []
        for request, task in frame.select(Col.REQUEST, Col.TASK).iter_rows():
            own = found.rows.filter(pl.col(Col.REQUEST) == request)
            items = [
                schemas.RankedItem(item_id=item, rank=place, score=score, details=details.get(item))
                for item, place, score in own.select(Col.ITEM, Col.RANK, Col.SCORE).iter_rows()
            ]
            answers.append(schemas.Answer(request_id=request, task=task, items=items))
        return schemas.RankAnswer(model_id=found.ranker.model_id, answers=answers)

    @app.post("/score", responses=_PROBLEMS)
    async def score(body: schemas.ScoreBody) -> schemas.ScoreAnswer:
        """Return a score for each candidate that the requests name."""
        requests = [one.model_dump() for one in body.requests]
        frame = as_requests(requests, holder.ranker.tasks, need_candidates=True)
        found = await batcher.do(Call(frame, None), "score", frame.height)
        answers = [
            schemas.Scores(
                request_id=request,
                task=task,
                scores=found.rows.filter(pl.col(Col.REQUEST) == request).get_column(Col.SCORE).to_list(),
            )
            for request, task in frame.select(Col.REQUEST, Col.TASK).iter_rows()
        ]
        return schemas.ScoreAnswer(model_id=found.ranker.model_id, answers=answers)

    @app.post("/items", responses=_PROBLEMS)
    async def add_items(body: schemas.ItemsBody) -> schemas.ItemsAnswer:
        """Rank new items as well, until the service ends; what was removed comes back as it was."""
        rows = [one.model_dump() for one in body.items]
        try:
            items = pl.DataFrame(rows, infer_schema_length=None)
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise DataError(f"new items: their fields make no table ({error}). Give each field one type.") from error
        return _items(await asyncio.to_thread(holder.add, items))

    @app.delete("/items", responses=_PROBLEMS)
    async def remove_items(item_id: _Ids) -> schemas.ItemsAnswer:
        """Rank items no more, from the next request on."""
        return _items(await asyncio.to_thread(holder.remove, item_id))

    @app.get("/model", responses=_PROBLEMS)
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
        )

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthy() -> str:
        """Tell that the process lives."""
        return "ok\n"

    @app.get("/readyz", response_class=PlainTextResponse)
    async def ready() -> Response:
        """Tell whether requests are answered."""
        return PlainTextResponse("ready\n" if app.state.ready else "not ready\n", 200 if app.state.ready else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """Tell Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _items(ranker: Ranker) -> schemas.ItemsAnswer:
    return schemas.ItemsAnswer(model_id=ranker.model_id, items=ranker.items.height)


def _details(found: Answered) -> dict[str, schemas.ItemDetails]:
    """Return what a person sees of the items that were found."""
    ids = found.rows.get_column(Col.ITEM).unique()
    features = found.ranker.engine.features
    at, quality = features.catalogue.ids.rows(ids), features.statistics.quality
    shown = features.catalogue.frame[at - 1].select(Col.TITLE, Col.CATEGORY)
    details = {}
    for item, row, (title, category) in zip(ids, at, shown.iter_rows(), strict=True):
        told = {
            name: None if missing else _number(value)
            for name, value, missing in zip(quality.names, quality.values[row], quality.missing[row], strict=True)
        }
        details[item] = schemas.ItemDetails(title=title, category=category, quality=told)
    return details


def _number(value: float) -> float:
    return round(float(value), 4) if math.isfinite(value) else 0.0
