import hashlib
import json

import pytest

from features.errors import DataError
from serving import manifest
from serving.atomic import replacing
from serving.locate import locate


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "features").mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    (folder / "features" / "counts.npy").write_bytes(b"12345")
    manifest.write(folder, {"seed": 7})
    return folder


def test_every_file_is_listed_with_its_hash(run):
    told = json.loads((run / "manifest.json").read_text())
    assert told == {
        "format": 1,
        "seed": 7,
        "files": {
            "features/counts.npy": {"sha256": hashlib.sha256(b"12345").hexdigest(), "bytes": 5},
            "model.json": {"sha256": hashlib.sha256(b"{}").hexdigest(), "bytes": 2},
        },
    }
    assert manifest.verify(run) == told


def test_writing_again_gives_the_same_bytes(run):
    before = (run / "manifest.json").read_bytes()
    manifest.write(run, {"seed": 7})
    assert (run / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in run.iterdir()) == ["features", "manifest.json", "model.json"]


def test_a_changed_file_is_named(run):
    (run / "features" / "counts.npy").write_bytes(b"12346")
    with pytest.raises(DataError, match=r"features/counts.npy: its SHA-256 is .* the file was changed"):
        manifest.verify(run)


def test_a_missing_file_is_named(run):
    (run / "model.json").unlink()
    with pytest.raises(DataError, match=r"model.json: missing"):
        manifest.verify(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "lists no files"), ('{"files": {}, "format": 99}', "format 99, this version reads 1")],
)
def test_a_foreign_manifest_is_refused(run, text, message):
    (run / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=message):
        manifest.verify(run)


def test_a_folder_without_manifest_is_no_finished_run(run):
    (run / "manifest.json").unlink()
    assert not manifest.is_complete(run)
    for ask in (manifest.verify, locate):
        with pytest.raises(DataError, match=r"there is no manifest.json, so this is no finished run"):
            ask(run)


def test_a_run_folder_is_located(run, tmp_path):
    assert locate(str(run)) == run
    with pytest.raises(DataError, match="no such run folder"):
        locate(tmp_path / "elsewhere")


def test_versions_tell_python_and_libraries():
    assert {"python", "torch", "polars"} <= set(manifest.versions())


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("a.txt", "before")]
