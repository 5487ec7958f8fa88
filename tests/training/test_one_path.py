"""One path: however a model is asked, it says the same."""

from __future__ import annotations

import json

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest

from serving.export import ExportSettings, export
from serving.ranker import Ranker
from tests.training.overhearing import TOP_K
from tests.training.worlds import REQUESTS

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def ranker(tracked_run):
    return Ranker.load(tracked_run)


@pytest.fixture(scope="module")
def answer(ranker):
    return ranker.rank(REQUESTS, TOP_K, ())


def assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.select("request_id", "task", "item_id").equals(expected.select("request_id", "task", "item_id"))
    np.testing.assert_allclose(found["score"], expected["score"], **CLOSE)


def test_what_was_trained_is_what_is_loaded(tracked_run, overheard, answer):
    """The engine of the validation whose weights were kept."""
    kept = int(json.loads((tracked_run / "metrics.json").read_text())["ranker_steps"]) // 5 - 1
    assert_same(overheard.answers["ranker", kept], answer)
    others = [found for (stage, epoch), found in overheard.answers.items() if (stage, epoch) != ("ranker", kept)]
    assert not any(np.allclose(found["score"], answer["score"], **CLOSE) for found in others)  # weights do change


def test_what_is_ranked_is_what_is_scored(ranker, answer):
    named = answer.group_by("request_id", maintain_order=True).agg(candidates="item_id")
    requests = pl.DataFrame(REQUESTS, infer_schema_length=None).join(named, on="request_id", maintain_order="left")
    assert_same(ranker.score(requests), answer)
    assert_same(ranker.rank(requests, TOP_K), answer)


def test_one_by_one_is_all_at_once(ranker, answer):
    assert_same(pl.concat([ranker.rank([request], TOP_K, ()) for request in REQUESTS]), answer)


@pytest.mark.parametrize("block_size", [5, 1000])
def test_what_is_exported_is_what_is_ranked(ranker, answer, tmp_path, block_size):
    pl.DataFrame(REQUESTS, infer_schema_length=None).write_parquet(tmp_path / "requests.parquet")
    settings = ExportSettings(top_k=TOP_K, exclude_seen=(), block_size=block_size)
    export(ranker, tmp_path / "requests.parquet", tmp_path / "out", settings)
    parts = [pl.read_parquet(path) for path in sorted((tmp_path / "out").glob("*.parquet"))]
    assert_same(pl.concat(parts), answer)


def test_the_model_in_mlflow_says_the_same(store, ranker):
    run_id = store.run().info.run_id
    expected = ranker.rank(REQUESTS, TOP_K)
    frame = pd.DataFrame([{**dict.fromkeys(names()), **request} for request in REQUESTS], dtype=object)
    predicted = mlflow.pyfunc.load_model(f"runs:/{run_id}/model").predict(frame, params={"top_k": TOP_K})
    assert_same(pl.from_pandas(predicted), expected)
    loaded = Ranker.load(f"runs:/{run_id}")
    assert_same(loaded.rank(REQUESTS, TOP_K), expected)
    assert loaded.model_id == ranker.model_id


def names():
    return ("request_id", "task", "user_id", "query", "country", "source_item_id")
