"""What can be asked of a simulated marketplace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from features.columns import TASKS
from features.errors import DataError

WORLD: Final = 1
"""Version of the world: it changes whenever the same knobs yield other tables."""
_SIZES: Final = {
    "items": (50, 10_000_000),  # names of brands run out beyond
    "users": (1, 10_000_000),
    "events": (1, 10_000_000_000),
    "seed": (0, 2**62),
    "days": (1, 36_500),
    "requests": (0, 10_000_000),
}
"""The least and the most of what is counted."""
_SHARES: Final = ("divergence", "overlap", "cold", "clickbait", "drift")


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """Sizes and character of a world; the same knobs yield the same bytes."""

    items: int = 20_000
    """Items of the catalogue."""
    users: int = 10_000
    """Users with an account."""
    events: int = 500_000
    """Rows of ``events``: items shown, engaged with or not."""
    seed: int = 0
    """Of everything that is drawn."""
    days: int = 180
    """Days that the log spans, about; more where there is too little to show at first."""
    tasks: tuple[str, ...] = TASKS
    """Surfaces that users meet."""
    divergence: float = 0.3
    """Share of the variance of an item's popularity that each task has for itself; 0 = the same in all tasks."""
    overlap: float = 0.75
    """Share of searches for what the user is interested in anyway, and so of pairs of items that are engaged together
    and relevant to the same queries."""
    cold: float = 0.1
    """Share of the items that arrive in the last tenth of the log."""
    clickbait: float = 0.03
    """Share of the items that draw clicks and disappoint: few purchases, low ratings."""
    drift: float = 0.3
    """Share of the interests that a user gives up for others in the course of the log, and of taste that moves."""
    requests: int = 1_000
    """Rows of ``requests``: what is asked after the log has ended."""

    def __post_init__(self) -> None:
        """Refuse what makes no world."""
        for name, (least, most) in _SIZES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise DataError(f"{name}: {value:,} is out of range. Pass a number from {least:,} to {most:,}.")
        for name in _SHARES:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:  # NaN fails too
                raise DataError(f"{name}: {value} is no share. Pass a number from 0 to 1.")
        fault = _fault(self.tasks)
        if fault:
            raise DataError(f"tasks: {fault}. Choose from {', '.join(TASKS)}.")

    def as_json(self) -> dict[str, Any]:
        """Return the knobs as the manifest states them."""
        return {**asdict(self), "tasks": list(self.tasks)}


def _fault(tasks: Sequence[str]) -> str | None:
    """Return what is wrong with the tasks of a world, or None."""
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        return f'"{unknown[0]}" is no task'
    if len(set(tasks)) < len(tasks):
        return f'"{",".join(tasks)}" names a task twice'
    if not tasks:
        return "none is named"
    return '"similar" alone has no page that leads to it' if set(tasks) == {"similar"} else None
