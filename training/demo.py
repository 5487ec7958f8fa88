"""``unicorn demo``: the whole main job on the embedded marketplace, from no data to a report."""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from rich.console import Console

from features.progress import progress_bar
from features.simulate.knobs import WORLD, Knobs
from serving.atomic import write_text
from serving.export import MANIFEST, ExportSettings
from serving.export import export as write_answers
from serving.manifest import is_complete
from serving.ranker import Ranker
from training.config import FitConfig, TrackingConfig
from training.demo_folder import ARTIFACTS, STORE, DemoFolder, claim
from training.demo_page import demo_page
from training.evaluate import evaluate
from training.evaluation.headline import headline
from training.fit import fit
from training.folder import config_hash

BASELINES: Final = "popularity,bm25,ease"
K: Final = "1,5,10,20,100"
TOP_K: Final = 20
"""Items that the export answers a request with."""
logger = logging.getLogger(__name__)


def demo(
    out: Path, knobs: Knobs, *, overwrite: bool = False, quiet: bool = False, settings: FitConfig | None = None
) -> Path:
    """Simulate, fit, evaluate, export and report into ``out``; print a table per task, and return the report's path.

    Each step leaves a complete result or nothing, so that an unfinished demo of the same world goes on where it
    stopped.

    Args:
        out: new, empty, or unfinished by the same demo.
        knobs: of the world.
        overwrite: replace what another demo left in ``out``.
        quiet: no word on the steps and no progress bar; the results are printed all the same.
        settings: of the fit; None = the defaults.

    Raises:
        DataError: ``out`` is in use.
    """
    config = settings or FitConfig()
    identity = {"world": {"version": WORLD, **knobs.as_json()}, "settings": config_hash(config)}
    folder = claim(out, identity, overwrite=overwrite)
    steps = _steps(folder, knobs, config, quiet)
    for number, step in enumerate(steps, start=1):
        place = f"{number} of {len(steps)}"
        if step.is_done():
            logger.info("%s: %s: is there already", place, step.what)
            continue
        logger.info("%s: %s", place, step.what)
        start = monotonic()
        step.do(folder)
        _give_memory_back()
        folder = folder.took(step.name, monotonic() - start)
        logger.info("%s: took %s", place, duration(monotonic() - start))
    evaluation = json.loads(folder.evaluation.read_text(encoding="utf-8"))
    console = Console(highlight=False)
    for part in headline(evaluation):
        console.print(part)
    print(folder.report)
    return folder.report


def _give_memory_back() -> None:
    """Return what a step has left free to the system: a fit leaves circles of objects, and the allocator its gaps."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None  # of glibc alone
    if trim is not None:
        trim(0)


class Step(NamedTuple):
    """A part of the demo that leaves a complete result or nothing."""

    name: str
    what: str
    is_done: Callable[[], bool]
    do: Callable[[DemoFolder], object]


def _steps(folder: DemoFolder, knobs: Knobs, config: FitConfig, quiet: bool) -> tuple[Step, ...]:
    size = f"{knobs.items:,} items, {knobs.users:,} users, {knobs.events:,} events, seed {knobs.seed}"
    rivals = BASELINES.replace(",", ", ")
    return (
        Step(
            "simulate",
            f"a marketplace of {size} into {folder.data}",
            folder.data.is_dir,
            lambda folder: _simulate(folder, knobs, quiet),
        ),
        Step(
            "fit",
            f"one model for all tasks into {folder.run}",
            lambda: is_complete(folder.run),
            lambda folder: _fit(folder, config, quiet),
        ),
        Step(
            "evaluate",
            f"its evaluation beside {rivals} and the oracle into {folder.evaluation}",
            folder.evaluation.is_file,
            _evaluate,
        ),
        Step(
            "export",
            f"its answers to what is asked after the log into {folder.export}",
            (folder.export / MANIFEST).is_file,
            lambda folder: _export(folder, quiet),
        ),
        Step("report", f"a report into {folder.report}", folder.report.is_file, _report),
    )


def _simulate(folder: DemoFolder, knobs: Knobs, quiet: bool) -> None:
    from features.simulate.world import simulate

    with progress_bar("events", quiet) as progress:
        simulate(folder.data, knobs, overwrite=False, progress=progress)


def _fit(folder: DemoFolder, config: FitConfig, quiet: bool) -> None:
    tracked = replace(config, tracking=_tracking(folder.out, config.tracking))
    fit(folder.data, folder.run, tracked, quiet=quiet, progress=not quiet and sys.stderr.isatty())


def _tracking(out: Path, config: TrackingConfig) -> TrackingConfig:
    """Return settings that track into ``out``, unless the user has a store: a demo leaves nothing anywhere else."""
    if not config.enabled or config.uri or os.environ.get("MLFLOW_TRACKING_URI"):
        return config
    from mlflow import MlflowClient  # which takes seconds to import

    uri = f"sqlite:///{(out / STORE).absolute()}"
    client = MlflowClient(uri)
    if client.get_experiment_by_name(config.experiment) is None:  # MLflow would put artifacts where we stand
        client.create_experiment(config.experiment, artifact_location=(out / ARTIFACTS).absolute().as_uri())
    return replace(config, uri=uri)


def _evaluate(folder: DemoFolder) -> None:
    evaluate(str(folder.run), folder.data, "test", K, BASELINES, None, folder.evaluation, 0, quiet=True)


def _export(folder: DemoFolder, quiet: bool) -> None:
    ranker = Ranker.load(folder.run)
    settings = ExportSettings(top_k=TOP_K, exclude_seen=ranker.exclude_seen)
    with progress_bar("requests", quiet) as progress:
        write_answers(ranker, folder.data / "requests.parquet", folder.export, settings, progress=progress)


def _report(folder: DemoFolder) -> None:
    write_text(folder.report, demo_page(folder))


def duration(seconds: float) -> str:
    """Return a time for a person to read."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
