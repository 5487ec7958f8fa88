"""The front door, as a real process: help, exit codes, and one line for a failure."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

COMMANDS = '''
import argparse, logging, sys, warnings
from typing import Annotated
import typer

logger = logging.getLogger("strangers.commands")

def greet(name: Annotated[str, typer.Argument(help="Whom.")], quiet: bool = False) -> None:
    """Say hello to somebody."""
    logger.info("an information")
    logger.warning("a warning")
    warnings.warn("noise of a third party")
    logging.getLogger("third.party").warning("more noise")
    logging.getLogger("chatty").setLevel(logging.DEBUG)
    logging.getLogger("chatty").debug("noise that asks to be heard")
    print("hello", name)

def fails(how: str) -> None:
    """Fail in a given way."""
    if how == "value":
        raise ValueError("items.parquet: 3 rows\\n  are wrong.  Mend them.")
    if how == "file":
        open("/no/such/file")
    if how == "key":
        raise KeyError("colour")
    if how == "empty":
        raise ValueError
    if how == "usage":
        raise typer.BadParameter("engine 'ray' is not known")
    if how == "argparse":
        raise argparse.ArgumentError(None, "no such key: model.widht")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "exit":
        sys.exit(2)

def tail(context: typer.Context, data: str) -> None:
    """Take whatever comes."""
    print(data, context.args)

tail.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}
'''

ENTRY_POINTS = """
[unicorn.commands]
greet = strangers.commands:greet
fails = strangers.commands:fails
tail = strangers.commands:tail
absent = strangers.nowhere:absent
"""


@pytest.fixture
def door(tmp_path):
    """Run the front door with a package of strangers that brings commands; returns the finished process."""
    (tmp_path / "strangers").mkdir()
    (tmp_path / "strangers" / "commands.py").write_text(COMMANDS)
    info = tmp_path / "strangers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "COLUMNS": "120"}
    environment.pop("PYTHONWARNINGS", None)

    def run(*words):
        command = [sys.executable, "-m", "unicorn", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)

    return run


def test_help_lists_every_command_with_its_line(door):
    done = door("--help")
    assert done.returncode == 0
    for text in ("greet", "Say hello to somebody.", "fails", "Fail in a given way.", "cannot be loaded"):
        assert text in done.stdout
    assert done.stderr == ""


def test_a_command_prints_results_on_stdout_and_logs_on_stderr(door):
    done = door("greet", "Ada")
    assert (done.returncode, done.stdout) == (0, "hello Ada\n")
    assert done.stderr.splitlines() == ["an information", "warning: a warning"]


def test_quiet_keeps_warnings_alone(door):
    assert door("greet", "Ada", "--quiet").stderr.splitlines() == ["warning: a warning"]


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("value", 1, "error: items.parquet: 3 rows are wrong. Mend them."),
        ("file", 1, "error: [Errno 2] No such file or directory: '/no/such/file'"),
        ("key", 1, "error: KeyError: 'colour'"),
        ("empty", 1, "error: ValueError"),
        ("argparse", 2, "error: no such key: model.widht"),
        ("interrupt", 130, "error: interrupted"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(door, how, code, line):
    done = door("fails", how)
    assert (done.returncode, done.stderr.splitlines(), done.stdout) == (code, [line], "")


@pytest.mark.parametrize("words", [("--debug", "fails", "value"), ("fails", "value", "--debug")])
def test_debug_anywhere_on_the_line_shows_the_traceback(door, words):
    done = door(*words)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_debug_after_two_dashes_is_an_argument(door):
    assert door("greet", "--", "--debug").stdout == "hello --debug\n"


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("greet",), ("greet", "Ada", "--levitate"), ("fails", "usage"), ("fails", "exit"), ("--levitate",)],
)
def test_wrong_usage_is_two(door, words):
    done = door(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_unknown_command_is_named(door):
    assert "nonsense" in door("nonsense").stderr


def test_a_command_may_take_a_free_tail(door):
    done = door("tail", "DATA", "--space.width=8", "--config", "a.yaml")
    assert done.stdout == "DATA ['--space.width=8', '--config', 'a.yaml']\n"


def test_a_command_that_cannot_be_imported_says_so_in_one_line(door):
    done = door("absent", "--any", "option")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "'absent' cannot be loaded from 'strangers.nowhere:absent'" in line


def test_help_imports_nothing_heavy(tmp_path):
    """Not with our own commands either: they are loaded for their one-line help."""
    modules = sorted({target.split(":")[0] for target in declared_commands().values() if exists(target)})
    code = f"""
import sys, importlib
from unicorn.__main__ import main
for module in {modules!r}:
    importlib.import_module(module)
main(["--help"])
heavy = {{"torch", "polars", "numpy", "pandas", "mlflow", "lightning", "faiss", "scipy", "jsonargparse"}}
sys.exit(" ".join(heavy & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def declared_commands():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["unicorn.commands"]


def exists(target):
    return (ROOT / (target.split(":")[0].replace(".", "/") + ".py")).exists()


@pytest.mark.parametrize(("name", "target"), declared_commands().items())
def test_every_declared_command_is_there_and_says_what_it_does(name, target):
    module, function = target.split(":")
    assert getattr(import_module(module), function).__doc__, f"{name} has no one-line help"
