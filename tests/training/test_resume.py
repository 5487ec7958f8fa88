"""A killed fit that is run again is the fit that was never killed, to the byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from features.errors import DataError
from tests.training.worlds import config, with_training, write_config
from training.fit import fit
from training.trainer import WholeCheckpoints

ROOT = Path(__file__).parents[2]


def tree(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def assert_same_run(one: Path, other: Path) -> None:
    left, right = tree(one), tree(other)
    assert left.keys() == right.keys()
    assert [name for name in left if left[name] != right[name]] == []


class StopError(Exception):
    pass


class StopAt(Callback):
    """Fails when the ``n``-th round from now begins, in whatever stage that is; counts the rounds."""

    def __init__(self, n: float = float("inf")) -> None:
        self.n, self.rounds = n, 0

    def on_train_epoch_start(self, trainer, stage):
        if self.rounds == self.n:
            raise StopError
        self.rounds += 1


class Counting(Callback):
    """Counts the rounds of each stage that it sees."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.run: Path | None = None

    def on_train_start(self, trainer, stage):
        self.rounds.append(0)

    def on_train_epoch_start(self, trainer, stage):
        self.rounds[-1] += 1

    @property
    def total(self) -> int:
        return sum(self.rounds)


class StopAtTheEnd(Callback):
    """Fails when the last round of a stage is over, and nobody has written down yet how it went."""

    def on_train_end(self, trainer, stage):
        raise StopError


@pytest.fixture(scope="module")
def whole(data, tiny_encoder, tmp_path_factory) -> Counting:
    """The rounds of each stage of a fit without interruption, which is once more that of ``fitted``."""
    counting = Counting()
    counting.run = fit(
        data, tmp_path_factory.mktemp("whole") / "run", config(tiny_encoder), quiet=True, callbacks=(counting,)
    )
    return counting


def test_the_same_seed_gives_the_same_run(whole, fitted):
    assert len(whole.rounds) == 4
    assert_same_run(whole.run, fitted)


def test_another_seed_gives_another(data, fitted, tmp_path, tiny_encoder):
    fit(data, tmp_path / "other", with_training(config(tiny_encoder), seed=1), quiet=True)
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != (fitted / "model.safetensors").read_bytes()


def test_a_fit_that_was_killed_goes_on_and_ends_the_same(data, fitted, whole, tmp_path, tiny_encoder, vector_cache):
    file = write_config(tmp_path / "config.yaml", config(tiny_encoder))
    command = [sys.executable, "-m", "tests.training.kill_fit", data, tmp_path / "run", file, "ranker", "2"]
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, "UNICORN_CACHE": str(vector_cache)},
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "run" / ".fit" / "choose" / "ranker" / "last.ckpt").is_file()
    assert not (tmp_path / "run" / "manifest.json").exists()
    counting = StopAt()
    fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(counting,))
    assert counting.rounds == whole.total - whole.rounds[0] - 2
    assert_same_run(tmp_path / "run", fitted)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("into", [0, 1])
def test_a_fit_may_fail_anywhere(data, fitted, whole, tmp_path, tiny_encoder, stage, into):
    """Before the first round of a stage, and in its second, where it has one."""
    rounds = sum(whole.rounds[:stage]) + min(into, whole.rounds[stage] - 1)
    with pytest.raises(StopError):
        fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(StopAt(rounds),))
    counting = StopAt()
    fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(counting,))
    assert counting.rounds == whole.total - rounds
    assert_same_run(tmp_path / "run", fitted)


def test_a_fit_may_fail_again_and_again(data, fitted, tmp_path, tiny_encoder):
    until_it_ends(data, tmp_path / "run", config(tiny_encoder))
    assert_same_run(tmp_path / "run", fitted)


def until_it_ends(data, run, settings):
    """Fit with a failure after every round."""
    for _ in range(60):
        try:
            return fit(data, run, settings, quiet=True, callbacks=(StopAt(1),))
        except StopError:
            continue
    raise AssertionError("no progress")


def test_a_fit_may_fail_at_the_end_of_every_stage(data, fitted, whole, tmp_path, tiny_encoder):
    counting = StopAt()
    for _ in range(4):
        with pytest.raises(StopError):
            fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(counting, StopAtTheEnd()))
    fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(counting,))
    assert counting.rounds == whole.total
    assert_same_run(tmp_path / "run", fitted)


@pytest.fixture(scope="module")
def stopping(tiny_encoder):
    """Settings with which a stage stops before its last round."""
    settings = config(tiny_encoder, refit=False)
    training = settings.training
    wild = {
        "patience": 1,
        "max_steps": 100,
        "max_epochs": 100.0,
        "learning_rate": 0.3,
        "warmup": 0,
        "max_rounds": 24,
        "least_gain": 0.0,
    }
    return with_training(settings, space=replace(training.space, **wild), ranker=replace(training.ranker, **wild))


@pytest.fixture(scope="module")
def stopped(data, stopping, tmp_path_factory):
    counting = StopAt()
    run = fit(data, tmp_path_factory.mktemp("stopped") / "run", stopping, quiet=True, callbacks=(counting,))
    assert counting.rounds < 40  # both stages stopped early
    return run, counting.rounds


def test_a_stage_keeps_its_best_round(stopped):
    run, rounds = stopped
    metrics = json.loads((run / "metrics.json").read_text())
    kept = (metrics["space_steps"] + metrics["ranker_steps"]) / 5
    assert kept == rounds - 2  # each stage trained one round more than it kept


def test_a_stage_that_had_stopped_early_does_not_go_on(data, stopped, stopping, tmp_path):
    counting = StopAt()
    for _ in range(2):
        with pytest.raises(StopError):
            fit(data, tmp_path / "run", stopping, quiet=True, callbacks=(counting, StopAtTheEnd()))
    fit(data, tmp_path / "run", stopping, quiet=True, callbacks=(counting,))
    run, rounds = stopped
    assert counting.rounds == rounds
    assert_same_run(tmp_path / "run", run)


def test_a_fit_that_stops_early_may_fail_again_and_again(data, stopped, stopping, tmp_path):
    until_it_ends(data, tmp_path / "run", stopping)
    assert_same_run(tmp_path / "run", stopped[0])


def test_an_unfinished_fit_is_not_taken_up_with_other_settings(data, tmp_path, tiny_encoder):
    with pytest.raises(StopError):
        fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(StopAt(2),))
    before = tree(tmp_path / "run")
    with pytest.raises(DataError, match="holds an unfinished fit of another config"):
        fit(data, tmp_path / "run", config(tiny_encoder, refit=False), quiet=True)
    assert tree(tmp_path / "run") == before


def test_an_interrupt_stays_an_interrupt(data, tmp_path, tiny_encoder):
    class Interrupt(Callback):
        def on_train_epoch_start(self, trainer, stage):
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(data, tmp_path / "run", config(tiny_encoder), quiet=True, callbacks=(Interrupt(),))
    assert signal.getsignal(signal.SIGINT) is before


def test_half_a_checkpoint_is_none(tmp_path, monkeypatch):
    plugin, file = WholeCheckpoints(), tmp_path / "deep" / "last.ckpt"
    plugin.save_checkpoint({"epoch": 1}, file)

    def fail(checkpoint, path):
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        plugin.save_checkpoint({"epoch": 2}, file)
    assert torch.load(file, weights_only=True) == {"epoch": 1}
    assert [path.name for path in file.parent.iterdir()] == ["last.ckpt"]
