"""Layers that the towers and the ranker are built from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def table(rows: int, width: int, scale: float = 0.05) -> nn.Embedding:
    """Return an embedding whose row 0 is zero and stays so; with ``scale`` 0 every row starts at zero."""
    embedding = nn.Embedding(rows, width, padding_idx=0)
    nn.init.normal_(embedding.weight, std=scale)
    with torch.no_grad():
        embedding.weight[0].zero_()
    return embedding


def bag_mean(embedding: nn.Embedding, rows: Tensor) -> Tensor:
    """Return the mean (B, D) of the embeddings of ``rows`` (B, T) that are not padding; zeros where all are."""
    total = functional.embedding_bag(rows, embedding.weight, mode="sum", padding_idx=0)  # (B, D)
    return total / (rows != 0).sum(dim=1, keepdim=True).clamp(min=1)


class Residual(nn.Module):
    """``x + W2 gelu(W1 norm(x))``; starts as the identity."""

    def __init__(self, width: int, inner: int) -> None:
        """Map ``width`` to ``inner`` units and back."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x`` (…, width)."""
        step: Tensor = self.down(functional.gelu(self.up(self.norm(x))))
        return x + step


class Cross(nn.Module):
    """A layer of low-rank feature crossing, ``x0 * (U V x + b) + x``. Source: DCN-v2, Wang et al. 2021."""

    def __init__(self, width: int, rank: int) -> None:
        """Cross ``width`` features through ``rank`` of their combinations."""
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width)

    def forward(self, x0: Tensor, x: Tensor) -> Tensor:
        """Return (…, width)."""
        gate: Tensor = self.up(self.down(x))
        return x0 * gate + x


class AttentionPool(nn.Module):
    """Pools a history by attention, with a learned preference for place and for age.

    Each of several codes asks on its own, so that a user of several tastes is more than their mean. Source:
    poly-encoders, Humeau et al. 2020.
    """

    def __init__(self, width: int, length: int, ages: int, codes: int) -> None:
        """Pool up to ``length`` vectors of ``width``, of so many steps of age, once for each of the ``codes``."""
        super().__init__()
        self.key = nn.Linear(width, width, bias=False)
        self.recency = nn.Parameter(torch.zeros(length))
        self.age = nn.Parameter(torch.zeros(ages))
        nn.init.normal_(self.key.weight, std=0.02)
        self.codes = nn.Parameter(torch.randn(codes, width)) if codes > 1 else None  # one code asks for nothing special

    def forward(self, query: Tensor, items: Tensor, ages: Tensor, mask: Tensor) -> Tensor:
        """Return (B, V, D): ``items`` (B, H, D) where ``mask`` (B, H), weighed for ``query`` (B, D); zeros where none.

        ``ages`` (B, H) int64 are the steps of age of the items.
        """
        asked = self.key(query).unsqueeze(1)  # (B, 1, D)
        if self.codes is not None:
            asked = asked + self.codes  # (B, V, D)
        logits = asked @ items.transpose(1, 2) / math.sqrt(items.shape[-1])  # (B, V, H)
        some = mask.any(dim=1)[:, None, None]  # (B, 1, 1)
        logits = logits + self.recency[: items.shape[1]] + self.age[ages].unsqueeze(1)
        weight = torch.softmax(logits.masked_fill(~mask.unsqueeze(1) & some, -torch.inf), dim=2) * some  # (B, V, H)
        return weight @ items
