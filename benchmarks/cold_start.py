"""How well the space finds items that nobody engaged with before: one item in ten is held out of all fitted events.

``python -m benchmarks.cold_start DATA --out DIR [--seed 0]``

Recall of the first 20 items of the space, on test: of targets that are held-out items, beside a space that knows items
by their ids alone and beside the cosine of texts; and of the other targets, beside a space that nothing was held from.
Fits are kept in DIR and are not repeated.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.space import SOURCES, recall
from features.columns import TASKS, Col, Split
from features.split import with_split
from features.tables import open_data
from serving import exclusion, manifest
from training.config import FitConfig, TrackingConfig
from training.evaluation.baselines.registry import baseline_contenders
from training.evaluation.judge import judge
from training.evaluation.judged import read_judged
from training.evaluation.protocol import Protocol
from training.fit import fit
from training.judging import known_before, open_run, read_tuning

HELD: Final = 0.1
"""Share of the items."""
FIRST: Final = 20
CONTENT: Final = ("text", "ngrams", "graph_part", "category", "countries", "quality")
"""Switches of what the item tower reads beside the id."""
TIMES_IDS: Final = 3.0
"""At least as many times the recall of ids alone."""
LOSS: Final = 0.02
"""At most this share of the recall of other targets."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit what is not there, and print the tables; the exit code is 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a data folder")
    parser.add_argument("--out", type=Path, required=True, help="where tables and fits are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exclude-seen", default="all")
    options = parser.parse_args(arguments)
    work = options.out / f"{options.data.name}-{options.seed}"
    held, others = split_tables(options.data, work, options.seed)
    plain = replace(FitConfig(), tracking=TrackingConfig(enabled=False))
    plain = replace(plain, training=replace(plain.training, seed=options.seed))
    use = replace(plain.features.use, **dict.fromkeys(CONTENT, False))
    ids = replace(plain, features=replace(plain.features, use=use))
    ours, by_id = (fitted(held, work / name, config) for name, config in (("held", plain), ("ids", ids)))
    whole = fitted(options.data, work / "whole", plain)
    excluded = exclusion.parse(options.exclude_seen, TASKS)
    new = {name: of_space(held, run, excluded) for name, run in (("ours", ours), ("ids alone", by_id))}
    new["text cosine"] = of_texts(held, excluded)
    known = {name: of_space(others, run, excluded) for name, run in (("ours", ours), ("nothing held out", whole))}
    show("targets that are held-out items", new)
    show("the other targets", known)
    kept = [
        new["ours"][task] > 0
        and new["ours"][task] >= TIMES_IDS * new["ids alone"][task]
        and new["ours"][task] >= new["text cosine"][task]
        and known["ours"][task] >= (1 - LOSS) * known["nothing held out"][task]
        for task in new["ours"]
    ]
    return int(not all(kept))


def split_tables(data: Path, work: Path, seed: int) -> tuple[Path, Path]:
    """Write two data folders without a fitted row of the items held out: one is judged on them, one on the others."""
    folder = open_data(data)
    items = folder.items.collect().sort(Col.ITEM)
    rng = np.random.default_rng(seed)
    out = items.get_column(Col.ITEM).gather(rng.permutation(items.height)[: round(HELD * items.height)]).implode()
    events = with_split(folder.events)
    is_out, judged = pl.col(Col.ITEM).is_in(out), pl.col(Col.SPLIT) == Split.TEST
    fitted_rows = ~judged & ~is_out & ~pl.col(Col.SOURCE_ITEM).is_in(out).fill_null(value=False)
    found = []
    for name, wanted in (("held-out", is_out), ("others", ~is_out)):
        place = work / name
        if not place.exists():
            place.mkdir(parents=True)
            for table, frame in folder.tables().items():
                if table != "events":
                    frame.sink_parquet(place / f"{table}.parquet")
            events.filter(fitted_rows | (judged & wanted)).sink_parquet(place / "events.parquet")
        found.append(place)
    return found[0], found[1]


def fitted(data: Path, run: Path, config: FitConfig) -> Path:
    """Return a fit of ``data``, done where it is not there."""
    if not manifest.is_complete(run):
        fit(data, run, config, quiet=True)
    return run


def of_space(data: Path, run: Path, excluded: tuple[str, ...]) -> dict[str, float]:
    """Return by task the recall of the first items of the space of a run."""
    protocol, folder = Protocol(k=(FIRST,), exclude_seen=excluded, resamples=1), open_data(data)
    ranker = open_run(str(run), Split.TEST).ranker.knowing(known_before(folder, protocol))
    nothing = replace(ranker.engine.config.candidates, **dict.fromkeys(SOURCES, 0), total=0, everything=0)
    return recall(ranker, replace(nothing, space=FIRST), read_judged(folder, protocol), protocol)


def of_texts(data: Path, excluded: tuple[str, ...]) -> dict[str, float]:
    """Return by task the recall of the first items by the cosine of texts."""
    protocol, folder = Protocol(k=(FIRST,), exclude_seen=excluded, resamples=1), open_data(data)
    judged = read_judged(folder, protocol)
    contenders = baseline_contenders(["vectors"], judged, protocol, read_tuning(folder, judged, protocol))
    tasks = judge(contenders, judged, protocol)["rankers"]["vectors"]["tasks"]
    return {task: part["metrics"][f"recall_at_{FIRST}"]["value"] for task, part in tasks.items() if part["metrics"]}


def show(title: str, found: dict[str, dict[str, float]]) -> None:
    """Print a table."""
    tasks = sorted(next(iter(found.values())))
    print(f"\n{title}: recall_at_{FIRST} of the space\n{'':<20}" + "".join(f"{task:>18}" for task in tasks))
    for name, by_task in found.items():
        print(f"{name:<20}" + "".join(f"{by_task.get(task, float('nan')):>18.4f}" for task in tasks), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
