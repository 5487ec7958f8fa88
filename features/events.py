"""Events as columns of rows: what training reads, gathered by index, never row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.history import History, list_of_key
from features.imputation import RequestRows
from features.known import Vocabularies
from features.vocabulary import MISSING, UNKNOWN, Vocabulary

Ints = NDArray[np.int64]
_DAY_US = 86_400_000_000


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
        return self._replace(**{name: column[at] for name, column in self._asdict().items()})

    @property
    def engaged(self) -> NDArray[np.bool_]:
        """Which rows (E,) are engagements with an item of the catalogue."""
        engaged: NDArray[np.bool_] = (self.label > 0) & (self.item != MISSING)
        return engaged


def is_ordered(events: pl.DataFrame) -> bool:
    """Return whether a user's events have an order: some row has an ``order`` or a ``timestamp``."""
    return any(events.get_column(name).is_not_null().any() for name in (Col.ORDER, Col.TIMESTAMP))


def encode_events(
    events: pl.DataFrame, tasks: tuple[str, ...], items: Vocabulary, known: Vocabularies, texts: Vocabulary
) -> EventRows:
    """Return the columns of ``events``, whose queries are in normal form."""
    query = events.get_column(Col.QUERY)
    time = events.get_column(Col.TIMESTAMP).dt.epoch("us")
    request = events.select(
        pl.coalesce(pl.lit("r") + pl.col(Col.REQUEST), pl.lit("n") + pl.int_range(pl.len()).cast(pl.String))
    ).to_series()
    return EventRows(
        task=task_rows(events.get_column(Col.TASK), tasks),
        user=known.users.rows(events.get_column(Col.USER)),
        country=known.countries.rows(events.get_column(Col.COUNTRY)),
        query=known.queries.rows(query),
        text=texts.rows(query),
        source=items.rows(events.get_column(Col.SOURCE_ITEM)),
        item=items.rows(events.get_column(Col.ITEM)),
        label=events.get_column(Col.LABEL).cast(pl.Float32).to_numpy(writable=True),
        weight=events.get_column(Col.WEIGHT).cast(pl.Float32).to_numpy(writable=True),
        request=request.rank("dense").cast(pl.Int64).to_numpy() - 1,
        time=time.cast(pl.Float64).fill_null(float("nan")).to_numpy() / _DAY_US,
        rank=_rank(events.get_column(Col.ORDER), time),
    )


def task_rows(names: pl.Series, tasks: tuple[str, ...]) -> Ints:
    """Return the place of each task name in ``tasks``, from 0."""
    return names.cast(pl.Enum(tasks)).to_physical().cast(pl.Int64).to_numpy(writable=True)


def _rank(order: pl.Series, time: pl.Series) -> Ints:
    """Return the place of each row: by ``order``, where that is null before those by ``time``, else as in the table."""
    never = np.iinfo(np.int64).min
    by_time = time.set(order.is_not_null(), never).fill_null(never).to_numpy()  # equal orders keep the order of rows
    placed = np.lexsort((by_time, order.cast(pl.Int64).fill_null(never).to_numpy()))
    rank = np.empty(len(placed), dtype=np.int64)
    rank[placed] = np.arange(len(placed))
    return rank


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
    page_start: Ints
    """(R + 1,) without an order: where the items of each request start in ``page_item``, if it has several rows."""
    page_item: Ints


def build_past(rows: EventRows, users: int, queries: int, *, ordered: bool) -> Past:
    """Return the histories of ``rows``, and where each row's own knowledge ends.

    Rows of one request never see each other: with an order, a request knows what its first row knows. Without one a
    history is a set, all of it is known, and the items of the row's request are hidden when it is read.
    """
    pair = np.where((rows.user > UNKNOWN) & (rows.query > UNKNOWN), rows.user * queries + rows.query, -1)
    keys = np.unique(pair[rows.engaged & (pair >= 0)])
    list_of = list_of_key(keys, pair)
    history, end = _lists(rows, rows.user, users, ordered=ordered)
    query_history, query_end = _lists(rows, list_of, len(keys) + 2, ordered=ordered)
    return Past(history, query_history, keys, end, query_end, *_pages(rows, ordered=ordered))


def previous_items(rows: EventRows, users: int) -> Ints:
    """Return the item (E,) that each row's user engaged with last before the row's request, 0 = none, by order."""
    history, end = _lists(rows, rows.user, users, ordered=True)
    return history.window(rows.user, end, 1, np.zeros((len(end), 1), dtype=np.int64))[:, 0]


def _lists(rows: EventRows, key: Ints, keys: int, *, ordered: bool) -> tuple[History, Ints]:
    """Return the list of engagements of each ``key`` (E,), and where each row's knowledge of its own list ends."""
    by_rank = np.argsort(rows.rank, kind="stable")
    engaged = by_rank[rows.engaged[by_rank]]
    history = History.build(key[engaged], rows.item[engaged], keys, ordered=ordered)
    return history, _known_before(rows, key, by_rank, history) if ordered else history.ends(key)


def _known_before(rows: EventRows, key: Ints, by_rank: Ints, history: History) -> Ints:
    """Return where the list of each row's key ends before the first row of its request, (E,) absolute."""
    by_key = by_rank[np.argsort(key[by_rank], kind="stable")]  # rows by key, then by order
    engaged = rows.engaged[by_key].astype(np.int64)
    before = np.cumsum(engaged) - engaged
    sorted_key = key[by_key]
    first = np.searchsorted(sorted_key, sorted_key, side="left")
    count = np.empty(len(key), dtype=np.int64)
    count[by_key] = before - before[first]
    group = np.unique(key * (rows.request.max(initial=0) + 1) + rows.request, return_inverse=True)[1]
    least = np.full(group.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, group, count)
    known = np.where(key > UNKNOWN, least[group], 0)
    return history.start[key] + known


def _pages(rows: EventRows, *, ordered: bool) -> tuple[Ints, Ints]:
    """Return where the items of each request start, and the items, of requests with several rows; none if ordered."""
    size = np.bincount(rows.request)
    size = np.zeros_like(size) if ordered else np.where(size > 1, size, 0)
    by_request = np.argsort(rows.request, kind="stable")
    several = by_request[size[rows.request[by_request]] > 0]
    return np.concatenate([[0], np.cumsum(size)]), rows.item[several]


def request_rows(rows: EventRows, past: Past) -> RequestRows:
    """Return the requests that ``rows`` are answers to; ``past.end`` and ``past.query_end`` are those of ``rows``."""
    return RequestRows(
        task=rows.task,
        user=rows.user,
        country=rows.country,
        query=rows.text,
        source=rows.source,
        owner=rows.user,
        end=past.end,
        query_end=past.query_end,
        hide=_hidden(rows, past),
    )


def _hidden(rows: EventRows, past: Past) -> Ints:
    """Return the items (E, W) that the histories must not show: with no order those of the row's request, shown or not.

    Engaged and not: were only the engaged ones hidden, what is left of a history would say which they are.
    """
    if past.history.ordered:
        return np.zeros((len(rows.item), 1), dtype=np.int64)
    start, end = past.page_start[rows.request], past.page_start[rows.request + 1]
    offset = np.arange((end - start).max(initial=0))
    at = start[:, None] + offset  # (E, W - 1)
    inside = at < end[:, None]
    others = np.where(inside, past.page_item[np.where(inside, at, 0)], 0) if len(past.page_item) else 0 * at
    return np.concatenate([rows.item[:, None], others], axis=1)
