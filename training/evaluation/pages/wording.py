"""Figures, differences and names as a reader wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.evaluation.pages.markup import Html, element, joined

_NAMES: Final = {
    "ndcg": "NDCG",
    "map": "MAP",
    "mrr": "MRR",
    "hit": "hit rate",
    "log_popularity": "log popularity",
    "gini": "Gini index",
    "gauc": "GAUC",
    "ece": "ECE",
    "normalised_entropy": "normalised entropy",
}
"""Names of metrics that are not written as they are named."""
NOTHING: Final = "–"
"""What stands where a figure is undefined."""


def metric_name(metric: str) -> str:
    """Return ``NDCG@10`` for ``ndcg_at_10``."""
    kind, _, cutoff = metric.partition("_at_")
    return _NAMES.get(kind, kind) + (f"@{cutoff}" if cutoff else "")


def figure(entry: Mapping[str, Any] | None) -> Html:
    """Return a value with its interval below it, or a dash where it is undefined."""
    if entry is None:
        return Html(NOTHING)
    value = element("span", number(entry["value"]))
    return joined([value, element("small", interval(entry))]) if "low" in entry else value


def told(entry: Mapping[str, Any]) -> str:
    """Return a value with its interval in one line."""
    value = number(entry["value"])
    return f"{value} ({interval(entry)})" if "low" in entry else value


def interval(entry: Mapping[str, Any]) -> str:
    """Return ``0.100 – 0.200``; signs are written out where an end is below 0."""
    low, high = entry["low"], entry["high"]
    return f"{number(low)} – {number(high)}" if min(low, high) >= 0 else f"{signed(low)} to {signed(high)}"


def number(value: float) -> str:
    """Return a value as it is told everywhere, in thousandths."""
    return f"{value:.3f}".replace("-", "−")


def difference(row: Mapping[str, Any]) -> Html:
    """Return a difference with its interval below it."""
    interval = f"{signed(row['low'])} to {signed(row['high'])}"
    return joined([element("span", signed(row["difference"])), element("small", interval)])


def told_difference(row: Mapping[str, Any]) -> str:
    """Return a difference with its interval in one line."""
    return f"{signed(row['difference'])} ({signed(row['low'])} to {signed(row['high'])})"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{value:+.3f}".replace("-", "−")


def per_cent(value: float) -> str:
    """Return a share in whole per cent."""
    return f"{round(100 * value):,}\u202f%".replace("-", "−")


def p_value(value: float) -> str:
    """Return a p, which is not told more exactly than 0.001."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(number: int, noun: str = "request") -> str:
    """Return ``1 request`` or ``2,000 requests``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
