"""Weights of quality on disk: put in place whole, read into the model, refused where they are another's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from features.errors import DataError
from serving import manifest
from serving.quality_weights import FOLDER, WEIGHTS, as_json, install
from serving.ranker import Ranker
from serving.run import model_id

TASKS = ("search", "recommendation", "similar", "presearch")
COMPONENTS = ("engagements", "engagement_rate", "trend", "freshness")


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def weights(value: float) -> np.ndarray:
    return value * np.arange(1, 17, dtype=np.float64).reshape(4, 4)


def told(run: Path, value: float = 0.5, **changes) -> bytes:
    found = json.loads(as_json(weights(value), model_id(run), TASKS, COMPONENTS, {"seed": 0}))
    return json.dumps(found | changes).encode()


def served(run: Path) -> torch.Tensor:
    return Ranker.load(run).engine.model.space.quality_weight


def test_a_run_that_was_never_tuned_has_no_weights(run):
    assert not served(run).any()


def test_weights_are_those_of_the_run_once_installed(run):
    ranker = Ranker.load(run)
    assert (ranker.tasks, ranker.engine.features.statistics.quality.names) == (TASKS, COMPONENTS)
    before = manifest.read(run)
    place = install(run, {WEIGHTS: told(run), "more.txt": b"more"})
    assert place.parent == run / FOLDER
    torch.testing.assert_close(served(run), torch.from_numpy(weights(0.5)).float())
    after = manifest.verify(run)
    assert after["files"].keys() - before["files"].keys() == {
        f"{FOLDER}/{place.name}/{name}" for name in (WEIGHTS, "more.txt")
    }
    assert {**after, "files": None} == {**before, "files": None}
    assert Ranker.load(run).model_id == f"{ranker.model_id}-{place.name}"  # other weights answer otherwise


@torch.inference_mode()
def test_the_scores_of_the_space_hold_the_weighed_quality(run):
    install(run, {WEIGHTS: told(run)})
    engine = Ranker.load(run).engine
    request = torch.nn.functional.normalize(torch.ones(1, 1, engine.side.vector.shape[1]), dim=-1)
    found = engine.model.space.search_vectors(request, torch.tensor([2])) @ engine.index.vectors.T
    weight = 0.5 * torch.tensor([9.0, 10.0, 11.0, 12.0])  # the third task's
    quality = torch.from_numpy(engine.features.statistics.quality.values) @ weight
    expected = engine.model.space.scale * request[0] @ engine.side.vector.T + quality
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5)


def test_installing_again_replaces(run):
    first = install(run, {WEIGHTS: told(run, 0.5), "more.txt": b"more"})
    second = install(run, {WEIGHTS: told(run, 2.0)})
    assert not first.exists()
    assert [path.name for path in (run / FOLDER).iterdir()] == [second.name]
    torch.testing.assert_close(served(run), torch.from_numpy(weights(2.0)).float())
    assert not any("more.txt" in name for name in manifest.verify(run)["files"])
    assert install(run, {WEIGHTS: told(run, 2.0)}) == second  # the same again
    assert served(run).any()


def test_a_run_in_a_run_is_described_too(run):
    inner = run / "selection"
    install(inner, {WEIGHTS: told(inner, 3.0)})
    with pytest.raises(DataError, match=r"selection/manifest\.json: its SHA-256"):
        manifest.verify(run)
    install(run, {WEIGHTS: told(run, 3.0)}, ("selection",))
    for folder in (run, inner):
        torch.testing.assert_close(served(folder), torch.from_numpy(weights(3.0)).float())
    first = {name for name in manifest.verify(run)["files"] if name.startswith("selection/quality/")}
    install(inner, {WEIGHTS: told(inner, 4.0)})
    install(run, {WEIGHTS: told(run, 4.0)}, ("selection",))
    second = {name for name in manifest.verify(run)["files"] if name.startswith("selection/quality/")}
    assert len(first) == len(second) == 1
    assert not first & second


def test_who_is_killed_before_the_manifest_leaves_the_run_as_it_was(run, monkeypatch):
    install(run, {WEIGHTS: told(run, 0.5)})

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "renew", killed)
        with pytest.raises(KeyboardInterrupt):
            install(run, {WEIGHTS: told(run, 2.0)})
    torch.testing.assert_close(served(run), torch.from_numpy(weights(0.5)).float())
    place = install(run, {WEIGHTS: told(run, 3.0)})
    assert [path.name for path in (run / FOLDER).iterdir()] == [place.name]


def test_changed_weights_are_refused_by_name(run):
    place = install(run, {WEIGHTS: told(run)})
    (place / WEIGHTS).write_bytes(told(run, 9.0))
    with pytest.raises(DataError, match=r"weights\.json: its SHA-256 is .* the file was changed"):
        Ranker.load(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "0" * 64}, r"weights\.json: the weights are of model 000000000000, not "),
        ({"tasks": ["search"]}, r"its tasks are search, those of the run search, recommendation, similar, presearch"),
        ({"tasks": [*TASKS[::-1]]}, r"its tasks are presearch, similar"),
        ({"components": ["rating", *COMPONENTS[1:]]}, r"its components are rating, .* those of the run engagements, "),
        ({"weights": [[1.0] * 4] * 3}, r"the weights are not 4 × 4 finite numbers"),
        ({"weights": [[float("nan")] * 4] * 4}, r"the weights are not 4 × 4 finite numbers"),
        ({"weights": [["a"] * 4] * 4}, r"holds no quality weights"),
        ({"weights": [[1.0], [1.0, 2.0]]}, r"holds no quality weights"),
    ],
)
def test_weights_of_something_else_are_one_clear_error(run, changes, message):
    install(run, {WEIGHTS: told(run, **changes)})
    with pytest.raises(DataError, match=message) as error:
        Ranker.load(run)
    assert "\n" not in str(error.value)
    assert "Run `unicorn tune-quality` on this run again" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_a_file_that_holds_no_weights_is_one_clear_error(run, content):
    install(run, {WEIGHTS: content})
    with pytest.raises(DataError, match=r"weights\.json: holds no quality weights"):
        Ranker.load(run)


def test_a_manifest_that_lists_two_is_refused(run):
    for name in ("a", "b"):
        (run / FOLDER / name).mkdir(parents=True)
        (run / FOLDER / name / WEIGHTS).write_bytes(told(run))
    manifest.write(run, {key: value for key, value in manifest.read(run).items() if key not in ("files", "format")})
    with pytest.raises(DataError, match="the manifest lists weights 2 times"):
        Ranker.load(run)
    install(run, {WEIGHTS: told(run)})
    assert served(run).any()
