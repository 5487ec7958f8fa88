from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from features.errors import DataError
from tests.training.diagnose.tastes import event, told_elsewhere, write
from training.commands import diagnose

APP = typer.Typer()
APP.command("diagnose")(diagnose)


def _run(*words: object) -> str:
    result = CliRunner().invoke(APP, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_file_holds_what_is_printed(tmp_path: Path) -> None:
    data, file = write(tmp_path / "data", told_elsewhere()), tmp_path / "diagnosis.json"
    printed = _run(data, "--json", file)
    found = json.loads(file.read_text())
    assert found["splits"] == {"counted": "train", "judged": "valid"}
    assert len(found["data"]["hash"]) == 64
    size = found["tasks"]["search"]
    assert (size["rows"], size["engaged"], size["users"], size["per_user"]) == (160, 160, 160, 1.0)
    assert size["per_item"] == 160 / 40
    assert found["pairs"][0]["users"] == {"both": 160, "jaccard": 1.0, "of_smaller": 1.0}
    assert [(one["source"], one["target"]) for one in found["directions"]] == [
        ("recommendation", "search"),
        ("search", "recommendation"),
    ]
    assert found["exclude_seen"] == ["recommendation"]
    prediction = found["predictions"]["search"]
    assert (prediction["verdict"], prediction["metric"]) == ("helps", "ndcg_at_10")
    assert 0 < prediction["gain"]["gain"]["low"] <= prediction["gain"]["gain"]["value"]
    assert f"search: joining helps: {'; '.join(prediction['reasons'])}." in printed


def test_a_task_of_any_name_is_diagnosed(tmp_path: Path) -> None:
    rows = [row | {"task": "feed" if row["task"] == "search" else row["task"]} for row in told_elsewhere()]
    assert "feed: joining helps" in _run(write(tmp_path, rows))


def test_what_cannot_be_judged_is_said(tmp_path: Path) -> None:
    rows = [row for row in told_elsewhere() if row["split"] == "train"]
    file = tmp_path / "diagnosis.json"
    printed = _run(write(tmp_path / "data", rows), "--json", file)
    assert "search: joining cannot be judged: too few engagements" in printed
    found = json.loads(file.read_text())
    assert found["predictions"]["search"]["gain"] is None
    assert found["directions"][0]["again"] is None


def test_what_is_left_out_can_be_named(tmp_path: Path) -> None:
    data, file = write(tmp_path / "data", told_elsewhere()), tmp_path / "diagnosis.json"
    for named, tasks in (("all", ["recommendation", "search"]), ("none", []), ("search", ["search"])):
        _run(data, "--quiet", "--json", file, "--exclude-seen", named)
        assert json.loads(file.read_text())["exclude_seen"] == tasks
    with pytest.raises(DataError, match="'serch' is not a task"):
        _run(data, "--exclude-seen", "serch")


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    assert _run(write(tmp_path, told_elsewhere()), "--quiet") == ""


def test_what_cannot_be_joined_is_one_line(tmp_path: Path) -> None:
    alone = write(tmp_path / "alone", [row for row in told_elsewhere() if row["task"] == "search"])
    shown = write(tmp_path / "shown", [event(task, 1, "a1", 1, "train", label=0.0) for task in ("search", "similar")])
    for folder, fault in ((alone, "nothing to join"), (shown, "no train rows"), (tmp_path / "none", "no such data")):
        with pytest.raises(DataError, match=fault) as caught:
            _run(folder)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"is a folder\. Name a file as --json"):
        _run(write(tmp_path / "data", told_elsewhere()), "--json", tmp_path)
