from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import faiss  # isort: skip (torch first)

from features.errors import DataError
from serving.config import IndexConfig
from serving.index import Index


@pytest.fixture
def vectors():
    return torch.randn(50, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def queries():
    return torch.randn(7, 8, generator=torch.Generator().manual_seed(1))


def padding_blocked(count, items):
    blocked = np.zeros((count, items), dtype=bool)
    blocked[:, 0] = True
    return blocked


def test_search_agrees_with_the_exact_index_of_faiss(vectors, queries):
    oracle = faiss.IndexFlatIP(8)
    oracle.add(vectors[1:].numpy())
    _, expected = oracle.search(queries.numpy(), 5)
    found = Index(vectors).search(queries, padding_blocked(7, 50), 5)
    assert found.tolist() == (expected + 1).tolist()


def test_filters_work_inside_the_search(vectors, queries):
    blocked = padding_blocked(7, 50)
    best = Index(vectors).search(queries, blocked, 3)
    np.put_along_axis(blocked, best, True, axis=1)
    after = Index(vectors).search(queries, blocked, 3)
    assert (after > 0).all()
    assert not (after[:, :, None] == best[:, None, :]).any()


def test_padding_fills_up_where_fewer_items_are_left(vectors, queries):
    blocked = np.ones((7, 50), dtype=bool)
    blocked[:, 4] = False
    assert Index(vectors).search(queries, blocked, 3).tolist() == [[4, 0, 0]] * 7


def test_more_may_be_asked_for_than_the_catalogue_holds(vectors, queries):
    found = Index(vectors).search(queries, padding_blocked(7, 50), 200)
    assert [sorted(row[row > 0]) for row in found] == [list(range(1, 50))] * 7


def test_an_index_is_read_as_it_was_written(vectors, tmp_path):
    Index(vectors).save(tmp_path / "index", "abc")
    assert torch.equal(Index.load(tmp_path / "index", "abc").vectors, vectors)
    assert json.loads((tmp_path / "index" / "index.json").read_text())["metric"] == "inner product"


def test_an_index_of_another_model_is_refused(vectors, tmp_path):
    Index(vectors).save(tmp_path, "a" * 64)
    with pytest.raises(DataError, match=r"the index is of model aaaaaaaaaaaa, not bbbbbbbbbbbb"):
        Index.load(tmp_path, "b" * 64)


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF4,PQ4x4"])
def test_of_several_vectors_of_a_request_the_best_scores_an_item(factory):
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(301, 8, generator=rng)
    queries = torch.randn(5, 3, 8, generator=rng)
    index = Index.build(vectors, IndexConfig(factory=factory, over_fetch=20.0, nprobe=4))
    blocked = np.random.default_rng(0).random((5, 301)) < 0.3
    blocked[:, 0] = True
    found, scores = index.nearest(queries, blocked, 10)
    exact = (queries @ vectors.T).amax(dim=1).masked_fill(torch.from_numpy(blocked), -torch.inf)
    expected, rows = exact.topk(10)
    assert (found == rows.numpy()).all()
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
