"""What the space learns by: rows against columns of items, of which column i is the target of row i."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sampled_softmax(logits: Tensor, log_weight: Tensor, left_out: Tensor, weight: Tensor) -> Tensor:
    """Return the mean loss of rows whose negatives are a sample of the catalogue.

    A column stands for as many items as its weight says: one over how often its item is expected among the columns
    makes the sum an estimate of that over the catalogue. Source: Bengio & Senécal 2008.

    Args:
        logits: (B, C) scaled scores.
        log_weight: (C,) logarithms of the columns' weights, ``-inf`` for none.
        left_out: (B, C) columns that are no negatives of a row.
        weight: (B,) of the rows.
    """
    rows = torch.arange(len(logits))
    loss = functional.cross_entropy((logits + log_weight).masked_fill(left_out, -torch.inf), rows, reduction="none")
    return (loss * weight).mean()


def multi_part_hinge(
    cosine: Tensor,
    log_weight: Tensor,
    left_out: Tensor,
    weight: Tensor,
    level: Tensor,
    thresholds: Tensor,
    margin: float,
) -> Tensor:
    """Return the mean loss of rows whose targets should lie above the thresholds of their levels, and negatives below.

    Every score is to keep ``margin`` from every threshold, on the side that its level says; negatives are of level 0.
    Of the negatives of a row only those that fail count, by weight, so that the many easy ones do not drown the few.
    Sources: Nigam et al. 2019 (parts by engagement), Rennie & Srebro 2005 (learned thresholds).

    Args:
        cosine: (B, C) scores.
        log_weight: (C,) logarithms of the columns' weights, ``-inf`` for none.
        left_out: (B, C) columns that are no negatives of a row.
        weight: (B,) of the rows.
        level: (B,) int64 of the targets, from 1.
        thresholds: (K,) ascending, of the levels from 1.
        margin: distance that is asked for.
    """
    number = torch.arange(1, len(thresholds) + 1)
    side = torch.where(level[:, None] >= number, 1.0, -1.0)  # (B, K)
    target = functional.relu(margin - side * (cosine.diagonal()[:, None] - thresholds)).sum(dim=1)  # (B,)
    own = torch.eye(len(cosine), cosine.shape[1], dtype=torch.bool)
    failing = functional.relu(margin + cosine[:, :, None] - thresholds).sum(dim=2)  # (B, C)
    share = log_weight.exp() * (failing > 0) * ~(left_out | own)
    negative = (share * failing).sum(dim=1) / share.sum(dim=1).clamp(min=1e-6)
    return ((target + negative) * weight).mean()
