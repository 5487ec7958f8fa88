from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from features.arrays import load_arrays, map_columns, save_arrays, save_columns
from features.errors import DataError
from tests.features.feature_world import file_of

DENSE = {
    "half": np.array([[1.5, -2.0]], dtype=np.float16),
    "flags": np.array([True, False]),
    "empty": np.zeros((3, 0), dtype=np.float32),
    "nothing": np.zeros(0, dtype=np.int64),
    "strided": np.arange(12).reshape(3, 4).T,
}
SPARSE = {
    "matrix": sparse.csr_matrix(np.array([[0, 2.5], [0, 0], [1, 0]], dtype=np.float32)),
    "blank": sparse.csr_matrix((4, 2), dtype=np.float32),
    "no_rows": sparse.csr_matrix((0, 3), dtype=np.float32),
}


def check(found: dict[str, Any]) -> None:
    assert found.keys() == DENSE.keys() | SPARSE.keys()
    for name, array in DENSE.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    for name, expected in SPARSE.items():
        assert found[name].shape == expected.shape and found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name].toarray(), expected.toarray())


def test_dense_and_sparse_arrays_come_back(tmp_path: Path) -> None:
    save_arrays(DENSE | SPARSE, tmp_path / "a.safetensors")
    check(load_arrays(tmp_path / "a.safetensors"))


def test_dense_and_sparse_columns_come_back(tmp_path: Path) -> None:
    save_columns(DENSE | SPARSE, tmp_path / "columns")
    check(map_columns(tmp_path / "columns", [*DENSE, *SPARSE]))


def test_a_folder_of_nothing(tmp_path: Path) -> None:
    save_columns({}, tmp_path / "columns")
    assert map_columns(tmp_path / "columns", []) == {} == map_columns(tmp_path / "absent", [])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    save_columns({"m": random_matrix(), "a": np.arange(3)}, tmp_path)
    (tmp_path / "m.indptr.npy").unlink()
    with pytest.raises(DataError, match=r"m\.indptr\.npy: is missing\. Fit the run again"):
        map_columns(tmp_path, ["a", "m"])


def test_files_of_others_are_not_read(tmp_path: Path) -> None:
    save_columns({"a": np.arange(3)}, tmp_path)
    (tmp_path / "._a.npy").write_bytes(b"what a file manager leaves")
    np.save(tmp_path / "extra.npy", np.arange(2))
    assert list(map_columns(tmp_path, ["a"])) == ["a"]
    assert not list(tmp_path.glob("*.partial"))


def test_who_has_mapped_a_column_keeps_it_when_it_is_written_again(tmp_path: Path) -> None:
    save_columns({"a": np.arange(100_000)}, tmp_path)
    before = map_columns(tmp_path, ["a"])["a"]
    save_columns({"a": np.zeros(3, dtype=np.int64)}, tmp_path)
    assert before[99_999] == 99_999 and before.sum() == 99_999 * 50_000
    assert map_columns(tmp_path, ["a"])["a"].tolist() == [0, 0, 0]


def test_columns_are_mapped_not_read(tmp_path: Path) -> None:
    save_columns({"item": np.arange(5), "label": np.ones(5, dtype=np.float32)}, tmp_path / "columns")
    found = map_columns(tmp_path / "columns", ("item", "label"))
    assert file_of(found["item"]) is not None and not found["item"].flags.writeable
    np.testing.assert_array_equal(found["item"][[3, 1]], [3, 1])
    assert found["label"].dtype == np.float32


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    objects = np.array([{"code": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save_columns({"o": objects}, tmp_path / "columns")
    np.save(tmp_path / "o.npy", objects, allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects in dtype"):
        map_columns(tmp_path, ["o"])


def random_matrix(rows: int = 200, columns: int = 90, wide: bool = False) -> sparse.csr_matrix:
    matrix = sparse.random(rows, columns, 0.05, format="csr", dtype=np.float32, random_state=np.random.default_rng(0))
    if wide:  # indices of 64 bits, as of a matrix of more than 2³¹ entries
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return sparse.csr_matrix(matrix)


def test_a_mapped_matrix_is_read_where_it_lies(tmp_path: Path) -> None:
    matrix = random_matrix()
    save_columns({"m": matrix}, tmp_path)
    found = map_columns(tmp_path, ["m"])["m"]
    for name in ("data", "indices", "indptr"):
        array, file = getattr(found, name), file_of(getattr(found, name))
        assert file is not None and Path(str(file.filename)).name == f"m.{name}.npy"
        assert np.shares_memory(array, file) and not array.flags.writeable
        assert array.dtype == getattr(matrix, name).dtype


@pytest.mark.parametrize("wide", [False, True])
def test_a_mapped_matrix_multiplies_and_gathers_as_one_in_memory(tmp_path: Path, wide: bool) -> None:
    matrix, rng = random_matrix(wide=wide), np.random.default_rng(1)
    save_columns({"m": matrix}, tmp_path)
    found = map_columns(tmp_path, ["m"])["m"]
    rows, dense = rng.integers(0, 200, 50), rng.random((90, 7), dtype=np.float32)
    left = sparse.random(30, 200, 0.1, format="csr", dtype=np.float32, random_state=rng)
    for one, two in (
        (found[rows].toarray(), matrix[rows].toarray()),
        (found[17].toarray(), matrix[17].toarray()),
        (found @ dense, matrix @ dense),
        ((left @ found).toarray(), (left @ matrix).toarray()),
        ((found.T @ matrix).toarray(), (matrix.T @ matrix).toarray()),
        (found.sum(axis=1), matrix.sum(axis=1)),
        (found.toarray(), matrix.toarray()),
        ((found * 2.0).toarray(), (matrix * 2.0).toarray()),
    ):
        np.testing.assert_array_equal(one, two)


def test_numbers_of_any_kind_keep_their_bits(tmp_path: Path) -> None:
    odd = np.array([np.nan, -0.0, np.inf, 1e-45], dtype=np.float32)
    save_columns({"odd": odd, "time": np.array([2**53 + 1, -1], dtype=np.int64)}, tmp_path)
    found = map_columns(tmp_path, ["odd", "time"])
    assert found["odd"].tobytes() == odd.tobytes()
    assert found["time"].tolist() == [2**53 + 1, -1]
