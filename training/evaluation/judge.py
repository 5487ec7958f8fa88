"""The judge: rankers in, the evaluation file of the contract out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from features.columns import Col
from features.errors import DataError
from training.evaluation import comparisons
from training.evaluation.bounds import require_consistent
from training.evaluation.examples import examples
from training.evaluation.first_stage import judge_first_stage
from training.evaluation.hidden import judge_hidden
from training.evaluation.impressions import judge_impressions
from training.evaluation.judged import Judged
from training.evaluation.judgments import judge_judgments
from training.evaluation.protocol import Contender, Protocol, Seeds
from training.evaluation.served import Outcome, Progress, serve
from training.evaluation.slices import slice_masks
from training.evaluation.tasks import judge_task


def _silent(ranker: str, done: int, total: int) -> None:
    """Show no progress."""


def judge(
    contenders: Sequence[Contender | Seeds],
    judged: Judged,
    protocol: Protocol,
    *,
    data_hash: str = "",
    model_id: str = "",
    progress: Progress = _silent,
    oracle: Outcome | None = None,
) -> dict[str, Any]:
    """Return the evaluation of ``contenders``, the first of which is compared with each other one.

    Requests that agree in everything a ranker is told are ranked once and share the answer, for all rankers alike. The
    intervals of all rankers, metrics and slices of a task, and the differences between rankers, come from the same
    resamples. A figure that is undefined is left out. Of the first contender it is also told what a missing field
    costs, and examples of its answers.

    Args:
        contenders: with distinct names. Of one with several seeds, impressions, the first stage, missing fields and
            examples are not judged.
        judged: what they are judged on, see ``read_judged``.
        protocol: the settings with which ``judged`` was read.
        data_hash: of the data folder, for the file.
        model_id: of the model under judgement, for the file.
        progress: called after each block of requests.
        oracle: what the truth of a simulated world would have served, see ``read_oracle``. It is judged from the same
            resamples and listed under ``oracle``, apart from the rankers; without it that key is absent.
    """
    names = [contender.name for contender in contenders]
    if not names or len(set(names)) < len(names):
        raise DataError(f"rankers: {names} are not distinct names. Name each ranker once.")
    runs = {found.name: found.runs if isinstance(found, Seeds) else (found,) for found in contenders}
    outcomes = {name: tuple(serve(run, judged, protocol, progress) for run in found) for name, found in runs.items()}
    grades, differences = judge_judgments(runs, judged, protocol)
    rankers: dict[str, Any] = {name: {"tasks": {}, "judgments": grades[name]} for name in names}
    beside: dict[str, Any] = {"tasks": {}, "covered": {}}
    masks = slice_masks(judged)
    for task in judged.tasks:
        taking_part = {name: found for name, found in outcomes.items() if task in (runs[name][0].tasks or judged.tasks)}
        if not taking_part:
            continue
        report = judge_task(task, taking_part, judged, masks, protocol, oracle)
        differences += report.differences
        for name, node in report.nodes.items():
            rankers[name]["tasks"][task] = node
        beside["tasks"][task], beside["covered"][task] = report.oracle, report.covered
    for contender in contenders:
        if isinstance(contender, Contender):
            _add_parts(rankers[contender.name]["tasks"], contender, judged, protocol)
            if contender.settings is not None:
                rankers[contender.name]["settings"] = {task: dict(found) for task, found in contender.settings.items()}
    first, shown = contenders[0], {}
    if isinstance(first, Contender):
        outcome = outcomes[first.name][0]
        for task, node in judge_hidden(first, outcome, judged, protocol).items():
            rankers[first.name]["tasks"][task]["hidden"] = node
        shown = {"examples": examples(first, outcome, judged, protocol)}
    for name, node in rankers.items():
        _require_consistent(name, node)
    return {
        "protocol": protocol.as_json(),
        "data": {"hash": data_hash},
        "model": {"id": model_id},
        "rankers": rankers,
        "comparisons": comparisons.as_json(differences),
        **shown,
        **({} if oracle is None else {"oracle": beside}),
    }


def _add_parts(tasks: dict[str, Any], contender: Contender, judged: Judged, protocol: Protocol) -> None:
    """Add to the nodes of a ranker, by task, what is judged of it apart from its lists."""
    own = pl.col(Col.TASK).is_in(list(tasks))
    judged = replace(judged, targets=judged.targets.filter(own), shown=judged.shown.filter(own))
    for task, node in judge_impressions(contender, judged, protocol).items():
        tasks[task]["impressions"] = node
    for task, node in judge_first_stage(contender, judged, protocol).items():
        tasks[task]["ceiling"] = node


def _require_consistent(name: str, node: dict[str, Any]) -> None:
    for task, part in node["tasks"].items():
        require_consistent(f"{name}, {task}", part)
        for group, figures in part["slices"].items():
            require_consistent(f"{name}, {task}, {group}", figures)
