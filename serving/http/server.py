"""The process around the app: where it listens, who may ask, what it logs."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from typing import Final

import uvicorn

from features.errors import DataError
from serving.http.app import create_app
from serving.http.guard import JsonLines
from serving.http.holder import Holder

TOKEN: Final = "UNICORN_TOKEN"
_HERE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_GRACE: Final = 10
"""Seconds that calls may take to end when the process is told to."""


def run_server(run: str, host: str, port: int, reload_seconds: float, beside: str | None = None) -> None:
    """Serve ``run``, and ``beside`` for the explorer page, until told to end; then what was asked is answered.

    Raises:
        DataError: there is no such run, strangers could ask, or the address is in use.
    """
    token = os.environ.get(TOKEN, "").strip() or None
    if token is None and not _is_loopback(host):
        raise DataError(
            f"host {host}: whoever reaches it could ask, and change the catalogue. Set {TOKEN}, which callers "
            "then have to show, or listen at 127.0.0.1."
        )
    _require_free(host, port)
    _log_as_json()
    other = None if beside is None else Holder(beside)
    hosts = _HERE | {host} if token is None else None  # else any page could have its own name lead here, and ask
    app = create_app(Holder(run), beside=other, token=token, hosts=hosts, reload_seconds=reload_seconds)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )


def _require_free(host: str, port: int) -> None:
    """Refuse an address that cannot be listened at, before a model is loaded.

    Raises:
        DataError: it is in use, or is none of this machine.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, OverflowError) as error:
        raise DataError(f"{host}:{port}: cannot be listened at ({error}). Give another --host or --port.") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _log_as_json() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
