"""A fitted model at work: index, rank, export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.ranker import Ranker

__all__ = ["Ranker"]


def __getattr__(name: str) -> Any:
    """Import ``Ranker`` on first use, so that the commands' help does not pay for torch."""
    if name != "Ranker":
        raise AttributeError(f"module 'serving' has no attribute {name!r}")
    from serving.ranker import Ranker

    return Ranker
