from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest

from serving.ranker import Ranker
from tests.training.overhearing import Overhearing
from tests.training.store import Store
from tests.training.worlds import config, fitted_run, world, write
from training.config import TrackingConfig
from training.fit import fit
from unicorn.__main__ import main


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str) -> Path:
    """The run folder of the tiny world; it is read, never written."""
    return fitted_run(tmp_path_factory.getbasetemp() / "fitted", tiny_encoder)


@pytest.fixture(scope="session")
def ranker(fitted: Path) -> Ranker:
    return Ranker.load(fitted)


@pytest.fixture(scope="session")
def data(fitted: Path) -> Path:
    return fitted.parent / "data"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A tracking store of the tests' own, in use for as long as they run."""
    folder, before = tmp_path_factory.mktemp("store"), mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        made = Store(folder)
        patch.setenv("MLFLOW_TRACKING_URI", made.uri)
        mlflow.set_tracking_uri(made.uri)
        yield made
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="session")
def overheard() -> Overhearing:
    """What the engines of ``tracked_run`` answered while it was trained."""
    return Overhearing()


@pytest.fixture(scope="session")
def tracked_run(
    store: Store, overheard: Overhearing, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str
) -> Path:
    """A tracked run that was fitted on train alone."""
    folder = tmp_path_factory.mktemp("tracked")
    settings = config(tiny_encoder, refit=False, tracking=TrackingConfig(experiment=store.experiment("tiny")))
    return fit(write(folder / "data", world()), folder / "run", settings, quiet=True, callbacks=(overheard,))


@pytest.fixture
def restored() -> Iterator[None]:
    """The front door sets up a process: environment, log levels; here several run in one."""
    levels = {name: logging.getLogger(name).level for name in ("features", "serving", "training", "unicorn")}
    before = dict(os.environ)
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def unicorn(capfd: pytest.CaptureFixture[str], restored: None) -> Callable[..., tuple[int, str, list[str]]]:
    """Run a command line; returns its exit code, standard output and the lines of standard error."""

    def run(*words: object) -> tuple[int, str, list[str]]:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return code, out, err.splitlines()

    return run
