"""``unicorn evaluate``: what users of a run will get, judged per task beside baselines."""

from __future__ import annotations

import json as json_format
from pathlib import Path

import polars as pl
from rich.console import Console

from features.columns import Col
from features.errors import DataError
from features.rules import require_valid
from features.split import with_split
from features.tables import DataFolder, data_hash, open_data
from serving import exclusion
from serving.atomic import write_text
from serving.ranker import Ranker
from training.evaluation.baselines.registry import baseline_contenders, check_names
from training.evaluation.judge import judge
from training.evaluation.judged import LOG, read_judged
from training.evaluation.oracle import read_oracle
from training.evaluation.protocol import Contender, Protocol
from training.evaluation.table import print_evaluation


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
    quiet: bool = False,
) -> dict[str, object]:
    """Judge ``run`` on a split of ``data``, print the tables, write the JSON, and return it.

    Raises:
        DataError: the split holds nothing to judge, the run has seen it, or a name is unknown.
    """
    if json is not None and json.is_dir():
        raise DataError(f"{json}: is a folder. Name a file as --json.")
    names = [] if baselines.strip() in ("", "none") else [name.strip() for name in baselines.split(",")]
    check_names(names)
    ranker = Ranker.load(run)
    if split in ranker.facts.fitted_on:
        raise DataError(
            f"{run}: was fitted on {' and '.join(ranker.facts.fitted_on)}, so it cannot be judged on {split}. "
            "Judge it on test, or fit with --no-refit."
        )
    folder = open_data(data)
    require_valid(folder, ranker.tasks)
    protocol = Protocol(
        split=split,
        k=_cutoffs(k),
        exclude_seen=ranker.exclude_seen if exclude_seen is None else exclusion.parse(exclude_seen, ranker.tasks),
        seed=seed,
        refit="valid" in ranker.facts.fitted_on,
    )
    judged = read_judged(folder, protocol)
    oracle = read_oracle(folder.root, judged, protocol)
    contenders = [contender(ranker.knowing(known_before(folder, protocol)), protocol)]
    contenders += baseline_contenders(names, judged, protocol)
    evaluation = judge(
        contenders, judged, protocol, data_hash=data_hash(folder), model_id=ranker.model_id, oracle=oracle
    )
    if not quiet:
        print_evaluation(evaluation, Console())
    if json is not None:
        write_text(json, json_format.dumps(evaluation, indent=1) + "\n")
    return evaluation


def contender(ranker: Ranker, protocol: Protocol) -> Contender:
    """Return ``ranker`` as it serves, for judgement under ``protocol``."""
    return Contender(
        "unicorn", lambda requests, depth: ranker.rank(requests, depth, protocol.exclude_seen), ranker.score
    )


def known_before(folder: DataFolder, protocol: Protocol) -> pl.DataFrame:
    """Return what users did before the judged split, in the order of the table, without rows of programs."""
    row = "__past_row"
    wanted = pl.col(Col.SPLIT).is_in(protocol.earlier) & (pl.col(Col.SOURCE) == LOG)
    earlier = with_split(folder.events.with_row_index(row)).filter(wanted)
    return earlier.collect().sort(row).drop(row)


def _cutoffs(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(f"k: {text!r} is not a list of whole numbers. Pass for example 1,5,10,20,100.") from error
