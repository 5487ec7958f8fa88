"""A space without a model: vectors and qualities at will, searched by the engine that serves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serving.engine import Engine
from serving.index import Index
from training.quality.sample import Sample
from unicorn.model import ItemSide


class TableSpace:
    """The request side of a space: a request vector and the w of its task, side by side."""

    def __init__(self, tasks: int, quality: int) -> None:
        self.quality_weight = torch.zeros(tasks, quality)

    def search_vectors(self, vector: Tensor, task: Tensor) -> Tensor:
        return torch.cat([vector, self.quality_weight[task].unsqueeze(1)], dim=2)


def space_engine(vectors: NDArray[Any], quality: NDArray[Any], tasks: int = 1) -> Engine:
    """Return an engine over item ``vectors`` (N, D) and their ``quality`` (N, Q); item rows begin with 1."""
    padded = [torch.tensor(np.vstack([np.zeros((1, part.shape[1])), part]), dtype=torch.float32)
              for part in (vectors, quality)]  # fmt: skip
    indexed = torch.cat(padded, dim=1)
    parts: Any = {
        "features": SimpleNamespace(catalogue=SimpleNamespace(rows=len(indexed))),
        "model": SimpleNamespace(space=TableSpace(tasks, quality.shape[1])),
        "config": None,
    }
    side = ItemSide(padded[0], indexed, torch.zeros(len(indexed), 0))
    return Engine(**parts, side=side, index=Index(indexed), ties=torch.arange(len(indexed)))


def sample(engine: Engine, requests: NDArray[Any], target: NDArray[Any], gain: NDArray[Any] | None = None) -> Sample:
    """Return requests with vectors ``requests`` (R, D) and a ``target`` item row each, and a cluster each."""
    count, items = len(requests), engine.features.catalogue.rows
    blocked = np.zeros((count, items), dtype=bool)
    blocked[:, 0] = True
    return Sample(
        engine=engine,
        task=0,
        vector=[torch.tensor(requests, dtype=torch.float32).unsqueeze(1)],
        blocked=[np.packbits(blocked, axis=1)],
        context=np.arange(count),
        request=np.arange(count),
        item=np.asarray(target, dtype=np.int64),
        gain=np.ones(count) if gain is None else np.asarray(gain, dtype=np.float64),
        cluster=np.arange(count),
    )
