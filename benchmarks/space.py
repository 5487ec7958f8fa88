"""What the first stage finds: the space alone, each source by itself and all of them merged, beside baselines.

``python -m benchmarks.space DATA --out DIR [--seeds 0,1,2] [--split test] [--exclude-seen all]``

A plain fit for each seed is kept in DIR and is not repeated; a split of valid is judged on fits of train alone. Printed
are, for each task and as the mean over the seeds, the recall of the first 100 items of the space, the ceilings of the
merged candidates and of each source that is given all of their places, and what baselines reach, tuned on valid.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from features.columns import TASKS, Split
from features.tables import DataFolder, open_data
from serving import exclusion, manifest
from serving.config import CandidateConfig
from serving.ranker import Ranker
from training.config import FitConfig, TrackingConfig
from training.evaluation.baselines.registry import baseline_contenders
from training.evaluation.first_stage import judge_first_stage
from training.evaluation.judge import judge
from training.evaluation.judged import Judged, read_judged
from training.evaluation.protocol import Contender, Protocol
from training.fit import fit
from training.judging import known_before, open_run, read_tuning

BASELINES: Final = "ease,query-count-ease,ials,bm25"
FIRST: Final = 100
"""Items of the space whose recall is told."""
SPACE: Final = f"space, the first {FIRST}"
MERGED: Final = "merged"
SOURCES: Final = tuple(one.name for one in fields(CandidateConfig) if one.name not in ("total", "everything"))

Recalls = dict[str, dict[str, float]]
"""By what finds and by task, the mean share of a request's targets that is found."""


def measure(data: Path, run: Path, seed: int, options: argparse.Namespace) -> Recalls:
    """Return what the first stage of a fit finds; fit where it is not there."""
    if not manifest.is_complete(run):
        config = FitConfig(refit=options.split != Split.VALID, tracking=TrackingConfig(enabled=False))
        fit(data, run, replace(config, training=replace(config.training, seed=seed)), quiet=True)
    protocol, folder = protocol_of(options, refit=options.split != Split.VALID), open_data(data)
    judged, ranker = read_judged(folder, protocol), open_run(str(run), options.split).ranker
    ranker = ranker.knowing(known_before(folder, protocol))
    merged = ranker.engine.config.candidates
    nothing = replace(merged, **dict.fromkeys(SOURCES, 0), total=0, everything=0)
    stages = {SPACE: replace(nothing, space=FIRST), MERGED: merged}
    stages |= {f"{name} alone": replace(nothing, **{name: merged.total}) for name in SOURCES}
    return {name: recall(ranker, sizes, judged, protocol) for name, sizes in stages.items()}


def protocol_of(options: argparse.Namespace, *, refit: bool = True) -> Protocol:
    """Return the protocol that the options ask for."""
    excluded = exclusion.parse(options.exclude_seen, TASKS)
    return Protocol(
        split=options.split, k=(FIRST, CandidateConfig().total), exclude_seen=excluded, resamples=1, refit=refit
    )


def recall(ranker: Ranker, sizes: CandidateConfig, judged: Judged, protocol: Protocol) -> dict[str, float]:
    """Return by task the ceiling of the candidates that a first stage of ``sizes`` finds."""
    engine = replace(ranker.engine, config=replace(ranker.engine.config, candidates=sizes))
    narrowed = Ranker(engine, ranker.facts)

    def candidates(requests: pl.DataFrame) -> pl.DataFrame:
        return narrowed.candidates(requests, 1, protocol.exclude_seen)

    found = judge_first_stage(Contender("first stage", narrowed.rank, candidates=candidates), judged, protocol)
    return {task: node["recall"]["value"] for task, node in found.items()}


def baselines(folder: DataFolder, names: Sequence[str], options: argparse.Namespace) -> Recalls:
    """Return what the first 100 items of baselines find, and as many as there are candidates."""
    protocol = protocol_of(options, refit=options.split != Split.VALID)
    judged = read_judged(folder, protocol)
    contenders = baseline_contenders(list(names), judged, protocol, read_tuning(folder, judged, protocol))
    nodes: dict[str, Any] = judge(contenders, judged, protocol)["rankers"]
    return {
        f"{name}, {k}": {
            task: part["metrics"][f"recall_at_{k}"]["value"]
            for task, part in node["tasks"].items()
            if f"recall_at_{k}" in part["metrics"]
        }
        for name, node in nodes.items()
        for k in protocol.k
    }


def show(found: Sequence[Recalls], others: Recalls) -> None:
    """Print the table: means over fits, and how far fits lie apart."""
    tasks = sorted({task for recalls in (*found, others) for of_task in recalls.values() for task in of_task})
    print(f"{'':<28}" + "".join(f"{task:>24}" for task in tasks))
    for name in found[0]:
        values = [[recalls[name].get(task, np.nan) for recalls in found] for task in tasks]
        if not np.nansum(values):
            continue  # a source that has nothing to say here
        cells = (f"{np.mean(each):.4f} ({min(each):.4f}–{max(each):.4f})" for each in values)
        print(f"{name:<28}" + "".join(f"{cell:>24}" for cell in cells))
    for name, by_task in others.items():
        print(f"{name:<28}" + "".join(f"{by_task.get(task, np.nan):>24.4f}" for task in tasks))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit what is not there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a data folder")
    parser.add_argument("--out", type=Path, required=True, help="where fits are kept")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--split", default=Split.TEST, choices=(Split.VALID, Split.TEST))
    parser.add_argument("--exclude-seen", default="all")
    parser.add_argument("--baselines", default=BASELINES, help="names, with commas; empty for none")
    options = parser.parse_args(arguments)
    form = "" if options.split == Split.TEST else "-train"
    runs = {seed: options.out / f"{options.data.name}{form}-{seed}" for seed in map(int, options.seeds.split(","))}
    found = [measure(options.data, run, seed, options) for seed, run in runs.items()]
    named = [name for name in options.baselines.split(",") if name]
    show(found, baselines(open_data(options.data), named, options) if named else {})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
