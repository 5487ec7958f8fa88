"""How long ``unicorn --help`` takes, beside the bare interpreter: ``python benchmarks/startup.py``."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 11
LIMIT = 0.3
"""Seconds that ``unicorn --help`` may take."""


def seconds(command: list[str]) -> float:
    """Return the median wall time of ``command``; the first run, which fills caches, does not count."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def front_door() -> list[str]:
    """Return the installed command of this interpreter, else the module."""
    script = shutil.which("unicorn", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "unicorn"]


def main() -> int:
    """Print the table; the exit code is 1 where the limit is not kept."""
    bare = seconds([sys.executable, "-c", "pass"])
    door = seconds([*front_door(), "--help"])
    print(f"{'python -c pass':<20}{bare:8.3f} s")
    print(f"{'unicorn --help':<20}{door:8.3f} s   limit {LIMIT} s")
    return int(door > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
