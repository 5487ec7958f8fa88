from __future__ import annotations

from dataclasses import replace

import pytest

from features.errors import DataError
from serving import manifest
from training.config import FitConfig, TrackingConfig
from training.folder import claim, config_hash

CONFIG = FitConfig()
OTHER = FitConfig(refit=False)


def begin(out, data="d", config=CONFIG, **options):
    return claim(out, data, config, overwrite=options.get("overwrite", False))


def test_claiming_a_free_folder_writes_nothing(tmp_path):
    begin(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    begin(tmp_path / "empty")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_an_unfinished_fit_is_taken_up_with_its_notes(tmp_path):
    begin(tmp_path / "run").note(mlflow_run="abc")
    assert begin(tmp_path / "run").state["mlflow_run"] == "abc"


def test_a_fit_that_was_killed_before_its_first_note_is_taken_up(tmp_path):
    (tmp_path / "run" / ".fit").mkdir(parents=True)
    assert begin(tmp_path / "run").note().state == begin(tmp_path / "other").state


@pytest.mark.parametrize(
    ("data", "config", "differs"),
    [("e", CONFIG, "another data"), ("d", OTHER, "another config"), ("e", OTHER, "another data and config")],
)
def test_an_unfinished_fit_of_something_else_is_refused(tmp_path, data, config, differs):
    begin(tmp_path / "run").note()
    with pytest.raises(DataError, match=f"holds an unfinished fit of {differs}.*--overwrite"):
        begin(tmp_path / "run", data, config)
    begin(tmp_path / "run", data, config, overwrite=True)
    assert not (tmp_path / "run").exists()


def test_a_complete_run_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    manifest.write(tmp_path / "run", {})
    with pytest.raises(DataError, match=r"run: holds a complete run\. Name another --out, or pass --overwrite"):
        begin(tmp_path / "run")
    begin(tmp_path / "run", overwrite=True)
    assert not (tmp_path / "run").exists()


def test_a_replaced_run_waits_until_the_new_one_is_complete(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.txt").write_text("good")
    manifest.write(tmp_path / "run", {})
    begin(tmp_path / "run", overwrite=True).note().abandon()  # nothing was trained: the old run is back
    assert (tmp_path / "run" / "model.txt").read_text() == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    begin(tmp_path / "run", overwrite=True).note().finish()
    assert not (tmp_path / "run" / "model.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_others_are_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="holds files that are no run"):
        begin(tmp_path, overwrite=overwrite)
    with pytest.raises(DataError, match="a file is there"):
        begin(tmp_path / "thesis.txt", overwrite=overwrite)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_where_a_fit_is_tracked_decides_nothing():
    assert config_hash(CONFIG) == config_hash(replace(CONFIG, tracking=TrackingConfig(enabled=False)))
    assert config_hash(CONFIG) != config_hash(OTHER)


def test_what_failed_before_it_was_trained_leaves_nothing(tmp_path):
    begin(tmp_path / "run").note().abandon()
    assert not (tmp_path / "run").exists()


def test_what_was_trained_is_kept(tmp_path):
    target = begin(tmp_path / "run").note()
    (target.work / "choose").mkdir()
    (target.work / "choose" / "last.ckpt").write_bytes(b"")
    target.abandon()
    assert (target.work / "choose" / "last.ckpt").exists()
    target.finish()
    assert not target.work.exists()
