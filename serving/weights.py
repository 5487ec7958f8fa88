"""Weights on disk: safetensors, each tensor once, the same bytes for the same weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from features.errors import DataError


def distinct_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name; a table that both towers share goes by its first name alone."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights of ``model``.

    Not with ``save_model`` of safetensors, which notes the other names of shared tensors in an order that changes from
    call to call, so that equal weights would not be equal files.
    """
    save_file({name: tensor.detach().contiguous() for name, tensor in distinct_tensors(model).items()}, path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill ``model`` with what ``save_weights`` wrote.

    Raises:
        DataError: the file holds other tensors than the model has.
    """
    found, own = load_file(path), distinct_tensors(model)
    different = sorted(found.keys() ^ own.keys())
    different += [name for name in sorted(found.keys() & own.keys()) if found[name].shape != own[name].shape]
    if different:
        raise DataError(f"{path}: not the weights of this model: {different[0]!r} is missing or of another shape.")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(found[name])
