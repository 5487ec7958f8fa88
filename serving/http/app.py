"""The service: the routes of one model or of two, health and metrics, and what runs beside them."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse

from features.errors import DataError
from serving.http import explorer
from serving.http.answering import Answered, Call, answer
from serving.http.batching import Batcher, BusyError
from serving.http.guard import Guard
from serving.http.holder import Holder
from serving.http.limits import LIMITS, Limits
from serving.http.metrics import Metrics
from serving.http.routes import routes

logger = logging.getLogger("unicorn.http")
BESIDE: Final = "/beside"


def create_app(
    holder: Holder,
    *,
    beside: Holder | None = None,
    token: str | None = None,
    hosts: frozenset[str] | None = None,
    limits: Limits = LIMITS,
    reload_seconds: float = 10.0,
) -> FastAPI:
    """Return the service.

    Args:
        holder: what is served.
        beside: another model, which the explorer page sets beside it; it has the same routes below ``/beside``.
        token: what callers have to show; None = nobody is asked.
        hosts: names by which callers may call the service; None = any.
        limits: of a call.
        reload_seconds: how often the runs are looked at; 0 = never.
    """
    holders = [holder] if beside is None else [holder, beside]
    batchers: list[Batcher[Call, Answered]] = [Batcher(functools.partial(answer, one), limits) for one in holders]
    metrics = Metrics()
    for batcher in batchers:
        batcher.on_batch = metrics.batch
    metrics.watch(lambda: sum(batcher.waiting for batcher in batchers), lambda: holder.ranker.items.height)
    metrics.serve(holder.ranker.model_id, reloaded=False)

    async def follow() -> None:
        while True:
            await asyncio.sleep(reload_seconds)
            for one in holders:
                if await asyncio.to_thread(one.reload):  # which raises nothing: this goes on for as long as we serve
                    logger.info("model", extra={"run": one.run, "model_id": one.ranker.model_id})
                    metrics.serve(holder.ranker.model_id, reloaded=True)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for batcher in batchers:
            batcher.start()
        following = asyncio.create_task(follow()) if reload_seconds else None
        app.state.ready = True
        yield
        app.state.ready = False
        if following is not None:
            following.cancel()
        for batcher in batchers:
            await batcher.stop()

    app = FastAPI(
        title="UniCoRn ranker",
        summary="One contextual ranker for search and recommendation.",
        lifespan=lifespan,
        docs_url=None,  # its page would fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever host the caller names
    )
    app.state.ready = False
    app.add_middleware(Guard, limits=limits, token=token, metrics=metrics, hosts=hosts)
    app.include_router(routes(holder, batchers[0], beside=beside is not None))
    app.include_router(explorer.routes(holder))
    if beside is not None:
        app.include_router(routes(beside, batchers[1], beside=False), prefix=BESIDE, include_in_schema=False)
        app.include_router(explorer.suggesting(beside), prefix=BESIDE)
    app.mount("/page", explorer.PageFiles())
    _tell_problems(app, limits)
    _tell_health(app, metrics)
    return app


def _tell_problems(app: FastAPI, limits: Limits) -> None:
    """Answer what goes wrong with the reason."""

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


def _tell_health(app: FastAPI, metrics: Metrics) -> None:
    """Add the routes that machines watch."""

    @app.api_route("/healthz", methods=["GET", "HEAD"], response_class=PlainTextResponse)
    async def healthy() -> str:
        """Tell that the process lives."""
        return "ok\n"

    @app.api_route("/readyz", methods=["GET", "HEAD"], response_class=PlainTextResponse)
    async def ready() -> Response:
        """Tell whether requests are answered."""
        return PlainTextResponse("ready\n" if app.state.ready else "not ready\n", 200 if app.state.ready else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """Tell Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
