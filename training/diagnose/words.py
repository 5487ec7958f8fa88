"""What is predicted for a task, in words."""

from __future__ import annotations

from collections.abc import Sequence

from training.diagnose.gain import Gain
from training.diagnose.overlap import Direction, Pair, Share
from training.diagnose.tasks import TaskSize
from training.evaluation.intervals import Estimate

HELPS, HURTS, NO_DIFFERENCE, UNKNOWN = "helps", "hurts", "no difference", "unknown"
"""What joining does to a task, told from an interval; ``no difference`` is none that can be told from chance."""


def verdict(gain: Gain | None) -> str:
    """Return what joining does to a task: whether the interval of its gain is above 0, below, or holds it."""
    return UNKNOWN if gain is None else sign(gain.gain)


def sign(difference: Estimate) -> str:
    """Return on which side of 0 the interval of a difference lies."""
    if difference.low > 0:
        return HELPS
    return HURTS if difference.high < 0 else NO_DIFFERENCE


def reasons(size: TaskSize, gain: Gain | None, pairs: Sequence[Pair], directions: Sequence[Direction]) -> list[str]:
    """Return what speaks for and against joining ``size.task``, a sentence each without its full stop.

    The other task that is named is the one that says most about this one's targets, by ``_told``.
    """
    if gain is None:
        return ["too few engagements of its own in the last part of train, or in valid, to tell"]
    found = [
        f"it has {size.engaged:,} engagements of its own, {size.per_item:.2g} for an item of the catalogue and "
        f"{size.per_user:.2g} for a user"
    ]
    toward = [direction for direction in directions if direction.target == size.task]
    best = max(toward, key=_told)
    pair = next(pair for pair in pairs if {pair.a, pair.b} == {best.source, best.target})
    found.append(
        f"{pair.users.both / max(size.users, 1):.0%} of its users are also in {best.source}, where the popularity of "
        f"items is {_far(pair)}"
    )
    if best.again is not None and best.near is not None:
        found.append(
            f"of its targets in valid, {_against(best.again)} are what the user had engaged with in {best.source}, and "
            f"{_against(best.near)} are neighbours of that"
        )
    if sign(gain.pooling) == HURTS:
        found.append(
            f"treated as one task, all rows would cost {-gain.pooling.value:.4f}: the tasks have to be told apart"
        )
    return found


def _told(direction: Direction) -> float:
    """Return how much more often than by chance what the user did in one task leads to his targets in the other."""
    parts = [part for part in (direction.again, direction.near) if part is not None]
    return sum((part.value - part.by_chance) * part.of for part in parts)


def _far(pair: Pair) -> str:
    if not pair.popularity.apart:
        return "the same as far as can be told"
    return f"{pair.popularity.excess:.0%} of the way from the same to no item in common"


def _against(share: Share) -> str:
    return f"{share.value:.0%} ({share.by_chance:.0%} by chance)"
