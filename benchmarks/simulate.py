"""Time and memory of ``unicorn simulate``, a process per world: ``python benchmarks/simulate.py [--full]``.

``--full`` adds 50 M events, which takes minutes, and 1.2 GB of disk for as long as it runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

SIZES = (1_000_000, 5_000_000)
FULL = 50_000_000
SECONDS = 60.0
"""Seconds that the first size may take."""
MEMORY = 2.0
"""GB that any size may take."""
COMMAND = [sys.executable, "-c", "import typer; from features.commands import simulate; typer.run(simulate)"]


class Cost(NamedTuple):
    """What a world costs."""

    events: int
    seconds: float
    """Wall time."""
    memory: float
    """Largest resident set in GB."""

    @property
    def kept(self) -> bool:
        """Whether the limits are kept."""
        return self.memory <= MEMORY and (self.events > SIZES[0] or self.seconds <= SECONDS)

    def line(self) -> str:
        """Return a row of the table."""
        speed = self.events / self.seconds
        return (
            f"{self.events:>12,}{self.seconds:>10.1f}{speed:>12,.0f}{self.memory:>10.2f}{'' if self.kept else '   !'}"
        )


def cost(events: int) -> Cost:
    """Write a world of so many ``events``, the other knobs as they are, and throw it away."""
    with tempfile.TemporaryDirectory(prefix="unicorn-simulate-") as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            [*COMMAND, "--out", str(Path(folder) / "data"), "--events", str(events)], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the world of {events:,} events failed with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return Cost(events, seconds, usage.ru_maxrss * unit / 1e9)


def main() -> int:
    """Print the table; the exit code is 1 where a limit is not kept."""
    print(f"{'events':>12}{'seconds':>10}{'rows/s':>12}{'peak GB':>10}")
    kept = True
    for events in (*SIZES, FULL) if "--full" in sys.argv[1:] else SIZES:
        found = cost(events)
        kept &= found.kept
        print(found.line(), flush=True)
    print(f"limits: {SIZES[0]:,} events in {SECONDS:.0f} s, {MEMORY:.0f} GB each")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
