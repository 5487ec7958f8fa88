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
        """Return the rows at positions ``at``, or where ``at`` (E,) says so."""
        places = np.flatnonzero(at) if at.dtype == np.bool_ else at  # a mask would be looked through for each column
        return self._replace(**{name: column[places] for name, column in self._asdict().items()})

    @property
    def engaged(self) -> NDArray[np.bool_]:
        """Which rows (E,) are engagements with an item of the catalogue."""
        engaged: NDArray[np.bool_] = (self.label > 0) & (self.item != MISSING)
        return engaged


def is_ordered(events: pl.DataFrame | pl.LazyFrame) -> bool:
    """Return whether a user's events have an order: some row has an ``order`` or a ``timestamp``."""
    known = pl.col(Col.ORDER, Col.TIMESTAMP).is_not_null().any()
    return any(events.lazy().select(known).collect().row(0))


_BATCH = 1_000_000
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
    looked_up: list[tuple[str, tuple[str, ...], _RowsOf]] = [
        (Col.QUERY, ("query", "text"), lambda texts: (known_of[at := raw.rows(texts)], text_of[at])),
        (Col.SOURCE_ITEM, ("source",), lambda ids: (items.rows(ids),)),
        (Col.USER, ("user",), lambda ids: (known.users.rows(ids),)),
        (Col.COUNTRY, ("country",), lambda names: (known.countries.rows(names),)),
        (Col.TASK, ("task",), lambda names: (task_rows(names, tasks),)),
    ]
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
    with ThreadPoolExecutor() as pool:
        for batch in read.collect_batches(chunk_size=_BATCH, maintain_order=True):
            here = {name: column[start : start + batch.height] for name, column in rows._asdict().items()}
            jobs = [
                pool.submit(_look_up, batch.get_column(name), rows_of, [here[into] for into in names])
                for name, names, rows_of in looked_up
            ]
            pages.append(batch.get_column(Col.REQUEST).rle())
            for name in ("item", "label", "weight", "time", "rank"):
                here[name][:] = batch.get_column(name).to_numpy()
            for job in jobs:
                job.result()
            start += batch.height
    return rows._replace(
        request=_request_numbers(pl.concat(pages) if pages else pl.Series([], dtype=_RUNS)),
        rank=_rank(rows.rank, rows.time),
    )


_RowsOf = Callable[[pl.Series], tuple[Ints, ...]]


def _look_up(values: pl.Series, rows_of: _RowsOf, into: list[Ints]) -> None:
    """Write the rows of each value, looked up once a run: the rows of a page agree in all but the item."""
    runs = values.rle().struct
    length = runs.field("len").to_numpy()
    for column, found in zip(into, rows_of(runs.field("value").alias(values.name)), strict=True):
        column[:] = np.repeat(found, length)


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
    undecided = order == _NEVER
    by_time = np.where(undecided & ~np.isnan(time), time, -np.inf)  # equal orders keep the order of rows
    placed = np.argsort(by_time, kind="stable") if undecided.all() else np.lexsort((by_time, order))
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
    lists = partial(_lists, rows, ordered=ordered)
    with ThreadPoolExecutor(2) as pool:  # sorting leaves the interpreter free
        found = pool.map(lists, (rows.user, list_of), (users, len(keys) + 2))
        (history, end), (query_history, query_end) = found
    return Past(history, query_history, keys, end, query_end, *_pages(rows, ordered=ordered))


def _lists(rows: EventRows, key: Ints, keys: int, *, ordered: bool) -> tuple[History, Ints]:
    """Return the list of engagements of each ``key`` (E,), and where each row's knowledge of its own list ends."""
    engaged = np.flatnonzero(rows.engaged)
    engaged = engaged[np.argsort(rows.rank[engaged], kind="stable")]
    history = History.build(key[engaged], rows.item[engaged], keys, ordered=ordered, time=rows.time[engaged])
    return history, _known_before(rows, key) if ordered else history.ends(key)


def _known_before(rows: EventRows, key: Ints) -> Ints:
    """Return where the list of each row's key ends before the first row of its request, (E,) absolute."""
    span = rows.rank.max(initial=0) + 1
    kept = rows.engaged & (key > UNKNOWN)
    engagements = np.sort(key[kept] * span + rows.rank[kept])  # as the lists have them: by key, then in order
    group = _groups(key, rows.request)
    groups = group.max(initial=-1) + 1
    first = np.full(groups, span)
    np.minimum.at(first, group, rows.rank)
    key_of = np.zeros(groups, dtype=np.int64)
    key_of[group] = key
    end: Ints = np.searchsorted(engagements, key_of * span + first)[group]
    return end


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
