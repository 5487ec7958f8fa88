"""The single-task twin: our own model with the same settings, trained on the rows of one task alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from features.columns import Col, Split
from features.errors import DataError
from features.tables import DataFolder, data_hash
from serving import manifest
from training.config import FitConfig
from training.evaluation.judged import Judged
from training.evaluation.protocol import Contender, Protocol
from training.fit import fit
from training.folder import claim, config_hash
from training.judging import Run, contender, open_run, require_own

NAME = "twin"
logger = logging.getLogger(__name__)


def twin(run: Run, folder: DataFolder, known: pl.DataFrame, judged: Judged, protocol: Protocol) -> Contender:
    """Return the twins of ``run`` as one ranker: each task is answered by the model that was trained on it alone.

    They have the settings, the early stopping and the seed of ``run``, and know the histories of their own task only;
    what was seen in any task is left out for them as for everybody. They are fitted on first use, into folders beside
    the run (``RUN.twins/TASK``), and taken from there afterwards. A task that train has no engagement of has no twin.

    Raises:
        DataError: the run was fitted on other data, or on some tasks alone.
    """
    require_own(run, folder, NAME)
    learned = set(judged.fitted.filter(pl.col(Col.SPLIT) == Split.TRAIN)[Col.TASK].unique())
    tasks = [task for task in judged.tasks if task in learned]
    if not tasks:
        raise DataError(f"{folder.root}: no judged task has an engagement in train. Leave out twin.")
    made = {task: contender(_twin_of(run, task, folder, protocol), known, protocol, NAME) for task in tasks}
    return Contender(
        NAME,
        rank=lambda requests, depth: _dispatch(requests, {task: _ranking(one, depth) for task, one in made.items()}),
        score=lambda requests: _dispatch(requests, {task: _scoring(one) for task, one in made.items()}),
        tasks=tuple(tasks),
    )


def _twin_of(run: Run, task: str, folder: DataFolder, protocol: Protocol) -> Run:
    """Return the twin of a task, fitted now unless it lies there."""
    config = replace(run.config, train_tasks=(task,), refit=run.refitted)
    config = replace(config, tracking=replace(config.tracking, log_model=False))
    out = run.folder.with_name(f"{run.folder.name}.twins") / task
    if _lies_there(out, config, data_hash(folder)):
        logger.info("twin of %s: taken from %s", task, out)
    else:
        logger.info("twin of %s: is trained into %s", task, out)
        fit(folder.root, out, config, overwrite=not _can_go_on(out, config, data_hash(folder)), quiet=True)
    return open_run(str(out), protocol.split)


def _lies_there(out: Path, config: FitConfig, data: str) -> bool:
    """Whether a complete run of the same settings and data is there."""
    if not manifest.is_complete(out):
        return False
    found = open_run(str(out), "")
    return found.ranker.data_hash == data and config_hash(found.config) == config_hash(config)


def _can_go_on(out: Path, config: FitConfig, data: str) -> bool:
    """Whether nothing is there, or a fit of the same settings and data that was interrupted."""
    try:
        claim(out, data, config, overwrite=False)
    except DataError:
        return False
    return True


_Answer = Callable[[pl.DataFrame], pl.DataFrame]


def _ranking(one: Contender, depth: int) -> _Answer:
    return lambda requests: one.rank(requests, depth)


def _scoring(one: Contender) -> _Answer:
    if one.score is None:
        raise TypeError(f"{one.name} does not score")
    return one.score


def _dispatch(requests: pl.DataFrame, answers: Mapping[str, _Answer]) -> pl.DataFrame:
    """Return what the ranker of each request's task answers."""
    parts = requests.partition_by(Col.TASK, maintain_order=True)
    return pl.concat([answers[part[Col.TASK][0]](part) for part in parts])
