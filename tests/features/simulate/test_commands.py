"""``unicorn simulate`` as a user calls it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from features import commands
from features.commands import check, simulate
from features.errors import DataError
from features.simulate.knobs import Knobs

APP = typer.Typer()
APP.command("simulate")(simulate)
APP.command("check")(check)
SMALL = ("--items", 100, "--users", 20, "--events", 1_000, "--requests", 5)


def run(*words: object, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(APP, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_it_writes_a_data_folder_and_prints_its_size(tmp_path: Path) -> None:
    printed = run("simulate", "--out", tmp_path / "new" / "data", *SMALL)
    assert re.search(r"events +│ 1,000 rows", printed)
    assert re.search(r"items +│ 100 rows", printed)
    assert "No rule is broken." in run("check", tmp_path / "new" / "data")


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    assert run("simulate", "--out", tmp_path / "data", *SMALL, "--quiet") == ""
    assert (tmp_path / "data" / "items.parquet").exists()


def test_a_large_world_is_not_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SUMMED_UP", 999)
    printed = run("simulate", "--out", tmp_path / "data", *SMALL)
    assert printed == f"{tmp_path / 'data'}: 1,000 rows of events. `unicorn check` says what they hold.\n"


def test_every_knob_is_an_option(tmp_path: Path) -> None:
    knobs: dict[str, Any] = {
        "items": 60,
        "users": 5,
        "events": 70,
        "seed": 8,
        "days": 9,
        "tasks": "search, presearch",
        "divergence": 0.1,
        "overlap": 0.2,
        "cold": 0.3,
        "clickbait": 0.4,
        "drift": 0.5,
        "requests": 6,
    }
    assert set(knobs) == {field.name for field in fields(Knobs)}
    run(
        "simulate",
        "--out",
        tmp_path,
        "--quiet",
        *(word for name, value in knobs.items() for word in (f"--{name}", value)),
    )
    manifest = json.loads((tmp_path / "truth" / "manifest.json").read_text())
    assert manifest["knobs"] == knobs | {"tasks": ["search", "presearch"]}
    assert set(pl.read_parquet(tmp_path / "events")["task"]) <= {"search", "presearch"}


def test_help_names_every_default() -> None:
    printed = " ".join(re.sub(r"[│╭╮╰╯─]", " ", run("simulate", "--help")).split())
    for name, default in Knobs().as_json().items():
        shown = ",".join(default) if name == "tasks" else str(default)
        assert re.search(rf"--{name} [^-]*?\[default: {re.escape(shown)}\]", printed), name


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--items", -5), r"items: -5 is out of range"),
        (("--events", 0), r"events: 0 is out of range"),
        (("--seed", 10**30), r"seed: .* is out of range"),
        (("--cold", math.nan), r"cold: nan is no share"),
        (("--drift", 1.5), r"drift: 1\.5 is no share"),
        (("--tasks", "search,nonsense"), r'tasks: "nonsense" is no task'),
        (("--tasks", ","), r"tasks: none is named"),
        (("--tasks", "similar"), r'tasks: "similar" alone'),
    ],
)
def test_a_bad_knob_writes_nothing(tmp_path: Path, words: tuple[object, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        run("simulate", "--out", tmp_path / "data", *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("--items", "many"), ("--cold", "some"), ("--seed", "1.5"), ()])
def test_a_wrong_type_or_no_out_is_wrong_usage(tmp_path: Path, words: tuple[str, ...]) -> None:
    out = ("--out", tmp_path / "data") if words else ()
    run("simulate", *out, *words, code=2)


def test_a_place_in_use_is_refused_and_overwritten_where_asked(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "file"
    run("simulate", "--out", data, *SMALL, "--quiet")
    with pytest.raises(DataError, match="is in use already"):
        run("simulate", "--out", data, *SMALL)
    run("simulate", "--out", data, *SMALL, "--seed", 1, "--overwrite", "--quiet")
    (data / "notes.txt").touch()
    with pytest.raises(DataError, match=r'holds "notes\.txt"'):
        run("simulate", "--out", data, *SMALL, "--overwrite")
    file.touch()
    with pytest.raises(DataError, match="is in use already"):
        run("simulate", "--out", file, *SMALL)
    with pytest.raises(DataError, match="is a file"):
        run("simulate", "--out", file, *SMALL, "--overwrite")
