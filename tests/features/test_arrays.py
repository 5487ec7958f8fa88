from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from features.arrays import load_arrays, map_columns, save_arrays, save_columns


def test_dense_and_sparse_arrays_come_back(tmp_path: Path) -> None:
    dense = {
        "half": np.array([[1.5, -2.0]], dtype=np.float16),
        "flags": np.array([True, False]),
        "empty": np.zeros((3, 0), dtype=np.float32),
        "nothing": np.zeros(0, dtype=np.int64),
        "strided": np.arange(12).reshape(3, 4).T,
    }
    matrix = sparse.csr_matrix(np.array([[0, 2.5], [0, 0], [1, 0]], dtype=np.float32))
    blank = sparse.csr_matrix((4, 2), dtype=np.float32)
    save_arrays(dense | {"matrix": matrix, "blank": blank}, tmp_path / "a.safetensors")
    found = load_arrays(tmp_path / "a.safetensors")
    assert found.keys() == {*dense, "matrix", "blank"}
    for name, array in dense.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    for name, expected in (("matrix", matrix), ("blank", blank)):
        assert found[name].shape == expected.shape and found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name].toarray(), expected.toarray())


def test_columns_are_mapped_not_read(tmp_path: Path) -> None:
    save_columns({"item": np.arange(5), "label": np.ones(5, dtype=np.float32)}, tmp_path / "columns")
    found = map_columns(tmp_path / "columns")
    assert isinstance(found["item"], np.memmap)
    np.testing.assert_array_equal(found["item"][[3, 1]], [3, 1])
    assert found["label"].dtype == np.float32
