"""What an index refuses: vectors of another width, and vectors with NaN or infinite components."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from features.errors import DataError


def check_vectors(vectors: Tensor, width: int | None, place: str, way_out: str) -> None:
    """Refuse ``vectors`` (M, W), or (M, V, W), that are no finite numbers of ``width`` components.

    Args:
        vectors: of items or requests.
        width: what W must be; None = whatever it is.
        place: whose they are, for the message; rows are counted from 0.
        way_out: what to do about it.

    Raises:
        DataError: another shape, NaN or infinity.
    """
    if vectors.ndim not in (2, 3) or vectors.shape[-1] != (vectors.shape[-1] if width is None else width):
        wanted = "(rows, components)" if width is None else f"(rows, {width})"
        raise DataError(f"{place}: the vectors have the shape {tuple(vectors.shape)}, not {wanted}. {way_out}")
    if torch.isfinite(vectors.sum()):  # one pass without a mask; NaN and infinity survive a sum
        return
    vectors = vectors.flatten(1)
    wrong = ~torch.isfinite(vectors)
    if not wrong.any():  # finite numbers whose sum is none
        return
    row, component = wrong.nonzero()[0].tolist()
    value, rows = vectors[row, component].item(), int(wrong.any(dim=1).sum())
    raise DataError(
        f"{place}: {rows:,} of {len(vectors):,} vectors are not finite, e.g. row {row} has {value} as component "
        f"{component}. {way_out}"
    )


def reason(error: RuntimeError) -> str:
    """Return what faiss says in an error, without the place in its source, on one line."""
    said = re.split(r"\.(?:cpp|h):\d+: ", str(error))[-1]
    return " ".join(said.removeprefix("Error: ").split())
