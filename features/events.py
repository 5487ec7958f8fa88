"""Events as columns of rows: what training reads, gathered by index, never row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.history import History
from features.imputation import RequestRows
from features.vocabulary import MISSING, UNKNOWN, Vocabulary

Ints = NDArray[np.int64]
_DAY_US = 86_400_000_000


class Vocabularies(NamedTuple):
    """Rows of every kind of string but item ids."""

    users: Vocabulary
    countries: Vocabulary
    queries: Vocabulary
    """Queries that some fitted row engaged with, in normal form."""
    categories: Vocabulary


class EventRows(NamedTuple):
    """Events as rows of vocabularies. E = rows in the order of the tables; 0 = missing, 1 = not in the vocabulary."""

    task: Ints
    user: Ints
    country: Ints
    query: Ints
    """(E,) rows of the query vocabulary."""
    text: Ints
    """(E,) rows of the vocabulary of distinct texts (queries and titles), 0 = none."""
    source: Ints
    item: Ints
    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    request: Ints
    """(E,) number of the request that the row belongs to."""
    time: NDArray[np.float64]
    """(E,) days since 1970, NaN without a timestamp."""
    rank: Ints
    """(E,) place of the row in the order of events: by ``order``, else by ``timestamp``, else as in the table."""

    def take(self, at: NDArray[np.int64] | NDArray[np.bool_]) -> EventRows:
        """Return the rows at positions ``at``."""
        return EventRows(*(column[at] for column in self))


def is_ordered(events: pl.DataFrame) -> bool:
    """Return whether a user's events have an order: some row has an ``order`` or a ``timestamp``."""
    return bool(events.get_column(Col.ORDER).is_not_null().any() or events.get_column(Col.TIMESTAMP).is_not_null().any())


def encode_events(
    events: pl.DataFrame, tasks: tuple[str, ...], items: Vocabulary, known: Vocabularies, texts: Vocabulary
) -> EventRows:
    """Return the columns of ``events``, whose queries are in normal form."""
    query = events.get_column(Col.QUERY)
    by_order = events.get_column(Col.ORDER).is_not_null().any()
    when = pl.col(Col.ORDER if by_order else Col.TIMESTAMP).cast(pl.Int64)
    key = events.select(when).to_series().fill_null(np.iinfo(np.int64).min).to_numpy()
    rank = np.empty(len(key), dtype=np.int64)
    rank[np.argsort(key, kind="stable")] = np.arange(len(key))
    time = events.get_column(Col.TIMESTAMP).cast(pl.Int64).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    request = events.select(
        pl.coalesce(pl.lit("r") + pl.col(Col.REQUEST), pl.lit("n") + pl.int_range(pl.len()).cast(pl.String))
    ).to_series()
    task = events.get_column(Col.TASK).cast(pl.Enum(tasks)).to_physical().cast(pl.Int64).to_numpy()
    return EventRows(
        task=task,
        user=known.users.rows(events.get_column(Col.USER)),
        country=known.countries.rows(events.get_column(Col.COUNTRY)),
        query=known.queries.rows(query),
        text=texts.rows(query),
        source=items.rows(events.get_column(Col.SOURCE_ITEM)),
        item=items.rows(events.get_column(Col.ITEM)),
        label=events.get_column(Col.LABEL).cast(pl.Float32).to_numpy(),
        weight=events.get_column(Col.WEIGHT).cast(pl.Float32).to_numpy(),
        request=request.rank("dense").cast(pl.Int64).to_numpy() - 1,
        time=time / _DAY_US,
        rank=rank,
    )


class Past(NamedTuple):
    """What each row may know of its user: everything engaged with before its request."""

    history: History
    query_history: History
    query_keys: Ints
    """(P,) ascending keys ``user * K + query`` of the lists of ``query_history``, from row 2."""
    end: Ints
    """(E,) where the row's history ends."""
    query_end: Ints
    """(E,) where the row's history with its query ends."""


def build_past(rows: EventRows, users: int, queries: int, *, ordered: bool) -> Past:
    """Return the histories of ``rows``, and where each row's own knowledge ends.

    Rows of one request never see each other: a request knows what its first row knows. Without an order a history is a
    set, all of it is known, and a row's own item is hidden when the history is read.
    """
    by_rank = np.argsort(rows.rank, kind="stable")
    engaged = rows.label[by_rank] > 0
    user, item = rows.user[by_rank], rows.item[by_rank]
    history = History.build(user[engaged], item[engaged], users, ordered=ordered)
    pair = np.where((rows.user > UNKNOWN) & (rows.query > UNKNOWN), rows.user * queries + rows.query, -1)
    keys = np.unique(pair[(rows.label > 0) & (pair >= 0)])
    list_of = np.where(pair >= 0, _place(keys, pair), MISSING)
    by_query = list_of[by_rank]
    query_history = History.build(by_query[engaged], item[engaged], len(keys) + 2, ordered=ordered)
    if ordered:
        end = _known_before(rows, rows.user, by_rank, history)
        query_end = _known_before(rows, list_of, by_rank, query_history)
    else:
        end, query_end = history.ends(rows.user), query_history.ends(list_of)
    return Past(history, query_history, keys, end, query_end)


def _place(keys: Ints, wanted: Ints) -> Ints:
    """Return 2 + the place of each ``wanted`` in ``keys``, 1 where it is not there."""
    if len(keys) == 0:
        return np.full(len(wanted), UNKNOWN, dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at + 2, UNKNOWN)


def _known_before(rows: EventRows, key: Ints, by_rank: Ints, history: History) -> Ints:
    """Return where the list of each row's key ends before the first row of its request, (E,) absolute."""
    by_key = by_rank[np.argsort(key[by_rank], kind="stable")]  # rows by key, then by order
    engaged = (rows.label[by_key] > 0).astype(np.int64)
    before = np.cumsum(engaged) - engaged
    sorted_key = key[by_key]
    first = np.searchsorted(sorted_key, sorted_key, side="left")
    count = np.empty(len(key), dtype=np.int64)
    count[by_key] = before - before[first]
    group = np.unique(np.stack([key, rows.request], axis=1), axis=0, return_inverse=True)[1].ravel()
    least = np.full(group.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, group, count)
    known = np.where(key > UNKNOWN, least[group], 0)
    return history.start[key] + known


def request_rows(rows: EventRows, past: Past) -> RequestRows:
    """Return the requests that ``rows`` are answers to."""
    hide = np.zeros_like(rows.item) if past.history.ordered else rows.item
    return RequestRows(
        task=rows.task,
        user=rows.user,
        country=rows.country,
        query=rows.text,
        source=rows.source,
        owner=rows.user,
        end=past.end,
        query_end=past.query_end,
        hide=hide,
    )
