from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from features.errors import DataError
from serving import manifest
from serving.ranker import Ranker
from serving.run import load_run, model_id
from tests.training.worlds import REQUESTS


@pytest.fixture
def copy(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def test_the_folder_holds_what_the_contract_lists(fitted):
    names = {path.name for path in fitted.iterdir()}
    assert names >= {"config.yaml", "model.safetensors", "model.json", "features", "index", "metrics.json"}
    assert names >= {"manifest.json"}


def test_no_file_can_hold_code(fitted):
    kinds = {path.suffix for path in fitted.rglob("*") if path.is_file()}
    assert kinds <= {".yaml", ".json", ".safetensors", ".parquet", ".faiss", ".npy"}
    for path in fitted.rglob("*.npy"):  # which could hold objects, where these are let in
        assert not np.load(path, allow_pickle=False).dtype.hasobject


def test_whoever_may_read_the_folder_may_read_every_file(fitted):
    mode = (fitted / "model.json").stat().st_mode
    assert {path.stat().st_mode for path in fitted.rglob("*") if path.is_file()} == {mode}


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.json", "features/items.parquet", "index/items.faiss", "config.yaml"]
)
def test_a_changed_file_is_refused_by_name(copy, name):
    changed = bytearray((copy / name).read_bytes())
    changed[len(changed) // 2] ^= 1
    (copy / name).write_bytes(changed)
    with pytest.raises(DataError, match=rf"{name}: its SHA-256 is .* the file was changed"):
        Ranker.load(copy)


def test_a_missing_file_is_refused_by_name(copy):
    (copy / "features" / "shared" / "by_task.npy").unlink()
    with pytest.raises(DataError, match=r"shared/by_task\.npy: missing"):
        Ranker.load(copy)


def test_an_unfinished_run_is_refused(copy):
    (copy / "manifest.json").unlink()
    with pytest.raises(DataError, match="no finished run"):
        Ranker.load(copy)


def test_a_run_may_move(copy, ranker):
    requests = list(REQUESTS)
    assert Ranker.load(copy).rank(requests).equals(ranker.rank(requests))
    assert Ranker.load(copy).model_id == ranker.model_id


def test_features_of_another_version_are_refused(copy):
    file = copy / "features" / "schema.json"
    schema = json.loads(file.read_text())
    schema["hash"] = "0" * 64
    file.write_text(json.dumps(schema))
    described = json.loads((copy / "index" / "index.json").read_text())
    (copy / "index" / "index.json").write_text(json.dumps(described | {"model": model_id(copy)}))
    manifest.write(copy, {})
    with pytest.raises(DataError, match=r"schema\.json: written for other features"):
        Ranker.load(copy)


def test_what_a_run_says_of_itself(fitted):
    _, facts = load_run(fitted)
    assert facts.fitted_on == ("train", "valid")
    assert facts.model_id == model_id(fitted)
    told = manifest.read(fitted)
    assert told["data_hash"] == facts.data_hash
    assert told["seed"] == 0
    assert {"python", "torch", "polars"} <= told["versions"].keys()


def test_a_model_is_named_by_its_weights_and_features(copy, ranker):
    before = model_id(copy)
    assert before == ranker.model_id
    (copy / "metrics.json").write_text("{}")
    assert model_id(copy) == before
    (copy / "features" / "users.parquet").write_bytes(b"other")
    assert model_id(copy) != before
