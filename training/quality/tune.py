"""``unicorn tune-quality``: chooses w per task on valid with the train-only model, and puts it beside the index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from features.columns import Split
from features.errors import DataError
from features.progress import progress_bar
from features.rules import require_valid
from features.tables import DataFolder, data_hash, open_data
from serving import manifest, quality_weights
from serving.engine import Engine
from serving.locate import SCHEMES, locate
from serving.run import MODEL, model_id
from training.evaluation.judged import Judged, read_judged
from training.evaluation.protocol import Protocol
from training.fit import SELECTION
from training.judging import Run, known_before, open_run, protocol_of
from training.quality.report import plot, print_study
from training.quality.sample import DEPTH, Sample, halves
from training.quality.study import Verdict, decide, estimate_json, tune_task
from training.quality.sweep import sweep, sweep_json
from training.quality.track import track

MOST: Final = 10_000
"""Requests of a task at most; a seeded sample beyond."""
FEWEST: Final = 2
"""Trials at least: the first is w = 0."""
SWEEP, PLOT = "sweep.json", "sweep.png"


def tune_quality(
    run: str, data: Path, trials: int, seed: int, *, quiet: bool = False, progress: bool = False
) -> dict[str, Verdict]:
    """Tune w of ``run`` on valid of ``data``, write it for the run and its selection, and return a verdict per task.

    The study goes to MLflow where the run was tracked.

    Args:
        run: a run folder.
        data: what the run was fitted on.
        trials: on each half of each task's requests.
        seed: of the halves, the sampler and the intervals.
        quiet: print nothing.
        progress: show a bar.

    Raises:
        DataError: the run has nothing that was fitted on train alone, or no quality components; or the data is not
            what it was fitted on, or has nothing in valid to choose by. Nothing is written then.
    """
    if trials < FEWEST:
        raise DataError(f"trials: {trials} is below {FEWEST}, and the first is w = 0. Pass a larger number.")
    folder = _writable(run)
    chooser = open_run(str(_chooser(folder)), Split.VALID)
    tables = open_data(data)
    protocol = protocol_of(chooser, Split.VALID, str(DEPTH), None, seed)
    judged, engine = _judged(chooser, tables, protocol), _engine(chooser, tables, protocol)
    components = engine.features.statistics.quality.names
    known = chooser.config.train_tasks or engine.features.tasks
    samples = {
        task: [
            Sample.read(engine, judged, part, protocol.exclude_seen, task) for part in halves(judged, task, MOST, seed)
        ]
        for task in judged.tasks
        if task in known
    }
    with progress_bar("trials", not progress) as bar:
        done, total = count(1), 2 * trials * len(samples)
        found = [
            tune_task(task, one, other, components, trials, seed, lambda: bar(next(done), total))
            for task, (one, other) in samples.items()
        ]
    verdicts, together = decide(found, seed)
    sweeps = {verdict.task: sweep(verdict, samples[verdict.task], components) for verdict in verdicts if verdict.trials}
    weights, study = _matrix(engine, verdicts), {"data": data_hash(tables), "trials": trials, "seed": seed}
    told = {"together": estimate_json(together), "tasks": {one.task: one.as_json(components) for one in verdicts}}

    def files(model: str) -> dict[str, bytes]:
        own = quality_weights.as_json(weights, model, engine.features.tasks, components, {**study, **told})
        return {quality_weights.WEIGHTS: own, **beside}

    beside = {SWEEP: sweep_json(sweeps), **({PLOT: plot(sweeps)} if sweeps else {})}
    chosen = files(model_id(chooser.folder))
    track(chooser, folder.name, tables, verdicts, components, {**study, "most": MOST}, chosen)
    quality_weights.install(chooser.folder, chosen)
    if chooser.folder != folder:
        quality_weights.install(folder, files(model_id(folder)), (SELECTION,))
    if not quiet:
        print_study(verdicts, together, sweeps, components, Console())
    return {verdict.task: verdict for verdict in verdicts}


def _writable(run: str) -> Path:
    """Return the folder of a run that can be written to."""
    if run.startswith(SCHEMES):
        raise DataError(f"{run}: is kept by MLflow, where nothing is changed. Give the run folder itself.")
    return locate(run)


def _chooser(folder: Path) -> Path:
    """Return the run, in or of ``folder``, that was fitted on train alone."""
    if manifest.is_complete(folder / SELECTION):
        return folder / SELECTION
    fitted_on = json.loads((folder / MODEL).read_text())["fitted_on"]
    if Split.VALID in fitted_on:
        raise DataError(
            f"{folder}: was fitted on {' and '.join(fitted_on)} and holds no {SELECTION} that was fitted on train "
            "alone, so there is nothing to choose w with. Fit it again."
        )
    return folder


def _judged(run: Run, tables: DataFolder, protocol: Protocol) -> Judged:
    """Return valid of the data that ``run`` was fitted on."""
    if run.ranker.data_hash != data_hash(tables):
        raise DataError(
            f"{run.asked}: was fitted on other data than {tables.root}, whose valid may be among what it has learned. "
            "Give the data that it was fitted on."
        )
    require_valid(tables, run.ranker.tasks)
    judged = read_judged(tables, protocol)
    if judged.targets.is_empty():
        raise DataError(
            f"{tables.root}: split {Split.VALID!r} has no engaged row that may be served, so there is nothing to "
            "choose w by. Add some, or leave w at 0."
        )
    return judged


def _engine(run: Run, tables: DataFolder, protocol: Protocol) -> Engine:
    """Return the model at work, told what was known before valid, if it has quality to weigh."""
    engine = run.ranker.knowing(known_before(tables, protocol)).engine
    if not engine.side.indexed[:, engine.side.vector.shape[1] :].any():
        raise DataError(
            f"{run.asked}: no quality component differs between its items, so there is nothing to weigh. "
            "Name columns in features.quality, and leave features.use.quality on."
        )
    return engine


def _matrix(engine: Engine, verdicts: Sequence[Verdict]) -> NDArray[np.float64]:
    """Return the weights (T, Q) of all tasks of the run, 0 where none were tuned."""
    weights = np.zeros(tuple(engine.model.space.quality_weight.shape))
    for verdict in verdicts:
        weights[engine.features.tasks.index(verdict.task)] = verdict.weight
    return weights
