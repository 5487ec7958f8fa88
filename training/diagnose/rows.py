"""What is diagnosed: the engagements of train and of valid as rows of vocabularies. Rows of test are never read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col, Split
from features.errors import DataError
from features.events import EventRows, encode_events, is_ordered
from features.known import Vocabularies
from features.queries import query_forms
from features.schema import LOG_SOURCE
from features.split import with_split
from features.tables import DataFolder
from features.vocabulary import Vocabulary
from training.diagnose.content import Content, read_content
from training.holdout import Manner, manner_of

LARGEST = 2_000_000
"""Rows of train that are looked at; of more, about so many, those of a seeded sample of the users."""
_ROW = "__diagnose_row"


@dataclass(frozen=True, kw_only=True)
class Engaged:
    """Engagements with items of the catalogue. N = items, item row 0 is padding; U = users and K = queries, see below.

    Attributes:
        tasks: the tasks that train engages in, in alphabetical order; a task's place is its row.
        train: rows of train, engaged with or only shown.
        valid: engagements of valid that no program made, in these tasks; an item is once in a request.
        users: rows of the user vocabulary (U), the two reserved ones included.
        queries: rows of the query vocabulary (K), likewise.
        items: rows of the catalogue, N + 1.
        ordered: whether a user's events have an order.
        manner: how valid lies beside train.
        content: what items and queries are about.
        share: of the users that are looked at, in (0, 1].
    """

    tasks: tuple[str, ...]
    train: EventRows
    valid: EventRows
    users: int
    queries: int
    items: int
    ordered: bool
    manner: Manner
    content: Content
    share: float


def task_names(folder: DataFolder) -> tuple[str, ...]:
    """Return the names of the tasks that events name, in alphabetical order."""
    return tuple(folder.events.select(pl.col(Col.TASK).drop_nulls().unique().sort()).collect().to_series())


def read_engaged(folder: DataFolder, seed: int) -> Engaged:
    """Return the engagements of ``folder`` outside of test.

    Raises:
        DataError: train engages in fewer than two tasks.
    """
    events, share = _events(folder, seed)
    train = pl.col(Col.SPLIT) == Split.TRAIN
    tasks = tuple(sorted(events.filter(train, pl.col(Col.LABEL) > 0).get_column(Col.TASK).unique()))
    if len(tasks) < 2:
        raise DataError(
            f"{folder.root}: train engages in one task alone, {', '.join(tasks)}, so there is nothing to join. "
            "Add events of another task."
        )
    events = events.filter(pl.col(Col.TASK).is_in(tasks))
    items = folder.items.select(Col.ITEM, Col.TITLE, Col.CATEGORY, Col.COUNTRIES).collect().sort(Col.ITEM)
    ids = Vocabulary.fit(items.get_column(Col.ITEM), first=1)
    forms = query_forms(events.lazy())
    known = Vocabularies.fit(items, None, events.lazy(), forms)
    texts = Vocabulary.fit(forms.get_column("form"), first=1)
    rows = encode_events(events.lazy(), tasks, ids, known, texts, forms)
    is_train = events.select(train).to_series().to_numpy()
    return Engaged(
        tasks=tasks,
        train=rows.take(is_train),
        valid=rows.take(_judged(events, is_train)),
        users=known.users.size,
        queries=known.queries.size,
        items=ids.size,
        ordered=is_ordered(events),
        manner=manner_of(events, ordered=is_ordered(events)),
        content=read_content(items, known),
        share=share,
    )


def _events(folder: DataFolder, seed: int) -> tuple[pl.DataFrame, float]:
    """Return train, and the engagements of valid, in the order of the table, and the share of the users they are of.

    Rows without a user are sampled by request.
    """
    is_train = pl.col(Col.SPLIT) == Split.TRAIN
    fitted = is_train & (pl.col(Col.WEIGHT) > 0)
    judged = (pl.col(Col.SPLIT) == Split.VALID) & (pl.col(Col.LABEL) > 0)
    rows = with_split(folder.events.with_row_index(_ROW)).filter(fitted | judged)
    share = min(1.0, LARGEST / max(rows.select(is_train.sum()).collect().item(), 1))
    if share < 1:
        rows = rows.filter(_key(pl.col(_ROW)).hash(seed) < int(share * 2**64))
    return rows.collect().sort(_ROW).drop(_ROW), share


def _key(row: pl.Expr) -> pl.Expr:
    """Return what a row is sampled with: its user, else its request, else itself."""
    user, request = pl.lit("u") + pl.col(Col.USER), pl.lit("r") + pl.col(Col.REQUEST)
    return pl.coalesce(user, request, pl.lit("n") + row.cast(pl.String))


def _judged(events: pl.DataFrame, is_train: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows (E,) are engagements of valid: by users, the first of an item in its request."""
    own = pl.lit("n") + pl.int_range(pl.len()).cast(pl.String)
    first = events.select(
        pl.struct(pl.coalesce(pl.lit("r") + pl.col(Col.REQUEST), own), Col.ITEM).is_first_distinct()
    ).to_series()
    by_user = events.get_column(Col.SOURCE) == LOG_SOURCE
    return np.asarray(first.to_numpy() & by_user.to_numpy() & ~is_train)
