"""``unicorn fit``: choose on valid with everything fitted on train, then fit the same on train and valid."""

from __future__ import annotations

import gc
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch
from lightning.pytorch.callbacks import Callback

from features.columns import Col, Split
from features.errors import DataError
from features.events import is_ordered
from features.rules import require_valid
from features.split import with_split
from features.tables import DataFolder, data_hash, open_data
from serving import manifest
from serving.atomic import write_text
from serving.engine import Engine
from serving.run import save_run
from training.config import FitConfig
from training.evaluation.judged import judged_split
from training.evaluation.protocol import Protocol
from training.folder import FitFolder, claim
from training.holdout import manner_of
from training.phase import Fitted, Tables, Watch, excluded_tasks, run_phase
from training.schedule import Outcome
from training.settings import show_config
from training.tracking import Tracking

_ENGAGED = (pl.col(Col.LABEL) > 0) & (pl.col(Col.WEIGHT) > 0)
SELECTION = "selection"
"""Folder, in a refitted run, of the run that was fitted on train alone."""
logger = logging.getLogger(__name__)


def fit(
    data: Path,
    out: Path,
    config: FitConfig,
    *,
    overwrite: bool = False,
    quiet: bool = False,
    progress: bool = False,
    callbacks: tuple[Callback, ...] = (),
) -> Path:
    """Train on a data folder and return the run folder ``out``, complete.

    A killed fit goes on where it stopped when it is called again, and ends with the same weights.

    Args:
        data: the data folder.
        out: the run folder.
        config: settings.
        overwrite: replace what an earlier fit left in ``out``.
        quiet: say nothing.
        progress: show bars.
        callbacks: Lightning callbacks that follow every stage.

    Raises:
        DataError: the tables break a rule, or ``out`` is in use.
    """
    folder = open_data(data)
    _check_tasks(config)
    require_valid(folder, config.task_names)
    log = read_events(folder)
    events = _trained(folder, log, config)
    name = data_hash(folder)
    target = claim(out, name, config, overwrite=overwrite)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    tracking = None
    if config.tracking.enabled:
        tracking = Tracking(config.tracking, out.name, target.state.get("mlflow_run"))
        if target.state.get("mlflow_run") != tracking.run_id:
            tracking.describe(config, data, name, events)
        target = target.note(mlflow_run=tracking.run_id)
    else:
        target = target.note()
    try:
        watch = Watch(tracking.logger if tracking else None, progress, callbacks)
        watch_refit = replace(watch, logger=tracking.refit_logger if tracking else None)
        seen = None if config.train_tasks is None else log.filter(pl.col(Col.LABEL) > 0)
        del log
        metrics = _fit(folder, events, seen, target, config, name, watch, watch_refit)
        target.finish()
        if tracking:
            tracking.finish(metrics, out)
    except BaseException as error:
        if tracking:
            tracking.fail()
        if isinstance(error, Exception):  # who interrupts a fit means to go on with it
            target.abandon()
        raise
    if not quiet:
        logger.info("%s: complete", out)
    return out


def _check_tasks(config: FitConfig) -> None:
    excluded_tasks(config)
    unknown = [task for task in config.train_tasks or () if task not in config.task_names]
    if unknown:
        known = ", ".join(config.task_names)
        raise DataError(f"tasks: {unknown[0]!r} is not a task of the configuration. Give some of {known}.")


def read_events(folder: DataFolder) -> pl.DataFrame:
    """Return the events that train and valid hold, in the order of the tables, each with its split."""
    row = "__fit_row"
    wanted = pl.col(Col.SPLIT) != Split.TEST
    return with_split(folder.events.with_row_index(row)).filter(wanted).collect().sort(row).drop(row)


def _trained(folder: DataFolder, events: pl.DataFrame, config: FitConfig) -> pl.DataFrame:
    """Return the rows of ``events`` that are trained on or chosen by.

    Raises:
        DataError: none of them is an engaged row of train.
    """
    if config.train_tasks is not None:
        events = events.filter(pl.col(Col.TASK).is_in(config.train_tasks))
    if not events.select(_ENGAGED & (pl.col(Col.SPLIT) == Split.TRAIN)).to_series().any():
        tasks = ", ".join(config.train_tasks or config.task_names)
        raise DataError(
            f"{folder.root}: no row of train with label and weight above 0 in the tasks {tasks}. Give --tasks others."
        )
    return events


