"""For which tasks the items that a user has engaged with are no candidates: ``--exclude-seen``."""

from __future__ import annotations

from collections.abc import Sequence

from features.columns import SEARCH
from features.errors import DataError


def default(tasks: Sequence[str]) -> tuple[str, ...]:
    """Return all tasks but search: who searches may look for what they know."""
    return tuple(task for task in tasks if task != SEARCH)


def parse(text: str | None, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that ``text`` names, in the order of ``tasks``.

    Args:
        text: ``all``, ``none``, or names with commas between them; None is the default.
        tasks: the tasks of the run.

    Raises:
        DataError: a name is not a task of the run.
    """
    if text is None:
        return default(tasks)
    match text.strip():
        case "all":
            return tuple(tasks)
        case "none":
            return ()
        case names:
            return check([name.strip() for name in names.split(",")], tasks)


def check(names: Sequence[str], tasks: Sequence[str]) -> tuple[str, ...]:
    """Return ``names`` once each in the order of ``tasks``; a name that is no task of the run is an error."""
    unknown = [name for name in names if name not in tasks]
    if unknown:
        raise DataError(
            f"exclude-seen: {unknown[0]!r} is not a task of this run. Give all, none, or some of {', '.join(tasks)}."
        )
    return tuple(task for task in tasks if task in names)
