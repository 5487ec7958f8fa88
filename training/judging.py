"""Runs under judgement: opened, checked, and told what was known before the judged split."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import polars as pl

from features.columns import Col, Split
from features.errors import DataError
from features.split import with_split
from features.tables import DataFolder, data_hash
from serving import exclusion
from serving.locate import locate
from serving.ranker import Ranker
from training.config import FitConfig
from training.evaluation.judged import LOG, Judged, read_judged
from training.evaluation.protocol import Contender, Protocol
from training.settings import read_config

logger = logging.getLogger(__name__)
CONFIG = "config.yaml"
"""The settings of a run, in its folder."""


@dataclass(frozen=True)
class Run:
    """A fitted run that is to be judged.

    Attributes:
        asked: as the user named it.
        folder: where it lies.
        ranker: its model at work.
        config: the settings that it was fitted with.
    """

    asked: str
    folder: Path
    ranker: Ranker
    config: FitConfig

    @property
    def refitted(self) -> bool:
        """Whether valid is among what it was fitted on."""
        return Split.VALID in self.ranker.facts.fitted_on


def open_run(run: str, split: str) -> Run:
    """Return the run to be judged on ``split``.

    Raises:
        DataError: there is no such run, or it has seen the split.
    """
    folder = locate(run)
    ranker = Ranker.load(folder)
    if split in ranker.facts.fitted_on:
        raise DataError(
            f"{run}: was fitted on {' and '.join(ranker.facts.fitted_on)}, so it cannot be judged on {split}. "
            "Judge it on test, or fit with --no-refit."
        )
    return Run(run, folder, ranker, read_config([folder / CONFIG], []))


def warn_of_other_data(run: Run, folder: DataFolder) -> None:
    """Say so where ``run`` was fitted on other data than is judged: its train rows may be among the judged ones."""
    if run.ranker.data_hash != data_hash(folder):
        logger.warning(
            "%s: was fitted on other data than %s. What is judged may be among what it has learned.",
            run.asked,
            folder.root,
        )


def require_own(run: Run, folder: DataFolder, baseline: str) -> None:
    """Refuse to make a ``baseline`` of a run that was not fitted on all tasks of this data.

    Raises:
        DataError: the run was fitted on other data, or on some tasks alone.
    """
    if run.ranker.data_hash != data_hash(folder):
        raise DataError(
            f"{run.asked}: was fitted on other data than {folder.root}, so {baseline} cannot be made of it there. "
            f"Fit it on this data, or leave out {baseline}."
        )
    if run.config.train_tasks is not None:
        tasks = ", ".join(run.config.train_tasks)
        raise DataError(f"{run.asked}: was trained on {tasks} alone. Leave out {baseline}.")


def require_place(option: str, path: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is judged."""
    if path is not None and path.is_dir():
        raise DataError(f"{path}: is a folder. Name a file as --{option}.")
    if path is not None and not path.absolute().parent.is_dir():
        raise DataError(f"{path}: its folder is not there. Make it, or name another file as --{option}.")


def protocol_of(
    run: Run, split: str, k: str, exclude_seen: str | None, seed: int, metrics: str | None = None
) -> Protocol:
    """Return the protocol under which ``run`` is judged; without ``exclude_seen`` it excludes what it does at work."""
    ranker = run.ranker
    excluded = ranker.exclude_seen if exclude_seen is None else exclusion.parse(exclude_seen, ranker.tasks)
    named = None if metrics is None else tuple(name.strip() for name in metrics.split(","))
    return Protocol(split=split, k=_cutoffs(k), exclude_seen=excluded, seed=seed, metrics=named, refit=run.refitted)


def contender(run: Run, known: pl.DataFrame, protocol: Protocol, name: str) -> Contender:
    """Return ``run`` as it serves when it is told ``known``, for judgement under ``protocol``."""
    ranker = run.ranker.knowing(known)

    @cache
    def strangers() -> Ranker:
        return run.ranker.knowing(known, ())  # which only the first of all contenders is asked for

    return Contender(
        name,
        rank=lambda requests, depth: ranker.rank(requests, depth, protocol.exclude_seen),
        score=ranker.score,
        candidates=lambda requests: ranker.candidates(requests, protocol.depth, protocol.exclude_seen),
        without_history=lambda requests, depth: strangers().rank(requests, depth, protocol.exclude_seen),
    )


def known_before(folder: DataFolder, protocol: Protocol) -> pl.DataFrame:
    """Return what users did before the judged split, in the order of the table, without rows of programs."""
    row = "__past_row"
    wanted = pl.col(Col.SPLIT).is_in(protocol.earlier) & (pl.col(Col.SOURCE) == LOG)
    earlier = with_split(folder.events.with_row_index(row)).filter(wanted)
    return earlier.collect().sort(row).drop(row)


def read_tuning(folder: DataFolder, judged: Judged, protocol: Protocol) -> Judged | None:
    """Return valid as baselines are tuned on it, with train to be fitted; None where it holds nothing to choose by."""
    if protocol.split == Split.VALID:
        return judged
    target = (pl.col(Col.SPLIT) == Split.VALID) & (pl.col(Col.LABEL) > 0) & (pl.col(Col.SOURCE) == LOG)
    if with_split(folder.events).filter(target).head(1).collect().is_empty():
        return None
    return read_judged(folder, replace(protocol, split=Split.VALID))


def _cutoffs(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(f"k: {text!r} is not a list of whole numbers. Pass for example 1,5,10,20,100.") from error
