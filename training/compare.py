"""``unicorn compare``: paired differences between runs, per task; runs that differ in their seed alone are folded."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
from rich.console import Console

from features.errors import DataError
from features.rules import require_valid
from features.tables import data_hash, open_data
from serving.atomic import write_text
from training.evaluation.judge import judge
from training.evaluation.judged import read_judged
from training.evaluation.protocol import Contender, Protocol, Seeds
from training.evaluation.table import print_evaluation
from training.folder import config_hash
from training.judging import Run, contender, known_before, open_run, protocol_of, require_place, warn_of_other_data


def compare(
    runs: Sequence[str],
    data: Path,
    split: str,
    k: str,
    exclude_seen: str | None,
    json: Path | None,
    seed: int,
    *,
    metrics: str | None = None,
    quiet: bool = False,
) -> dict[str, object]:
    """Judge ``runs`` on the same requests, the first against each other one, and return the evaluation.

    A run that was trained on some tasks alone is judged in these. Runs of the same data and settings but for the seed
    count as one: their figures are means, with the value of each seed and their spread beside them.

    Raises:
        DataError: there are fewer than two runs to compare, they were fitted on different splits, one of them has seen
            the judged split, or the split holds nothing to judge.
    """
    require_place("json", json)
    if len(set(runs)) < len(runs):
        raise DataError(f"{', '.join(runs)}: names a run twice. Name each once.")
    opened = [open_run(run, split) for run in runs]
    _require_alike(opened)
    groups = fold(opened)
    if len(groups) < 2:
        what = "one ranker with several seeds" if len(runs) > 1 else "one ranker"
        raise DataError(
            f"{', '.join(runs)}: is {what}, and there is nothing to compare it with. Name another run; "
            "`unicorn evaluate` judges one."
        )
    folder = open_data(data)
    for run in opened:
        require_valid(folder, run.ranker.tasks)
        warn_of_other_data(run, folder)
    protocol = protocol_of(opened[0], split, k, exclude_seen, seed, metrics)
    judged = read_judged(folder, protocol)
    known = known_before(folder, protocol)
    evaluation = judge(
        [_contender(name, found, known, protocol) for name, found in groups.items()],
        judged,
        protocol,
        data_hash=data_hash(folder),
        model_id=opened[0].ranker.model_id,
    )
    evaluation["runs"] = {
        name: [
            {
                "run": run.asked,
                "model": run.ranker.model_id,
                "data": run.ranker.data_hash,
                "seed": run.config.training.seed,
            }
            for run in found
        ]
        for name, found in groups.items()
    }
    if not quiet:
        print_evaluation(evaluation, Console())
    if json is not None:
        write_text(json, json_format.dumps(evaluation, indent=1) + "\n")
    return evaluation


def fold(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs by name, those together that differ in nothing but their seed, in the order of the first of each.

    A name is that of the folder of the first run, with the number of seeds where there are several; runs whose folders
    are called the same go by what the user named.
    """
    groups: list[list[Run]] = []
    for run in runs:
        same = next((group for group in groups if _differ_in_seed_alone(run, group)), None)
        if same is None:
            groups.append([run])
        else:
            same.append(run)
    short = [group[0].folder.name for group in groups]
    names = short if len(set(short)) == len(short) else [group[0].asked for group in groups]
    return {
        name if len(group) == 1 else f"{name} ({len(group)} seeds)": group
        for name, group in zip(names, groups, strict=True)
    }


def _differ_in_seed_alone(run: Run, others: Sequence[Run]) -> bool:
    seeds = {other.config.training.seed for other in others}
    return _but_for_the_seed(run) == _but_for_the_seed(others[0]) and run.config.training.seed not in seeds


def _but_for_the_seed(run: Run) -> tuple[str, str]:
    training = replace(run.config.training, seed=0)
    return config_hash(replace(run.config, training=training)), run.ranker.data_hash


def _require_alike(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.refitted != first.refitted:
            told = [f"{one.asked} on {' and '.join(one.ranker.facts.fitted_on)}" for one in (first, run)]
            raise DataError(f"{' but '.join(told)} were fitted, so they cannot be compared. Fit both alike.")
        if run.ranker.tasks != first.ranker.tasks:
            raise DataError(
                f"{run.asked}: knows the tasks {', '.join(run.ranker.tasks)}, and {first.asked} knows "
                f"{', '.join(first.ranker.tasks)}. Fit both with the same task_names."
            )


def _contender(name: str, runs: Sequence[Run], known: pl.DataFrame, protocol: Protocol) -> Contender | Seeds:
    tasks = runs[0].ranker.facts.train_tasks
    made = tuple(contender(run, known, protocol, name)._replace(tasks=tasks) for run in runs)
    return made[0] if len(made) == 1 else Seeds(name, made)
