"""What goes into the model, as types."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Contexts(NamedTuple):
    """Requests after imputation. B = requests, H = history length, T = tokens, E = text width; row 0 = missing."""

    task: Tensor  # (B,) int64
    user: Tensor  # (B,) int64 user rows
    country: Tensor  # (B,) int64 country rows
    source: Tensor  # (B,) int64 item rows
    history: Tensor  # (B, H) int64 item rows, latest first, 0 = padding
    ages: Tensor  # (B, H) int64 how long ago, in steps, 0 = not known
    tokens: Tensor  # (B, T) int64 hashed tokens of the query, 0 = padding
    static: Tensor  # (B, E) float32 static vector of the query
    flags: Tensor  # (B, 5) float32, 1 = the field was missing
    facts: Tensor  # (B, G) float32 context-only numbers


class Items(NamedTuple):
    """Items as the item tower reads them. M = items, P = category levels, C = countries; row 0 = padding."""

    row: Tensor  # (M,) int64 item rows
    exposure: Tensor  # (M,) float32 rows that showed the item; 0 = its id is unknown
    text: Tensor  # (M, E) float32
    tokens: Tensor  # (M, T) int64
    category: Tensor  # (M, P) int64
    countries: Tensor  # (M, C) int64
    vectors: Tensor  # (M, V) float32
    graph: Tensor  # (M, G) float32
    quality: Tensor  # (M, Q) float32 in [-1, 1]
    quality_missing: Tensor  # (M, Q) float32

    def take(self, at: Tensor) -> Items:
        """Return the items at positions ``at`` (K,)."""
        return Items(*(column[at] for column in self))


class Encoded(NamedTuple):
    """What a tower says: one vector, and the parts that it is made of. M = rows, P = parts, D = width."""

    vector: Tensor  # (M, D) float32, unit norm
    parts: Tensor  # (M, P, D) float32
