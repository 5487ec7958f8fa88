"""What each group of features is worth: validation of a model without it, beside the one with the defaults.

``python -m benchmarks.ablation DATA … --out DIR [--seeds 0,1] [--only graph,…] [--everything]``

Everything is fitted on train and judged on valid. Context × candidate groups are left out of the ranker alone, which is
trained again over the same space and the same candidates; groups that a tower reads are left out of the whole fit. A
group that is off by default is added in a fit of its own. ``--everything`` begins with all groups on. What was measured
is kept in DIR, a file for each data set and seed, and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from features.blocks.registry import pair_columns, switched_on
from features.columns import Col, Split
from features.config import UseConfig
from features.events import is_ordered
from features.tables import open_data
from serving.assemble import model_sizes
from serving.engine import Engine, Listed
from training.config import FitConfig
from training.evaluation.judged import judged_split
from training.evaluation.protocol import Protocol
from training.fit import read_events
from training.holdout import manner_of
from training.phase import (
    Tables,
    Watch,
    excluded,
    excluded_tasks,
    prepare,
    ranker_lists,
    ranker_stage,
    run_phase,
    space_stage,
)
from training.ranker_stage import RankerStage
from training.stage import run_stage
from training.validation import Validation
from unicorn.model import UniCoRn

METRIC = "valid_ndcg_at_20/"
WHOLE = "whole"
ADDED = "+"
"""Before the name of a group that was added and not left out."""
TOWERS = ("text", "ngrams", "graph_part", "category", "countries", "history", "user", "quality")
"""Groups that a tower reads, so that the space is trained without them as well."""


def main() -> None:
    """Measure what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--only", default=None)
    parser.add_argument("--everything", action="store_true")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    groups = [one.name for one in fields(UseConfig)] if given.only is None else given.only.split(",")
    given.out.mkdir(parents=True, exist_ok=True)

    def out_of(data: Path, seed: int) -> Path:
        return Path(given.out / f"{data.name}-{seed}{'-everything' if given.everything else ''}.json")

    for data in given.data:
        for seed in seeds:
            Study(data, seed, out_of(data, seed), everything=given.everything).run(groups)
        show(data.name, [json.loads(out_of(data, seed).read_text()) for seed in seeds])


class Study:
    """The ablation of one data set with one seed, as far as it has come."""

    def __init__(self, data: Path, seed: int, out: Path, *, everything: bool = False) -> None:
        """Go on with what ``out`` holds, from the defaults or from all groups."""
        self.out = out
        self.found: dict[str, dict[str, float]] = json.loads(out.read_text()) if out.exists() else {}
        config = FitConfig(refit=False)
        use = UseConfig(**{one.name: True for one in fields(UseConfig)}) if everything else config.features.use
        features, training = replace(config.features, use=use), replace(config.training, seed=seed)
        self.config = replace(config, features=features, training=training)
        self.data = data

    def run(self, groups: list[str]) -> None:
        """Measure the model as it is configured, and with each of ``groups`` left out or added."""
        use = self.config.features.use
        names = [name if getattr(use, name) else ADDED + name for name in groups]
        missing = [name for name in (WHOLE, *names) if name not in self.found]
        if not missing:
            return
        tables = read_tables(self.data, self.config)
        whole_fits = [name for name in missing if name in TOWERS or name.startswith(ADDED)]
        of_pairs = [name for name in missing if name not in whole_fits]
        if of_pairs:
            self._pairs(tables, of_pairs)
        for name in whole_fits:
            self._switched(tables, name)

    def _note(self, name: str, metrics: dict[str, float]) -> None:
        self.found[name] = {key.removeprefix(METRIC): value for key, value in metrics.items() if key.startswith(METRIC)}
        self.out.write_text(json.dumps(self.found, indent=1))
        print(self.data.name, self.config.training.seed, name, self.found[name], flush=True)

    def _switched(self, tables: Tables, name: str) -> None:
        """Fit with one group left out or added."""
        use = replace(self.config.features.use, **{name.removeprefix(ADDED): name.startswith(ADDED)})
        config = replace(self.config, features=replace(self.config.features, use=use))
        with tempfile.TemporaryDirectory() as folder:
            self._note(name, run_phase(tables, config, Path(folder), Watch()).ranker.metrics)

    def _pairs(self, tables: Tables, names: list[str]) -> None:
        """Train the space once, and the ranker without each group."""
        config = self.config
        prepared = prepare(tables, config, quiet=True)
        torch.manual_seed(config.training.seed)
        model = UniCoRn(model_sizes(prepared.features), config.model)
        start = {name: value.clone() for name, value in model.ranker.state_dict().items()}
        seed, most = config.training.seed, config.training.valid_requests
        if tables.judged is None:
            raise ValueError(f"{self.data}: valid has nothing to judge by")
        validation = Validation.build(prepared.features, tables.judged, excluded(config), most, seed)
        with tempfile.TemporaryDirectory() as folder:
            run_stage(space_stage(prepared, model, tables.manner, validation, config), Path(folder) / "space")
        lists = ranker_lists(prepared, Engine.build(prepared.blind, model, config.serving), tables.manner, config)
        whole: dict[int, Listed] = {}
        for name in names:
            model.ranker.load_state_dict(start)
            kept = kept_columns(config.features.use, name)
            ablated = replace(lists, pairs=lists.pairs * kept)
            if name != WHOLE and np.array_equal(ablated.pairs, lists.pairs):  # the group has nothing to say here
                self._note(name, {METRIC + task: value for task, value in self.found[WHOLE].items()})
                continue
            stage = ranker_stage(prepared, model, ablated, validation, config, kind=Ablated)
            if not isinstance(stage, Ablated):
                raise TypeError("the stage is of another kind")
            stage.kept, stage.whole = kept, whole
            with tempfile.TemporaryDirectory() as folder:
                self._note(name, run_stage(stage, Path(folder)).metrics)
            model.requires_grad_(True)


