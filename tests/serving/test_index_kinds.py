"""Every kind of index keeps the same promises; what is found best is the business of ``benchmarks/ann.py``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import faiss  # isort: skip (torch first)

from features.errors import DataError
from serving.config import IndexConfig
from serving.index import Index
from serving.index_approximate import check_factory

ITEMS, WIDTH = 4000, 12
KINDS = [
    "Flat",
    "HNSW16",
    "HNSW16,SQ8",
    "IVF32,Flat",
    "IVF32,PQ8x4fs",  # parts that do not divide the width
    "RR12,IVF32,PQ12x4fs",
    "PQ8x4fs",  # cannot filter
    "IVF32,SQ8,RFlat",  # takes no parameters
    "PCAR13,IVF32,SQ8",
    "compressed",
]


def settings(factory, **changes):
    """Little effort, so that a small catalogue is not scored whole."""
    return IndexConfig(factory=factory, **{"ef_search": 16, "nprobe": 8} | changes)


def clusters(rows, seed):
    """Return vectors (rows, WIDTH) around forty centres, which are the same for every seed."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, WIDTH))
    made = centres[rng.integers(40, size=rows)] + 0.4 * rng.standard_normal((rows, WIDTH))
    return torch.from_numpy(made.astype(np.float32))


@pytest.fixture(scope="module")
def vectors():
    made = clusters(ITEMS + 1, 0)
    made[0] = 0
    return made


@pytest.fixture(scope="module")
def queries():
    return clusters(20, 1)


@pytest.fixture(scope="module", params=KINDS)
def index(request, vectors):
    return Index.build(vectors, settings(request.param))


def nothing_blocked(requests, rows=ITEMS + 1):
    return np.zeros((requests, rows), dtype=bool)


def test_scores_are_the_inner_products_and_fall(index, vectors, queries):
    items, scores = index.nearest(queries, nothing_blocked(20), 10)
    expected = np.einsum("bkw,bw->bk", vectors.numpy().astype(np.float64)[items], queries.numpy().astype(np.float64))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (items > 0).all()


def test_most_of_the_best_are_found(index, vectors, queries):
    best = (queries @ vectors[1:].T).topk(10).indices.numpy() + 1
    found = index.search(queries, nothing_blocked(20), 10)
    hits = np.mean([np.isin(right, answer).mean() for answer, right in zip(found, best, strict=True)])
    assert hits > 0.5  # by chance it would be 0.0025


def test_a_large_quality_that_a_request_does_not_weigh_hides_nothing():
    """Codes round: what is rounded in a large component must not drown the small ones."""
    vectors, queries = clusters(ITEMS + 1, 0), clusters(20, 1)
    vectors[:, -1] = 100 * torch.randn(ITEMS + 1, generator=torch.Generator().manual_seed(0)).exp()
    queries[:, -1] = 0
    best = (queries @ vectors[1:].T).topk(10).indices.numpy() + 1
    found = Index.build(vectors, settings("PQ12x4fs")).search(queries, nothing_blocked(20), 10)
    assert np.mean([np.isin(right, answer).mean() for answer, right in zip(found, best, strict=True)]) > 0.5


@pytest.mark.parametrize("passing", [0, 1, 7, 300, 2500, 3999])
def test_as_many_are_found_as_pass_the_filter(index, queries, passing):
    blocked = ~nothing_blocked(20)
    for row, request in enumerate(blocked):
        request[np.random.default_rng(row).choice(np.arange(1, ITEMS + 1), passing, replace=False)] = False
    items, scores = index.nearest(queries, blocked, 50)
    assert items.shape == (20, 50)
    for found, score, mask in zip(items, scores, blocked, strict=True):
        some = found[found > 0]
        assert len(some) == len(set(some)) == min(passing, 50)
        assert not mask[some].any()
        assert (found[len(some) :] == 0).all()
        assert np.isneginf(score[len(some) :]).all()


def test_filters_differ_inside_a_block(index, queries):
    blocked = nothing_blocked(3)
    blocked[1] = True
    blocked[2, 1:] = np.arange(ITEMS) % 2 == 0
    found = index.search(queries[:3], blocked, 5)
    assert (found[0] > 0).all()
    assert found[1].tolist() == [0] * 5
    assert (found[2] > 0).all()
    assert (found[2] % 2 == 0).all()


def test_the_whole_catalogue_can_be_asked_for(index, queries):
    found = index.search(queries[:2], nothing_blocked(2), 2 * ITEMS)
    assert [sorted(row[row > 0]) for row in found] == [list(range(1, ITEMS + 1))] * 2


