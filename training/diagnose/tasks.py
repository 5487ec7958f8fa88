"""How much each task has of its own, in train."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.vocabulary import UNKNOWN
from training.diagnose.rows import Engaged


class TaskSize(NamedTuple):
    """What train holds of a task."""

    task: str
    rows: int
    """Rows, engaged with or only shown."""
    engaged: int
    """Rows with a label above 0."""
    requests: int
    """Requests with an engagement."""
    users: int
    """Known users who engage."""
    items: int
    """Items that are engaged with."""
    queries: int
    """Distinct queries of engagements."""
    per_user: float
    """Engagements by known users, for each of them; 0 without one."""
    per_item: float
    """Engagements for each item of the catalogue."""


def task_size(engaged: Engaged, task: int) -> TaskSize:
    """Return what train holds of ``task``."""
    rows = engaged.train.take(engaged.train.task == task)
    own = rows.take(rows.engaged)
    known = own.user > UNKNOWN
    users = len(np.unique(own.user[known]))
    return TaskSize(
        task=engaged.tasks[task],
        rows=len(rows.item),
        engaged=len(own.item),
        requests=len(np.unique(own.request)),
        users=users,
        items=len(np.unique(own.item)),
        queries=len(np.unique(own.query[own.query > UNKNOWN])),
        per_user=int(known.sum()) / max(users, 1),
        per_item=len(own.item) / (engaged.items - 1),
    )
