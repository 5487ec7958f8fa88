"""What every call passes before it is answered: an id, the token, the size of its body; and the line in the log."""

from __future__ import annotations

import hmac
import json
import logging
import re
import time
import traceback
import uuid
from collections.abc import Iterable
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.limits import Limits
from serving.http.metrics import Metrics

ID: Final = "x-request-id"
_LONGEST_ID: Final = 128
_PORT: Final = re.compile(r":\d*$")
OPEN: Final = ("/healthz", "/readyz", "/", "/page")
"""Beginnings of the paths that no token is asked for: they tell nothing of the model or of its data."""

logger = logging.getLogger("unicorn.http")


class Guard:
    """ASGI middleware around the app."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        token: str | None,
        metrics: Metrics,
        hosts: frozenset[str] | None = None,
    ) -> None:
        """Guard ``app``; without a ``token`` nobody is asked for one, nor without ``hosts`` for a name."""
        self._app, self._limits, self._metrics, self._hosts = app, limits, metrics, hosts
        self._token = None if token is None else token.strip().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, headers, found = time.perf_counter(), Headers(scope=scope), {"status": 0}
        name = headers.get(ID, "")[:_LONGEST_ID]
        name = name if name.isascii() and name.isprintable() and name else uuid.uuid4().hex

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                found["status"] = message["status"]
                MutableHeaders(scope=message)[ID] = name
            await send(message)

        try:
            refused = self._refused(scope["path"], headers)
            if refused is not None:
                await refused(scope, receive, sent)
            else:
                await self._app(scope, self._bounded(receive), sent)
        except Exception as error:
            place = traceback.format_tb(error.__traceback__)[-3:]  # without the message, which may hold a query
            logger.error("failed", extra={"call_id": name, "error": type(error).__name__, "place": place})
            if not found["status"]:
                problem = {"detail": "Something went wrong here, and is in the log under the id of the call."}
                await JSONResponse(problem, 500)(scope, receive, sent)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.call(route, found["status"], seconds)
            logger.info(
                "call",
                extra={
                    "call_id": name,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": found["status"],
                    "ms": round(1e3 * seconds, 2),
                },
            )

    def _refused(self, path: str, headers: Headers) -> Response | None:
        host = _PORT.sub("", headers.get("host", "").lower())
        if self._hosts is not None and host not in self._hosts:
            return JSONResponse({"detail": "This service is not called by that name. Use localhost."}, 421)
        if self._token is not None and not _is_open(path, OPEN):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode("latin-1"), self._token)  # as headers come
            if scheme.lower() != "bearer" or not same:
                problem = {"detail": "This service asks for a token. Send the header Authorization: Bearer TOKEN."}
                return JSONResponse(problem, 401, {"www-authenticate": "Bearer"})
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._limits.body:
            return JSONResponse({"detail": self._too_large()}, 413)
        return None

    def _bounded(self, receive: Receive) -> Receive:
        """Return ``receive``, which counts: a body that comes in pieces need not say how long it is."""
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limits.body:
                raise HTTPException(413, self._too_large())  # which the app passes on, unlike other errors here
            return message

        return bounded

    def _too_large(self) -> str:
        return f"The body has more than {self._limits.body:,} bytes. Send less at once."


def _is_open(path: str, beginnings: Iterable[str]) -> bool:
    return any(path == one or (one != "/" and path.startswith(f"{one}/")) for one in beginnings)


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line."""

    _KNOWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        said: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in self._KNOWN}
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)
