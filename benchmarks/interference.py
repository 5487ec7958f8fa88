"""What ``unicorn diagnose`` predicts of joining tasks, beside what joining is worth: unified model against twins.

``python benchmarks/interference.py WORK [--divergence 0,1] [--items 4000 --users 4000 --events 240000 --seed 0]``, or
``WORK --data DATA`` for a data folder that is there. A world is simulated for each end of the knob for the divergence
of popularity, a unified model and a twin for each task are fitted on train, with valid to stop on, and both are judged
on test. The prediction has not seen test. A fit that lies in WORK is not repeated; whole, it takes about ten minutes a
world on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.simulate.knobs import Knobs
from features.simulate.world import simulate
from features.tables import open_data
from serving import manifest
from training.config import FitConfig, TrackingConfig
from training.diagnose.run import diagnose
from training.evaluation.judge import judge
from training.evaluation.judged import read_judged
from training.fit import fit
from training.judging import contender, known_before, open_run, protocol_of
from training.twin import twin

METRIC = "ndcg_at_10"
SPLIT = "test"


def measure(data: Path, run: Path) -> dict[str, dict[str, Any]]:
    """Return the lead of the unified model over the twins in each task, with its interval; fit what is not there."""
    if not manifest.is_complete(run):
        fit(data, run, replace(FitConfig(), refit=False, tracking=TrackingConfig(enabled=False)), quiet=True)
    opened, folder = open_run(str(run), SPLIT), open_data(data)
    protocol = protocol_of(opened, SPLIT, "10", None, seed=0)
    judged, known = read_judged(folder, protocol), known_before(folder, protocol)
    rankers = [contender(opened, known, protocol, "unified"), twin(opened, folder, known, judged, protocol)]
    return {
        found["task"]: found for found in judge(rankers, judged, protocol)["comparisons"] if found["metric"] == METRIC
    }


def show(name: str, predictions: dict[str, Any], measured: dict[str, dict[str, Any]]) -> int:
    """Print the tasks of a world, and return in how many of them the prediction is wrong.

    It is, where the intervals of both lie on different sides of 0.
    """
    wrong = 0
    for task, found in measured.items():
        prediction = predictions[task]
        gain = prediction["gain"]
        if gain is None:
            print(f"{name:<18}{task:<16}{prediction['verdict']:<15}")
            continue
        told = all(one["low"] > 0 or one["high"] < 0 for one in (gain["gain"], found))
        same = (gain["gain"]["value"] > 0) == (found["difference"] > 0)
        wrong += told and not same
        judgement = "same sign" if same else "OTHER SIGN" if told else "other sign, within chance"
        print(
            f"{name:<18}{task:<16}{prediction['verdict']:<15}{_interval(gain['gain'])}  {_interval(gain['pooling'])}  "
            f"{_interval({'value': found['difference'], **found})}  {judgement}",
            flush=True,
        )
    return wrong


def _interval(found: dict[str, float]) -> str:
    return f"{found['value']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code is 1 where a prediction is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="a folder for data and runs")
    parser.add_argument("--data", type=Path, help="a data folder, instead of simulated worlds")
    parser.add_argument("--divergence", default="0,1", help="of the worlds, with commas")
    for name, size in (("items", 4_000), ("users", 4_000), ("events", 240_000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=size)
    options = parser.parse_args(arguments)
    print(
        f"{'':<18}{'':<16}{'prediction':<15}{'gain, by counts on valid':<29}{'as if one task':<29}measured on {SPLIT}"
    )
    wrong = 0
    for name, data in _folders(options):
        predictions: Any = diagnose(data, None, None, options.seed, quiet=True)["predictions"]
        wrong += show(name, predictions, measure(data, options.work / f"{name}.run"))
    return int(wrong > 0)


def _folders(options: argparse.Namespace) -> list[tuple[str, Path]]:
    """Return the data folders to look at, by name, simulated where they are not there."""
    if options.data is not None:
        return [(options.data.name, options.data)]
    found = []
    for text in options.divergence.split(","):
        sizes = {"items": options.items, "users": options.users, "events": options.events, "seed": options.seed}
        name = f"divergence-{text}"
        data = options.work / f"{name}.data"
        if not data.exists():
            simulate(data, Knobs(divergence=float(text), requests=0, **sizes))
        found.append((name, data))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
