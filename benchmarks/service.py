"""How fast the service answers: ``python -m benchmarks.service RUN [--connections 1,8,32] [--seconds 10]``.

A service of its own is started for RUN on this machine. Each connection sends a request as soon as it has the answer to
the one before, of all tasks in turn, by users that the run knows; printed are the rate and the time of a call. Callers
and service share the machine, so that the rate is a lower bound.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serving.ranker import Ranker

_LISTENS = re.compile(r"http://([\d.]+):(\d+)")
TOP_K = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--connections", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(arguments)
    bodies = requests_of(options.run, 512)
    command = [sys.executable, "-m", "unicorn", "serve", str(options.run), "--port", "0", "--reload-seconds", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            host, port = address(process)
            print(
                f"{'connections':>12}{'calls a second':>18}{'p50, ms':>10}{'p95, ms':>10}{'p99, ms':>10}{'failed':>8}"
            )
            for count in map(int, options.connections.split(",")):
                times, failed = load(host, port, bodies, count, options.seconds)
                p50, p95, p99 = np.percentile(times or [np.nan], [50, 95, 99]) * 1e3
                rate = len(times) / options.seconds
                print(f"{count:>12}{rate:>18.1f}{p50:>10.1f}{p95:>10.1f}{p99:>10.1f}{failed:>8}", flush=True)
        finally:
            process.terminate()
    return 0


def requests_of(run: Path, count: int) -> list[bytes]:
    """Return bodies of one request each."""
    ranker, rng = Ranker.load(run), np.random.default_rng(0)
    known = ranker.engine.features.known
    users, queries = (
        rng.choice(one.values.to_numpy() if len(one.values) else [""], count) for one in (known.users, known.queries)
    )
    items = rng.choice(ranker.items["item_id"].to_numpy(), count)
    bodies = []
    for at in range(count):
        request = {"task": ranker.tasks[at % len(ranker.tasks)], "user_id": str(users[at])}
        request |= {"query": str(queries[at])} if request["task"] == "search" else {}
        request |= {"source_item_id": str(items[at])} if request["task"] == "similar" else {}
        bodies.append(json.dumps({"requests": [request], "top_k": TOP_K}).encode())
    return bodies


def address(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Return where the service listens, once it does; what it says later is read and forgotten."""
    if process.stderr is None:
        raise ValueError("the process has no stream of errors")
    for line in process.stderr:
        if found := _LISTENS.search(line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1], int(found[2])
    raise ValueError("the service did not start")


def load(host: str, port: int, bodies: Sequence[bytes], count: int, seconds: float) -> tuple[list[float], int]:
    """Return the seconds of all calls that ``count`` connections make, and how many were not answered with 200."""
    times: list[float] = []
    failed = [0] * count
    end = time.perf_counter() + seconds

    def call(own: int) -> None:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        at = own
        while time.perf_counter() < end:
            start = time.perf_counter()
            at += count
            try:
                connection.request("POST", "/rank", bodies[at % len(bodies)], {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except OSError:
                failed[own] += 1
                connection.close()
                continue
            times.append(time.perf_counter() - start)
            failed[own] += answer.status != http.client.OK
        connection.close()

    callers = [threading.Thread(target=call, args=(own,)) for own in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return times, sum(failed)


if __name__ == "__main__":
    raise SystemExit(main())