def _fit(
    folder: DataFolder,
    events: pl.DataFrame,
    seen: pl.DataFrame | None,
    target: FitFolder,
    config: FitConfig,
    name: str,
    watch: Watch,
    watch_refit: Watch,
) -> dict[str, float]:
    items = folder.items.collect()
    users, scores = (None if table is None else table.collect() for table in (folder.users, folder.scores))
    train = events.filter(pl.col(Col.SPLIT) == Split.TRAIN)
    valid = events.filter(pl.col(Col.SPLIT) == Split.VALID)
    judged = None
    manner = manner_of(events, ordered=is_ordered(events))
    if (valid.get_column(Col.LABEL) > 0).any():
        protocol = Protocol(split=Split.VALID, exclude_seen=excluded_tasks(config), seed=config.training.seed)
        judged = judged_split(items, events, protocol, users=users)
    if judged is None or judged.targets.is_empty():
        judged = None
        logger.warning("%s: valid has nothing to choose on, so stages train for their longest time", folder.root)
    refit = config.refit and valid.height > 0
    chosen = run_phase(Tables(items, users, scores, train, manner, judged), config, target.work / "choose", watch)
    metrics = _metrics(chosen)
    first = target.out / SELECTION if refit else target.out
    before = None if seen is None else seen.filter(pl.col(Col.SPLIT) == Split.TRAIN)
    _write(first, chosen, before, config, name, (Split.TRAIN,), metrics, complete=refit)
    outcomes = (chosen.space, chosen.ranker)
    del chosen, judged  # the second phase needs the memory
    gc.collect()
    if refit:
        steps = tuple(outcome.steps for outcome in outcomes)
        logger.info("chosen: %d steps of the space, %d of the ranker; fitting on train and valid", *steps)
        tables = Tables(items, users, scores, events, manner, None)
        both = run_phase(tables, config, target.work / "refit", watch_refit, outcomes)
        _write(target.out, both, seen, config, name, (Split.TRAIN, Split.VALID), metrics, complete=False)
    shutil.rmtree(target.work / "choose", ignore_errors=True)
    shutil.rmtree(target.work / "refit", ignore_errors=True)
    manifest.write(target.out, _facts(config, name))
    return metrics


def _metrics(fitted: Fitted) -> dict[str, float]:
    """Return what validation said of the kept weights, and for how long they were trained."""
    found = {f"{stage}_{name}": value for stage, outcome in _stages(fitted) for name, value in outcome.metrics.items()}
    return found | {f"{stage}_steps": float(outcome.steps) for stage, outcome in _stages(fitted)}


def _stages(fitted: Fitted) -> tuple[tuple[str, Outcome], ...]:
    return (("space", fitted.space), ("ranker", fitted.ranker))


def _write(
    folder: Path,
    fitted: Fitted,
    seen: pl.DataFrame | None,
    config: FitConfig,
    name: str,
    splits: tuple[str, ...],
    metrics: dict[str, float],
    *,
    complete: bool,
) -> None:
    """Write a run; its manifest comes now if it is ``complete``, else with the fit that it belongs to.

    ``seen`` are the engagements of all tasks, where the run is trained on some of them alone.
    """
    features = fitted.features if seen is None else fitted.features.with_events(seen, config.train_tasks)
    engine = Engine.build(features, fitted.model, config.serving)
    save_run(folder, engine, {"data_hash": name, "fitted_on": splits, "train_tasks": config.train_tasks})
    write_text(folder / "config.yaml", show_config(config))
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    if complete:
        manifest.write(folder, _facts(config, name))


def _facts(config: FitConfig, name: str) -> dict[str, object]:
    return {"data_hash": name, "seed": config.training.seed, "versions": manifest.versions()}


def with_options(config: FitConfig, tasks: str | None, refit: bool | None) -> FitConfig:
    """Return ``config`` with what the command's own options say."""
    if tasks is not None:
        config = replace(config, train_tasks=tuple(name.strip() for name in tasks.split(",")))
    return config if refit is None else replace(config, refit=refit)
