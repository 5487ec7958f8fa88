"""``unicorn index``: the index of a run folder, built again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from features.errors import DataError
from serving import manifest, quality_weights
from serving.commands import index
from serving.index_rebuild import rebuild
from serving.quality_weights import WEIGHTS, as_json
from serving.ranker import Ranker
from serving.run import model_id
from tests.training.worlds import REQUESTS


@pytest.fixture
def copy(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def run(*words):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(index)
    return CliRunner().invoke(app, [str(word) for word in words])


def stored(folder):
    return json.loads((folder / "index" / "index.json").read_text())


def test_a_run_has_the_index_that_its_settings_say(fitted, ranker):
    told = stored(fitted)
    assert (told["factory"], told["metric"]) == ("Flat", "inner product")
    assert told["settings"]["factory"] == "auto"
    assert told["model"] == ranker.model_id
    assert told["items"] == ranker.items.height
    assert torch.equal(ranker.engine.index.vectors, ranker.engine.side.indexed)


def test_another_kind_finds_the_same_and_stays(copy, ranker):
    done = run(copy, "--factory", "HNSW8", "--ef-search", 1)
    assert done.exit_code == 0
    told = stored(copy)
    width = ranker.engine.index.vectors.shape[1]
    assert done.stdout == f"{copy}: HNSW8 of {ranker.items.height} items, {width} components\n"
    assert (told["settings"]["factory"], told["settings"]["ef_search"]) == ("HNSW8", 1)
    again = Ranker.load(copy)
    assert again.engine.index.factory == "HNSW8"
    assert again.model_id == ranker.model_id
    assert again.rank(list(REQUESTS), 3).height == ranker.rank(list(REQUESTS), 3).height


def test_what_is_not_given_stays_as_it_was(copy):
    rebuild(copy, {"factory": "HNSW8", "ef_search": 33})
    rebuild(copy, {"nprobe": 5})
    told = stored(copy)["settings"]
    assert (told["factory"], told["ef_search"], told["nprobe"], told["over_fetch"]) == ("HNSW8", 33, 5, 3.0)


def test_building_again_gives_the_same_run(copy):
    before = (copy / "manifest.json").read_bytes()
    assert run(copy, "--quiet").stdout == ""
    assert (copy / "manifest.json").read_bytes() == before
    run(copy, "--quiet", "--factory", "HNSW8")
    assert (copy / "manifest.json").read_bytes() != before
    run(copy, "--quiet", "--factory", "auto")
    assert (copy / "manifest.json").read_bytes() == before


def test_a_lost_index_comes_back(copy, ranker):
    (copy / "index" / "index.json").write_text("half")
    (copy / "index" / "items.faiss").unlink()
    with pytest.raises(DataError, match=r"index/index\.json: its SHA-256 is"):
        Ranker.load(copy)
    rebuild(copy, {})
    assert Ranker.load(copy).rank(list(REQUESTS)).equals(ranker.rank(list(REQUESTS)))


def test_what_cannot_be_built_leaves_the_run_as_it_was(copy):
    before = manifest.verify(copy)
    with pytest.raises(DataError, match="faiss cannot build 'Flatt'"):
        rebuild(copy, {"factory": "Flatt"})
    assert manifest.verify(copy) == before


def test_a_run_that_was_changed_elsewhere_is_refused(copy):
    (copy / "metrics.json").write_text("{}")
    with pytest.raises(DataError, match=r"metrics\.json: its SHA-256 is"):
        rebuild(copy, {})


@pytest.mark.parametrize(
    "words", [("--ef-search", "0"), ("--nprobe", "0"), ("--over-fetch", "0.5"), ("--threads", "0")]
)
def test_wrong_usage_is_two(words):
    assert run("RUN", *words).exit_code == 2


def test_a_run_whose_quality_weights_were_tuned_can_be_indexed_again(copy, ranker):
    """Its name tells of the weights, and its index is of the model alone."""
    tasks, components = ranker.tasks, ranker.engine.features.statistics.quality.names
    tuned = np.ones((len(tasks), len(components)))
    quality_weights.install(copy, {WEIGHTS: as_json(tuned, model_id(copy), tasks, components, {})})
    name = Ranker.load(copy).model_id
    assert name != ranker.model_id
    rebuild(copy, {"factory": "HNSW8"})
    again = Ranker.load(copy)
    assert (again.engine.index.factory, again.model_id) == ("HNSW8", name)
    assert again.engine.model.space.quality_weight.all()
