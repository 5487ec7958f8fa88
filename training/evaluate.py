"""``unicorn evaluate``: what users of a run will get, judged per task beside baselines."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

from rich.console import Console

from features.progress import progress_bar
from features.rules import require_valid
from features.tables import data_hash, open_data
from serving.atomic import write_text
from training.evaluation.judge import judge
from training.evaluation.judged import read_judged
from training.evaluation.oracle import read_oracle
from training.evaluation.page import evaluation_page
from training.evaluation.pages.markup import Html
from training.evaluation.table import print_evaluation
from training.judging import contender, known_before, open_run, protocol_of, require_place, warn_of_other_data
from training.rivals import parse_names, rivals
from training.track_evaluation import track

NAME = "unicorn"
"""The name of the judged run among the rankers."""


def evaluate(
    run: str,
    data: Path,
    split: str,
    k: str,
    baselines: str,
    exclude_seen: str | None,
    json: Path | None,
    seed: int,
    *,
    metrics: str | None = None,
    html: Path | None = None,
    quiet: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Judge ``run`` on a split of ``data``, print the tables, write JSON and HTML, and return the evaluation.

    It goes to MLflow where the run was tracked.

    Raises:
        DataError: the split holds nothing to judge, the run has seen it, or a name is unknown.
    """
    for option, path in (("json", json), ("html", html)):
        require_place(option, path)
    names = parse_names(baselines)
    judged_run = open_run(run, split)
    folder = open_data(data)
    require_valid(folder, judged_run.ranker.tasks)
    warn_of_other_data(judged_run, folder)
    protocol = protocol_of(judged_run, split, k, exclude_seen, seed, metrics)
    judged = read_judged(folder, protocol)
    oracle = read_oracle(folder.root, judged, protocol)
    known = known_before(folder, protocol)
    contenders = [contender(judged_run, known, protocol, NAME)]
    contenders += rivals(names, judged_run, folder, known, judged, protocol)
    with progress_bar("requests", not progress) as bar:
        evaluation = judge(
            contenders,
            judged,
            protocol,
            data_hash=data_hash(folder),
            model_id=judged_run.ranker.model_id,
            progress=lambda name, done, total: bar(done, total),
            oracle=oracle,
        )
    if not quiet:
        print_evaluation(evaluation, Console())
    if json is not None:
        write_text(json, json_format.dumps(evaluation, indent=1) + "\n")
    if html is not None:
        write_text(html, evaluation_page(f"Evaluation of {judged_run.folder.name}", Html(), evaluation, {}))
    track(evaluation, judged_run, folder, html)
    return evaluation