class Ablated(RankerStage):
    """The ranker's stage with some columns 0, in training and in validation, over candidates that are found once."""

    kept: NDArray[np.float32]
    whole: dict[int, Listed]

    def listed(self, engine: Engine, validation: Validation, block: slice) -> Listed:
        """Return a block of the validation without the columns."""
        if block.start not in self.whole:
            self.whole[block.start] = validation.listed(engine, block)
        listed = self.whole[block.start]
        return listed._replace(pairs=listed.pairs * self.kept)


def kept_columns(use: UseConfig, name: str) -> NDArray[np.float32]:
    """Return (F,) 0 for the columns of the group ``name``, else 1."""
    gone = {column for block in switched_on(use) if block.name == name for column in block.columns}
    return np.array([column not in gone for column in pair_columns(use)], dtype=np.float32)


def read_tables(data: Path, config: FitConfig) -> Tables:
    """Return what a fit on train reads, judged on valid."""
    folder = open_data(data)
    items = folder.items.collect()
    users, scores = (None if table is None else table.collect() for table in (folder.users, folder.scores))
    events = read_events(folder)
    protocol = Protocol(split=Split.VALID, exclude_seen=excluded_tasks(config), seed=config.training.seed)
    judged = judged_split(items, events, protocol, users=users)
    train = events.filter(pl.col(Col.SPLIT) == Split.TRAIN)
    return Tables(items, users, scores, train, manner_of(events, ordered=is_ordered(events)), judged)


def show(name: str, found: list[dict[str, dict[str, float]]]) -> None:
    """Print the worth of each group in each task: the mean over seeds, and that of each seed."""
    tasks = sorted(found[0][WHOLE])
    print(f"\n{name}: ndcg_at_20 on valid that each group is worth, thousandths (of each seed)")
    print(f"{'':<18}" + "".join(f"{task:>26}" for task in tasks))
    print(f"{WHOLE:<18}" + "".join(f"{np.mean([one[WHOLE][task] for one in found]) * 1000:>26.1f}" for task in tasks))
    for group in found[0]:
        if group != WHOLE and all(group in one for one in found):
            sign = -1000 if group.startswith(ADDED) else 1000
            worth = [[(one[WHOLE][task] - one[group][task]) * sign for one in found] for task in tasks]
            cells = (f"{np.mean(each):+.1f} ({' '.join(f'{value:+.1f}' for value in each)})" for each in worth)
            print(f"{group:<18}" + "".join(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    main()
