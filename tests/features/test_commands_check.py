from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from features.commands import check, import_data
from features.errors import DataError
from features.tables import open_data
from tests.features.table_world import EVENTS, with_value, write_folder

APP = typer.Typer()
APP.command("check")(check)
APP.command("import")(import_data)


def _run(*words: object) -> str:
    result = CliRunner().invoke(APP, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_check_prints_what_the_data_holds(tmp_path: Path) -> None:
    file = tmp_path / "check.json"
    assert "No rule is broken." in _run("check", write_folder(tmp_path / "data"), "--json", file)
    assert file.exists()


def test_check_fails_where_a_rule_is_broken(tmp_path: Path) -> None:
    root = write_folder(tmp_path, events=with_value(EVENTS, 1, item_id="ghost"))
    with pytest.raises(DataError, match=r"events\.unknown_item"):
        _run("check", root)


def test_check_goes_on_with_the_rest(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data", events=with_value(EVENTS, 1, item_id="ghost"))
    assert "1 rows of events" in _run("check", root, "--quarantine", tmp_path / "out")
    assert open_data(tmp_path / "out" / "data").events.collect().height == 3


def test_check_takes_the_configured_tasks(tmp_path: Path) -> None:
    root = write_folder(tmp_path, events=with_value(EVENTS, 0, task="feed"))
    assert 'the task "similar"' not in _run("check", root, "--tasks", "search, recommendation,feed")


def test_import_prints_what_it_wrote(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "movies.csv").write_text("movieId,title,genres\n1,Toy Story (1995),Comedy\n")
    (raw / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "".join(f"1,1,4.0,{n}\n" for n in range(20)))
    (raw / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,1,toys,0\n")
    assert "21 rows" in _run("import", "movielens", "--raw", raw, "--out", tmp_path / "data")
    assert _run("import", "movielens", "--raw", raw, "--out", tmp_path / "data", "--overwrite", "--quiet") == ""


def test_the_commands_are_imported_without_the_heavy_libraries() -> None:
    code = "import sys, features.commands; print(*{'polars', 'numpy', 'rich.table', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("", "rich.table")  # typer brings rich where it is installed
