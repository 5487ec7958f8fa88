"""Which folders a demo may fill, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from features.errors import DataError
from training.demo_folder import claim

WORLD = {"world": {"version": 1, "items": 300, "seed": 0}, "settings": "abc"}


def other(**world: Any) -> dict[str, Any]:
    return WORLD | {"world": WORLD["world"] | world}  # type: ignore[operator]


def unfinished(out: Path) -> Path:
    """Leave a demo that has simulated, was killed in a second simulation, and has a store of MLflow."""
    claim(out, WORLD, overwrite=False).took("simulate", 1.25)
    for name in ("data", ".data.77.partial", "run", "mlruns"):
        (out / name).mkdir()
        (out / name / "file").write_text(name)
    for name in ("mlflow.db", "mlflow.db-journal"):
        (out / name).write_text(name)
    return out


def complete(out: Path) -> Path:
    unfinished(out)
    (out / "report.html").write_text("done")
    return out


def names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()}


@pytest.mark.parametrize("exists", [True, False])
def test_a_free_folder_is_marked_at_once(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "a" / "demo"
    if exists:
        out.mkdir(parents=True)
        (out / ".DS_Store").write_text("a file manager was here")
    folder = claim(out, WORLD, overwrite=False)
    assert folder.seconds == {}
    assert json.loads((out / "demo.json").read_text()) == {"identity": WORLD, "seconds": {}}


def test_an_unfinished_demo_of_the_same_world_goes_on(tmp_path: Path) -> None:
    folder = claim(unfinished(tmp_path), WORLD, overwrite=False)
    assert folder.seconds == {"simulate": 1.2}
    assert names(tmp_path) == {"data", "demo.json", "mlflow.db", "mlflow.db-journal", "mlruns", "run"}


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (other(items=500), "holds an unfinished demo of another world (items 300, asked is 500). Finish that one"),
        (other(version=2), "another world (version 1, asked is 2)"),
        (WORLD | {"settings": "xyz"}, "holds an unfinished demo of other settings"),
    ],
)
def test_an_unfinished_demo_of_something_else_is_refused(
    tmp_path: Path, identity: dict[str, Any], message: str
) -> None:
    unfinished(tmp_path)
    before = names(tmp_path)
    with pytest.raises(DataError) as caught:
        claim(tmp_path, identity, overwrite=False)
    assert message in str(caught.value)
    assert names(tmp_path) == before


def test_a_complete_demo_is_refused(tmp_path: Path) -> None:
    before = names(complete(tmp_path))
    with pytest.raises(DataError, match=r"holds a complete demo\. Pass --overwrite to replace it"):
        claim(tmp_path, WORLD, overwrite=False)
    assert names(tmp_path) == before


@pytest.mark.parametrize("leave", [complete, unfinished])
def test_overwriting_begins_anew(tmp_path: Path, leave: Any) -> None:
    leave(tmp_path)
    folder = claim(tmp_path, other(items=500), overwrite=True)
    assert folder.seconds == {}
    assert names(tmp_path) == {"demo.json"}
    assert json.loads((tmp_path / "demo.json").read_text())["identity"]["world"]["items"] == 500


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("leave", [complete, unfinished, lambda out: out])
def test_foreign_files_are_named_and_left_alone(tmp_path: Path, leave: Any, overwrite: bool) -> None:
    leave(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = names(tmp_path)
    with pytest.raises(DataError, match=r"holds 'notes\.txt', which no demo has made"):
        claim(tmp_path, WORLD, overwrite=overwrite)
    assert names(tmp_path) == before


def test_a_folder_with_the_names_of_a_demo_is_none(tmp_path: Path) -> None:
    """Somebody's own data and run may have these names, too."""
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match="holds 'data', which no demo has made"):
        claim(tmp_path, WORLD, overwrite=True)
    assert names(tmp_path) == {"data", "run"}


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(DataError, match="a file is in the way"):
        claim(tmp_path / "demo", WORLD, overwrite=True)


@pytest.mark.parametrize("text", ["", "[]", '{"identity": {}}'])
def test_a_state_that_no_demo_writes_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    with pytest.raises(DataError, match=r"demo\.json: not what a demo writes"):
        claim(tmp_path, WORLD, overwrite=True)
