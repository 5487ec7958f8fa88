"""The index of the space: one vector ``[s·v ; q]`` per item, searched by inner product."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch  # torch before faiss: their OpenMP runtimes clash in the other order
from numpy.typing import NDArray
from torch import Tensor

import faiss  # isort: skip

from features.errors import DataError

_VECTORS, _FACTS = "items.faiss", "index.json"


class Index:
    """Item vectors by item row; row 0 is padding and is never found.

    Search is exact, and filters inside the search: a matrix product, what is blocked put to minus infinity, and a
    selection. On catalogues of this size that is faster than the library's own flat scan, and has no filter to outgrow.
    """

    def __init__(self, vectors: Tensor) -> None:
        """Index ``vectors`` (N + 1, D + Q) float32."""
        self.vectors = vectors.contiguous()

    def search(self, queries: Tensor, blocked: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        """Return the item rows (B, count) of largest inner product that are not ``blocked`` (B, N + 1); 0 = no more."""
        scores = queries @ self.vectors.T  # (B, N + 1)
        scores.masked_fill_(torch.from_numpy(blocked), -torch.inf)
        value, item = scores.topk(min(count, scores.shape[1]), dim=1)
        return torch.where(torch.isfinite(value), item, 0).numpy()

    def save(self, folder: Path, model: str) -> None:
        """Write the index as faiss reads it, with the hash of the ``model`` that its vectors come from."""
        folder.mkdir(parents=True, exist_ok=True)
        flat = faiss.IndexFlatIP(self.vectors.shape[1])
        flat.add(self.vectors.numpy())
        faiss.write_index(flat, str(folder / _VECTORS))
        facts = {"factory": "Flat", "metric": "inner product", "width": self.vectors.shape[1], "model": model}
        (folder / _FACTS).write_text(json.dumps(facts, indent=1))

    @classmethod
    def load(cls, folder: Path, model: str) -> Index:
        """Read what ``save`` wrote.

        Raises:
            DataError: the vectors come from another model.
        """
        facts = json.loads((folder / _FACTS).read_text())
        if facts["model"] != model:
            raise DataError(f"{folder}: the index is of model {facts['model'][:12]}, not {model[:12]}. Build it again.")
        flat = faiss.read_index(str(folder / _VECTORS))
        return cls(torch.from_numpy(flat.reconstruct_n(0, flat.ntotal)))
