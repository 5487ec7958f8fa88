from __future__ import annotations

import pytest
import torch
from torch import nn

from features.errors import DataError
from serving.weights import distinct_tensors, load_weights, save_weights


class Shares(nn.Module):
    """Two parts over one table, and a buffer."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.left = nn.ModuleDict({"table": nn.Embedding(4, width)})
        self.right = nn.ModuleDict({"table": self.left["table"], "map": nn.Linear(width, 2)})
        self.register_buffer("mean", torch.arange(3.0))


def test_a_shared_table_is_written_once():
    assert list(distinct_tensors(Shares())) == ["left.table.weight", "right.map.weight", "right.map.bias", "mean"]


def test_weights_come_back(tmp_path):
    saved, loaded = Shares(), Shares()
    save_weights(saved, tmp_path / "w.safetensors")
    load_weights(loaded, tmp_path / "w.safetensors")
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert loaded.left["table"] is loaded.right["table"]


def test_equal_weights_are_equal_bytes(tmp_path):
    model = Shares()
    for number in range(8):
        save_weights(model, tmp_path / f"{number}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("other", [Shares(width=5), nn.Linear(3, 2)])
def test_weights_of_another_model_are_refused(tmp_path, other):
    save_weights(other, tmp_path / "w.safetensors")
    with pytest.raises(
        DataError, match=r"w\.safetensors: not the weights of this model: '.*' is missing or of another"
    ):
        load_weights(Shares(), tmp_path / "w.safetensors")
