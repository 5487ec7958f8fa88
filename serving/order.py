"""The served order: by score, and among equal scores by a seeded hash of the item id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TIE_SEED = 0


def tie_ranks(item_ids: Iterable[str], seed: int = TIE_SEED) -> NDArray[np.int64]:
    """Return for each item its place, from 0, in the order of a seeded hash of its id, shape (N,).

    The place depends on the ids alone, not on the order in which they are given.
    """
    key = seed.to_bytes(8, "little")
    digests = np.array(
        [int.from_bytes(hashlib.blake2b(i.encode(), digest_size=8, key=key).digest(), "little") for i in item_ids],
        dtype=np.uint64,
    )
    ranks = np.empty(len(digests), dtype=np.int64)
    ranks[np.argsort(digests, kind="stable")] = np.arange(len(digests))
    return ranks


def order_key(score: Tensor, tie: Tensor) -> Tensor:
    """Return an int64 key per candidate, larger is better: the score first, then the smaller ``tie``.

    Args:
        score: float32 of any shape, ``-inf`` for what may not be served; NaN is not allowed.
        tie: int64 broadcastable to ``score``, in [0, 2**31).
    """
    bits = (score + 0.0).contiguous().view(torch.int32).to(torch.int64)  # + 0.0 turns -0.0 into 0.0
    rising = torch.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))
    return (rising << 32) - tie


def top_k(score: Tensor, tie: Tensor, k: int) -> Tensor:
    """Return the positions (B, k') of the k' = min(k, L) best of ``score`` (B, L) in served order."""
    return order_key(score, tie).topk(min(k, score.shape[-1]), dim=-1, sorted=True).indices
