"""What baselines come to on a data folder, without a run: ``python -m benchmarks.baselines DATA [--baselines a,b]``.

They are tuned on valid and judged as ``unicorn evaluate`` does it; where valid is judged, they are tuned on it as well.
Printed are a table for each task with the settings that were chosen, the seconds that fitting with tuning and judging
took, and the largest resident set.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.columns import TASKS, Split
from features.tables import DataFolder, open_data
from serving import exclusion
from training.evaluation.baselines.registry import BASELINES, baseline_contenders, check_names
from training.evaluation.judge import judge
from training.evaluation.judged import Judged, read_judged
from training.evaluation.protocol import Protocol

METRICS = ("hit_at_10", "recall_at_20", "hit_at_20", "ndcg_at_10", "ndcg_at_20")
LATER = "gap:later"
"""The slice of targets that are strictly later than what the user did last; of it NDCG@10 is told."""


def measure(name: str, judged: Judged, protocol: Protocol, tuning: Judged) -> tuple[dict[str, Any], float, float]:
    """Return the node of a baseline in the evaluation file, and the seconds of fit with tuning, and of judging."""
    start = time.perf_counter()
    contenders = baseline_contenders([name], judged, protocol, tuning)
    fitted = time.perf_counter()
    node: dict[str, Any] = judge(contenders, judged, protocol)["rankers"][name]
    return node, fitted - start, time.perf_counter() - fitted


def show(name: str, node: Mapping[str, Any], task: str) -> str:
    """Return a row of the table of ``task``."""
    part = node["tasks"][task]
    later = part["slices"].get(LATER, {"metrics": {}})["metrics"].get("ndcg_at_10")
    figures = [part["metrics"].get(metric) for metric in METRICS]
    values = "".join("–".rjust(14) if entry is None else f"{entry['value']:>14.4f}" for entry in [*figures, later])
    settings = ", ".join(f"{key}={value}" for key, value in node["settings"][task].items())
    return f"{name:<18}{values}   {settings}"


def _protocol(split: str, exclude_seen: str) -> Protocol:
    return Protocol(split=split, k=(10, 20), exclude_seen=exclusion.parse(exclude_seen, TASKS), resamples=200, hidden=0)


def _read(folder: DataFolder, protocol: Protocol) -> tuple[Judged, Judged]:
    """Return what is judged, and what is tuned on."""
    judged = read_judged(folder, protocol)
    tuned_on_it = protocol.split == Split.VALID
    return judged, judged if tuned_on_it else read_judged(folder, replace(protocol, split=Split.VALID))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a data folder")
    parser.add_argument("--baselines", default=",".join(BASELINES), help="names, with commas")
    parser.add_argument("--split", default=Split.TEST)
    parser.add_argument("--exclude-seen", default="all")
    options = parser.parse_args(arguments)
    names = options.baselines.split(",")
    check_names(names)
    protocol = _protocol(options.split, options.exclude_seen)
    judged, tuning = _read(open_data(options.data), protocol)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    nodes, costs = {}, []
    for name in names:
        nodes[name], fit, whole = measure(name, judged, protocol, tuning)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
        costs.append(f"{name:<18}{fit:>14.1f}{whole:>14.1f}{peak:>14.2f}")
        print(costs[-1], file=sys.stderr, flush=True)
    header = "".join(f"{metric:>14}" for metric in [*METRICS, "later ndcg@10"])
    for task in judged.tasks:
        print(f"\n{task}\n{'':<18}{header}   settings")
        for name, node in nodes.items():
            print(show(name, node, task))
    print(f"\n{'':<18}{'fit + tune, s':>14}{'judge, s':>14}{'peak GB so far':>14}")
    print("\n".join(costs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
