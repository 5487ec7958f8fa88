"""Events as columns of rows: what training reads, gathered by index, never row by row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

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


def is_ordered(events: pl.DataFrame | pl.LazyFrame) -> bool:
    """Return whether a user's events have an order: some row has an ``order`` or a ``timestamp``."""
    known = pl.col(Col.ORDER, Col.TIMESTAMP).is_not_null().any()
    return any(events.lazy().select(known).collect().row(0))


_BATCH = 2_000_000
"""Rows of the table that are held as strings at once."""


def encode_events(
    events: pl.LazyFrame,
    tasks: tuple[str, ...],
    items: Vocabulary,
    known: Vocabularies,
    texts: Vocabulary,
    forms: pl.DataFrame,
) -> EventRows:
    """Return the columns of ``events``, which are read in batches, in their order.

    Args:
        events: the rows.
        tasks: names of the tasks.
        items: rows of the item ids.
        known: the other vocabularies.
        texts: of the distinct texts in normal form.
        forms: the ``query_forms`` of ``events``.
    """
    count = events.select(pl.len()).collect().item()
    raw = Vocabulary(forms.get_column(Col.QUERY), first=1)
    form = forms.get_column("form")
    known_of, text_of = (np.concatenate([[MISSING], one.rows(form)]) for one in (known.queries, texts))
    read = events.select(
        *(Col.TASK, Col.USER, Col.COUNTRY, Col.QUERY, Col.SOURCE_ITEM, Col.REQUEST),
        items.row_of(Col.ITEM).alias("item"),
        pl.col(Col.LABEL).alias("label"),
        pl.col(Col.WEIGHT).alias("weight"),
        (pl.col(Col.TIMESTAMP).dt.epoch("us").cast(pl.Float64).fill_null(float("nan")) / _DAY_US).alias("time"),
        pl.col(Col.ORDER).fill_null(_NEVER).alias("rank"),
    )
    rows = EventRows(*(np.empty(count, dtype=_KINDS.get(name, np.int64)) for name in EventRows._fields))
    pages = []
    start = 0
    for batch in read.collect_batches(chunk_size=_BATCH, maintain_order=True):
        here = slice(start, start + batch.height)
        rows.task[here] = _by_runs(batch.get_column(Col.TASK), partial(task_rows, tasks=tasks))
        rows.user[here] = _by_runs(batch.get_column(Col.USER), known.users.rows)
        rows.country[here] = _by_runs(batch.get_column(Col.COUNTRY), known.countries.rows)
        rows.query[here] = _by_runs(batch.get_column(Col.QUERY), raw.rows)
        rows.source[here] = _by_runs(batch.get_column(Col.SOURCE_ITEM), items.rows)
        for name in ("item", "label", "weight", "time", "rank"):
            getattr(rows, name)[here] = batch.get_column(name).to_numpy()
        pages.append(batch.get_column(Col.REQUEST).rle())
        start = here.stop
    return rows._replace(
        query=known_of[rows.query],
        text=text_of[rows.query],
        request=_request_numbers(pl.concat(pages) if pages else pl.Series([], dtype=_RUNS)),
        rank=_rank(rows.rank, rows.time),
    )


def _by_runs(values: pl.Series, rows_of: Callable[[pl.Series], Ints]) -> Ints:
    """Return the row of each value, looked up once a run: the rows of a page agree in all but the item."""
    runs = values.rle().struct
    return np.repeat(rows_of(runs.field("value").alias(values.name)), runs.field("len").to_numpy())


def _request_numbers(pages: pl.Series) -> Ints:
    """Return the number of the request of each row, from 0; a row without a request id is a request of its own.

    Args:
        pages: runs of the request ids, in the order of the rows.
    """
    length = pages.struct.field("len").to_numpy().astype(np.int64)
    named = pages.struct.field("value").rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    numbers = np.repeat(named, length) - 1
    alone = np.flatnonzero(numbers < 0)
    numbers[alone] = named.max(initial=0) + np.arange(len(alone))
    return numbers


_KINDS: Final = {"label": np.float32, "weight": np.float32, "time": np.float64}
_RUNS: Final = pl.Struct({"len": pl.UInt32, "value": pl.String})
_NEVER: Final = np.iinfo(np.int64).min


def task_rows(names: pl.Series, tasks: tuple[str, ...]) -> Ints:
    """Return the place of each task name in ``tasks``, from 0."""
    return names.cast(pl.Enum(tasks)).to_physical().cast(pl.Int64).to_numpy(writable=True)


def _rank(order: Ints, time: NDArray[np.float64]) -> Ints:
    """Return the place of each row: by ``order``, where that is null before those by ``time``, else as in the table."""
    by_time = np.where((order != _NEVER) | np.isnan(time), -np.inf, time)  # equal orders keep the order of rows
    placed = np.argsort(by_time, kind="stable") if (order == _NEVER).all() else np.lexsort((by_time, order))
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
    by_rank = np.argsort(rows.rank, kind="stable")
    lists = partial(_lists, rows, by_rank, ordered=ordered)
    with ThreadPoolExecutor(2) as pool:  # sorting leaves the interpreter free
        found = pool.map(lists, (rows.user, list_of), (users, len(keys) + 2))
        (history, end), (query_history, query_end) = found
    return Past(history, query_history, keys, end, query_end, *_pages(rows, ordered=ordered))


def _lists(rows: EventRows, by_rank: Ints, key: Ints, keys: int, *, ordered: bool) -> tuple[History, Ints]:
    """Return the list of engagements of each ``key`` (E,), and where each row's knowledge of its own list ends."""
    engaged = by_rank[rows.engaged[by_rank]]
    history = History.build(key[engaged], rows.item[engaged], keys, ordered=ordered, time=rows.time[engaged])
    return history, _known_before(rows, key, by_rank, history) if ordered else history.ends(key)


def _known_before(rows: EventRows, key: Ints, by_rank: Ints, history: History) -> Ints:
    """Return where the list of each row's key ends before the first row of its request, (E,) absolute."""
    by_key = by_rank[np.argsort(key[by_rank], kind="stable")]  # rows by key, then by order
    engaged = rows.engaged[by_key].astype(np.int64)
    before = np.cumsum(engaged) - engaged
    sorted_key = key[by_key]
    new = np.concatenate([[True], sorted_key[1:] != sorted_key[:-1]])[: len(key)]
    count = np.empty(len(key), dtype=np.int64)
    count[by_key] = before - np.maximum.accumulate(np.where(new, before, 0))  # what came before never falls
    group = _groups(key, rows.request)
    least = np.full(group.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, group, count)
    known = np.where(key > UNKNOWN, least[group], 0)
    return history.start[key] + known


def _groups(key: Ints, request: Ints) -> Ints:
    """Return a number (E,) for each pair of key and request; mostly a request has one key, and is the pair."""
    of_request = np.zeros(request.max(initial=-1) + 1, dtype=np.int64)
    of_request[request] = key
    if np.array_equal(of_request[request], key):
        return request
    number: Ints = np.unique(key * len(of_request) + request, return_inverse=True)[1]
    return number


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
