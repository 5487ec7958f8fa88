from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

_START = 60.0
_LISTENS = re.compile(r"http://[\d.]+:\d+")


@dataclass
class Server:
    """A service in a process of its own, as a user starts it."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    url: str = ""
    token: str | None = None

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        headers = given.pop("headers", {})
        if self.token is not None:
            headers |= {"authorization": f"Bearer {self.token}"}
        return requests.request(method, f"{self.url}{path}", timeout=30, headers=headers, **given)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.call("POST", path, json=body)

    def get(self, path: str) -> requests.Response:
        return self.call("GET", path)

    def read(self) -> None:
        """Keep what the process says, for as long as it lives."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)

    def wait(self) -> None:
        """Wait until it listens."""
        end = time.monotonic() + _START
        while time.monotonic() < end:
            for line in self.log:
                if found := _LISTENS.search(line):
                    self.url = found[0]
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError("".join(self.log))


@contextmanager
def served(run: Path, *options: str, token: str | None = None) -> Iterator[Server]:
    """Start ``unicorn serve`` and end it."""
    command = [sys.executable, "-m", "unicorn", "serve", str(run), "--port", "0", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({} if token is None else {"UNICORN_TOKEN": token})
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    server = Server(process, token=token)
    reader = threading.Thread(target=server.read)
    reader.start()
    try:
        server.wait()
        yield server
    finally:
        process.terminate()
        process.wait(30)
        reader.join()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture(scope="session")
def server(fitted: Path) -> Iterator[Server]:
    """The tiny run behind HTTP. Tests that change its catalogue start one of their own."""
    with served(fitted, "--reload-seconds", "0") as found:
        yield found