@pytest.mark.parametrize("factory", KINDS)
def test_new_items_are_found_and_removed_ones_are_not(factory, vectors, tmp_path):
    index = Index.build(vectors, settings(factory))
    longest = vectors[vectors.norm(dim=1).argmax()][None]
    rows = index.add(torch.cat([1.05 * longest, 1.04 * longest]))
    assert rows.tolist() == [ITEMS + 1, ITEMS + 2]
    found = index.search(longest, nothing_blocked(1, ITEMS + 3), 20)
    assert found[0, :2].tolist() == [ITEMS + 1, ITEMS + 2]  # no inner product with the longest is larger
    third = int(found[0, 2])
    index = index.without([third, ITEMS + 1])
    index.save(tmp_path, "m")
    for now in (index, Index.load(tmp_path, "m")):
        found = now.search(longest, nothing_blocked(1, ITEMS + 3), 20)
        assert found[0, 0] == ITEMS + 2
        assert not np.isin([third, ITEMS + 1], found).any()
        assert (found > 0).all()


def test_an_item_longer_than_all_before_is_found(queries):
    index = Index.build(clusters(2001, 0), settings("HNSW16"))
    index.add(100 * queries[:1])
    assert index.search(queries[:1], nothing_blocked(1, 2002), 1).tolist() == [[2001]]


def test_an_index_answers_alike_when_it_is_read_again(index, queries, tmp_path):
    index.save(tmp_path, "m")
    read = Index.load(tmp_path, "m")
    assert (read.factory, read.config) == (index.factory, index.config)
    before, after = (one.nearest(queries, nothing_blocked(20), 10) for one in (index, read))
    assert np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])


def test_the_same_vectors_make_the_same_files(index, vectors, tmp_path):
    index.save(tmp_path / "a", "m")
    Index.build(vectors, index.config).save(tmp_path / "b", "m")
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {path.name for path in (tmp_path / "b").iterdir()}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(("factory", "inside"), [("HNSW16", True), ("RR12,IVF32,PQ12x4fs", True), ("PQ8x4fs", False)])
def test_filters_go_inside_where_faiss_can(factory, inside, vectors):
    assert Index.build(vectors, settings(factory))._approximate.filters is inside


def test_auto_is_exact_below_the_limit_and_a_graph_from_there_on():
    assert IndexConfig().resolved(99_999, 133) == "Flat"
    assert IndexConfig().resolved(100_000, 133) == "HNSW32"
    assert IndexConfig(flat_below=0).resolved(0, 133) == "HNSW32"


def test_compressed_follows_the_size_of_the_catalogue():
    config = IndexConfig(factory="compressed")
    assert config.resolved(1_000_000, 128) == "IVF4096,PQ128x4fs"
    assert config.resolved(100_000_000, 20) == "IVF32768,PQ20x4fs"
    assert config.resolved(20_000, 20) == "IVF128,PQ20x4fs"
    assert config.resolved(20_000, 256) == "IVF128,PQ128x4fs"  # two components to a code


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("Flatt", "could not parse index string Flatt"),
        ("IVF4096,PQ4x4fs", "Number of training points"),
        ("IDMap,Flat", "use add_with_ids"),
        ("", "serving.index.factory"),
    ],
)
def test_what_faiss_cannot_build_is_said_in_one_line(factory, said, vectors):
    with pytest.raises(DataError) as caught:
        Index.build(vectors[:200], settings(factory))
    assert said in str(caught.value)
    assert f"serving.index.factory: faiss cannot build {factory!r} of 199 vectors" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ".cpp" not in str(caught.value)


def test_a_factory_string_is_checked_before_there_is_anything_to_index():
    for known in (*KINDS, "auto", "IVF4096,PQ4x4fs"):
        check_factory(IndexConfig(factory=known), WIDTH)
    with pytest.raises(DataError, match=r"faiss cannot build 'HNSW32,SQ7': "):
        check_factory(IndexConfig(factory="HNSW32,SQ7"), WIDTH)


def test_a_graph_of_nothing_finds_nothing():
    index = Index.build(torch.zeros(1, WIDTH), IndexConfig(factory="HNSW16"))
    assert index.search(torch.ones(2, WIDTH), nothing_blocked(2, 1), 5).tolist() == [[0], [0]]
    index.add(torch.ones(1, WIDTH))
    assert index.search(torch.ones(1, WIDTH), nothing_blocked(1, 2), 5).tolist() == [[1, 0]]


