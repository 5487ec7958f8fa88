"""What one call may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a call, and of what waits."""

    body: int = 4 * 2**20
    """Bytes of a body."""
    requests: int = 256
    """Requests of a call."""
    top_k: int = 1_000
    """Items of an answer."""
    candidates: int = 10_000
    """Candidates that a request names."""
    items: int = 1_000
    """Items that are added or removed by a call."""
    fields: int = 50
    """Fields of a new item beside those of the contract."""
    text: int = 2_000
    """Characters of a query or an id."""
    waiting: int = 1_024
    """Requests that wait for their turn; what comes then is turned away."""
    together: int = 256
    """Requests that are ranked together, of several calls."""


LIMITS = Limits()
