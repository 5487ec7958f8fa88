"""The run as an MLflow model, in a real store: logged, loaded, asked with columns missing, found again by name."""

import json
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from features.errors import DataError
from serving import manifest
from serving.locate import locate
from serving.pyfunc import from_pandas, log_model, pinned_requirements, signature
from tests.serving.fake_ranker import install


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        location = (folder / "artifacts").as_uri()
        mlflow.create_experiment("pyfunc", artifact_location=location)
        yield uri
    mlflow.set_tracking_uri(before)


@pytest.fixture
def run_folder(tmp_path):
    folder = tmp_path / "some run"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    manifest.write(folder, {"data": {"hash": "data-0"}})
    return folder


@pytest.fixture
def fake(monkeypatch):
    return install(monkeypatch)


def log(run_folder, **options):
    experiment = mlflow.get_experiment_by_name("pyfunc").experiment_id
    with mlflow.start_run(experiment_id=experiment) as run:
        return log_model(run_folder, requirements=["polars==2.1.0"], **options), run.info.run_id


@pytest.fixture
def model(store, run_folder, fake):
    info, _ = log(run_folder)
    return mlflow.pyfunc.load_model(info.model_uri)


def test_a_frame_with_task_alone_is_ranked(model):
    answer = model.predict(pd.DataFrame({"task": ["search", "similar"]}), params={"top_k": 2})
    assert answer["request_id"].tolist() == ["0", "0", "1", "1"]
    assert answer["rank"].tolist() == [1, 2, 1, 2]
    assert answer["item_id"].tolist() == ["i0", "i1", "i0", "i1"]


def test_holes_in_any_column_are_missing_values(model):
    frame = pd.DataFrame(
        {
            "request_id": ["a", "b"],
            "task": ["search", "similar"],
            "user_id": [None, "u"],
            "country": [float("nan"), "DE"],
            "candidates": [["i7", "i8"], None],
        }
    )
    answer = model.predict(frame, params={"top_k": 2})
    assert answer["item_id"].tolist() == ["i7", "i8", "i1", "i2"]


def test_the_code_of_serving_travels_with_the_model(store, run_folder, fake):
    info, _ = log(run_folder)
    code = Path(mlflow.artifacts.download_artifacts(info.model_uri)) / "code"
    assert sorted(path.name for path in code.iterdir()) == ["features", "serving", "unicorn"]
    assert not list(code.rglob("__pycache__"))


def test_top_k_has_a_default(model):
    assert len(model.predict(pd.DataFrame({"task": ["search"]}))) == 10  # the whole catalogue of the fake


def test_a_frame_without_task_is_refused(model):
    with pytest.raises(mlflow.exceptions.MlflowException, match="task"):
        model.predict(pd.DataFrame({"query": ["red"]}))


def test_the_signature_requires_task_alone():
    assert signature().inputs.required_input_names() == ["task"]


def test_the_model_is_found_by_run_and_by_alias(store, run_folder, fake):
    info, run_id = log(run_folder, registered_model_name="unicorn")
    mlflow.MlflowClient().set_registered_model_alias("unicorn", "champion", 1)
    for run in (
        f"runs:/{run_id}",
        f"runs:/{run_id}/model",
        "models:/unicorn@champion",
        "models:/unicorn/1",
        info.model_uri,
    ):
        assert json.loads((locate(run) / "manifest.json").read_text())["data"] == {"hash": "data-0"}
        manifest.verify(locate(run))


@pytest.mark.parametrize("run", ["runs:/0123456789abcdef", "models:/nobody@champion", "models:/nobody/3"])
def test_what_the_store_does_not_have_is_one_line(store, run):
    with pytest.raises(DataError, match=f"{run}: not found in the MLflow store {store}"):
        locate(run)


def test_pandas_types_of_missing_become_null():
    frame = from_pandas(pd.DataFrame({"task": ["a", "b", "c", "d"], "query": [None, float("nan"), pd.NA, "q"], "x": 1}))
    assert frame.to_dict(as_series=False) == {"task": ["a", "b", "c", "d"], "query": [None, None, None, "q"]}


def test_requirements_name_versions_that_an_index_has():
    assert any(requirement.startswith("torch==2.") for requirement in pinned_requirements())
    assert not any("+" in requirement for requirement in pinned_requirements())