@pytest.mark.parametrize("name", ["ef_construction", "ef_search", "nprobe", "over_fetch", "threads"])
def test_settings_that_find_nothing_are_refused(name):
    with pytest.raises(DataError, match=rf"serving\.index\.{name}: 0 is below 1"):
        IndexConfig(**{name: 0})


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_vectors_that_are_no_numbers_are_refused_everywhere(index, vectors, queries, value):
    wrong = vectors[:9].clone()
    wrong[7, 3] = value
    with pytest.raises(DataError, match=r"index: 1 of 9 vectors are not finite, e\.g\. row 7 has .* as component 3"):
        Index.build(wrong, index.config)
    with pytest.raises(DataError, match=r"new items: 1 of 9 vectors are not finite"):
        index.add(wrong)
    with pytest.raises(DataError, match=r"requests: 1 of 9 vectors are not finite"):
        index.search(wrong, nothing_blocked(9), 3)
    assert len(index.vectors) == ITEMS + 1


def test_vectors_of_another_width_are_refused_everywhere(index):
    with pytest.raises(DataError, match=r"new items: the vectors have the shape \(2, 5\), not \(rows, 12\)"):
        index.add(torch.zeros(2, 5))
    with pytest.raises(DataError, match=r"requests: the vectors have the shape \(2, 5\), not \(rows, 12\)"):
        index.search(torch.zeros(2, 5), nothing_blocked(2), 3)
    with pytest.raises(DataError, match=r"the filter has the shape \(2, 7\)"):
        index.search(torch.zeros(2, WIDTH), nothing_blocked(2, 7), 3)


@pytest.mark.parametrize("row", [0, -1, ITEMS + 1])
def test_a_row_of_no_item_cannot_be_removed(index, row):
    with pytest.raises(DataError, match=rf"no item has the row {row}; rows are 1 to {ITEMS}"):
        index.without([1, row])
    assert not index.removed.any()


def test_an_empty_catalogue_has_no_answer():
    index = Index.build(torch.zeros(1, WIDTH), IndexConfig())
    assert index.search(torch.ones(2, WIDTH), nothing_blocked(2, 1), 5).tolist() == [[0], [0]]


def test_what_does_not_belong_together_is_refused(vectors, tmp_path):
    Index.build(vectors, settings("HNSW16")).save(tmp_path, "m")
    facts = json.loads((tmp_path / "index.json").read_text())
    for change, said in [
        ({"items": 7}, "items.faiss: the number of rows is 4001, index.json says 8"),
        ({"width": 7}, "items.faiss: the number of components is 12, index.json says 7"),
        ({"metric": "cosine"}, "the metric is 'cosine'"),
        ({"longest": None}, "approximate.faiss: the metric is 1, index.json says 0"),
        ({"unknown": 1}, "unknown setting 'unknown'"),
    ]:
        (tmp_path / "index.json").write_text(json.dumps(facts | change))
        with pytest.raises(DataError, match=said):
            Index.load(tmp_path, "m")
    (tmp_path / "index.json").write_text(json.dumps(facts))
    other = faiss.index_factory(WIDTH + 1, "HNSW16", faiss.METRIC_L2)
    faiss.write_index(other, str(tmp_path / "approximate.faiss"))
    with pytest.raises(DataError, match=r"approximate\.faiss: the number of items is 0, index\.json says 4000"):
        Index.load(tmp_path, "m")
    (tmp_path / "approximate.faiss").write_bytes(b"no index")
    with pytest.raises(DataError, match=r"approximate\.faiss: faiss cannot read it"):
        Index.load(tmp_path, "m")
    (tmp_path / "approximate.faiss").unlink()
    with pytest.raises(DataError, match=r"approximate\.faiss: missing\. Build it again with `unicorn index`"):
        Index.load(tmp_path, "m")


def test_an_exact_index_in_the_place_of_another_leaves_no_files_behind(vectors, tmp_path):
    Index.build(vectors, settings("HNSW16")).save(tmp_path, "m")
    Index.build(vectors, settings("Flat")).save(tmp_path, "m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.json", "items.faiss"]


def test_an_index_of_an_earlier_version_is_read(vectors, tmp_path):
    Index(vectors).save(tmp_path, "m")
    facts = {"factory": "Flat", "metric": "inner product", "width": WIDTH, "model": "m"}
    (tmp_path / "index.json").write_text(json.dumps(facts))
    assert torch.equal(Index.load(tmp_path, "m").vectors, vectors)


def test_a_write_that_fails_leaves_what_was_there(vectors, tmp_path, monkeypatch):
    Index(vectors).save(tmp_path, "m")

    def breaks(index, name):
        Path(name).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(faiss, "write_index", breaks)
    with pytest.raises(OSError, match="no space left"):
        Index(2 * vectors).save(tmp_path, "m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.json", "items.faiss"]
    assert torch.equal(Index.load(tmp_path, "m").vectors, vectors)
