"""A world of pages in which every block has something to learn, fitted in the ways that its contract speaks of."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.registry import BLOCKS
from features.events import build_past, request_rows
from features.fitting import FittedEvents
from features.imputation import RequestRows
from features.statistics import Statistics
from features.store import Features
from tests.features.feature_world import TASKS, events, fit, items, requests, table, told

SHARED = {name: name for name in ("item_map", "by_task", "quality", "events")} | {"graph_vectors": "graph"}
"""What is fitted beside the blocks, with its name in ``Statistics``."""
PARTS = (*BLOCKS, *SHARED)
ROWS, PAGE = 240, 3
WORDS = ("red", "blue", "chair", "lamp", "rock", "jazz", "piano", "the")
KINDS = (
    {},
    {"task": "recommendation", "user_id": "u1"},
    {"query": "red chair"},
    {"query": "red chair", "user_id": "u2", "country": "DE"},
    {"query": "a blue red new one"},
    {"task": "similar", "source_item_id": "i03"},
    {"task": "similar", "source_item_id": "i02", "user_id": "u3", "country": "KR"},
    {"user_id": "u4", "query": "jazz", "country": "DE", "source_item_id": "i05"},
    {"task": "recommendation", "country": "FR"},
)
"""Requests with every kind of gap."""


class Fit(NamedTuple):
    """What was fitted, and on which events."""

    features: Features
    fitted: FittedEvents
    events: pl.DataFrame


def catalogue() -> pl.DataFrame:
    """Return twelve items; some lack a title, a text, a category or a time, the last one all of them."""
    count = 12
    rng = np.random.default_rng(1)
    day = pl.Series([f"2024-01-{n + 1:02}" for n in range(count)]).str.to_date()
    titles = [" ".join(rng.choice(WORDS, 3)) for _ in range(count)]
    columns = {
        "title": [None if n in (10, 11) else title for n, title in enumerate(titles)],
        "text": [title if n % 3 == 0 else None for n, title in enumerate(titles[::-1])],
        "category": [None if n > 9 else ("Home > Seats", "Home > Light", "Music")[n % 3] for n in range(count)],
        "countries": [["DE", "KR"] if n == 4 else None for n in range(count)],
        "created_at": day.zip_with(pl.Series([n < 9 for n in range(count)]), pl.Series([None] * count, dtype=pl.Date)),
    }
    rating = pl.Series("rating", [None if n == 11 else n % 5 + 0.5 for n in range(count)])
    return items(*(f"i{n:02}" for n in range(count)), **columns).with_columns(rating)


def log(*, ordered: bool) -> pl.DataFrame:
    """Return pages of three rows by eight users; pages have times of their own, or no time."""
    rng = np.random.default_rng(2)
    pages = ROWS // PAGE
    page = np.arange(ROWS) // PAGE

    def of_page(values: list[str], missing: float) -> list[str | None]:
        drawn = [None if rng.random() < missing else str(rng.choice(values)) for _ in range(pages)]
        return [drawn[place] for place in page]

    hour = rng.permutation(pages)[page] * 7 + 1_000
    return events(
        item_id=[f"i{min(n, 12):02}" for n in rng.integers(0, 14, ROWS)],  # i12 is in no catalogue
        task=of_page(list(TASKS), 0.0),
        label=(rng.random(ROWS) < 0.6).astype(np.float32) * (1 + rng.integers(0, 2, ROWS)),
        user_id=of_page([f"u{n}" for n in range(8)], 0.1),
        query=of_page(["red", "red chair", "Blue  lamp", "jazz piano", "jazz", "the rock"], 0.3),
        country=of_page(["DE", "KR", "FR"], 0.4),
        source_item_id=of_page([f"i{n:02}" for n in range(12)], 0.4),
        request_id=[f"r{place}" for place in page],
        weight=rng.choice([0.5, 1.0, 2.0], ROWS),
        timestamp=pl.Series([int(h) * 3_600_000_000 if ordered else None for h in hour]).cast(pl.Datetime("us")),
    )


USERS = table("users", user_id=["u1", "u2", "u3", "u9"], country=["DE", "KR", None, "US"])
SCORES = table(
    "scores",
    user_id=["u1", "u1", "u2", "u4", "u4", "u4", "stranger"],
    item_id=["i01", "i02", "i03", "i05", "i00", "i00", "i01"],
    score=[0.5, 2.0, -1.0, 4.0, 1.0, 2.0, 9.0],
)


def fitted_on(encoder: str, frame: pl.DataFrame, **changes: Any) -> Fit:
    """Return what is fitted on ``frame``; ``changes`` stand in for the other tables."""
    tables: dict[str, Any] = {"items": catalogue(), "users": USERS, "scores": SCORES} | changes
    quality = ("rating",) if "rating" in tables["items"].columns else ()
    return Fit(
        *fit(tables["items"], frame, encoder, users=tables["users"], scores=tables["scores"], quality=quality), frame
    )


@cache
def world(encoder: str, ordered: bool) -> Fit:
    return fitted_on(encoder, log(ordered=ordered))


@cache
def without_the_others(encoder: str, ordered: bool) -> Fit:
    """Return what is fitted on a table of the ``kept_rows`` alone."""
    frame = log(ordered=ordered)
    return fitted_on(encoder, frame.filter(pl.Series(kept_rows(frame))))


@cache
def shuffled(encoder: str, ordered: bool) -> Fit:
    """Return what is fitted on the same rows in another order: of the pages, which have times, or of all rows."""
    key = pl.col("request_id") if ordered else pl.int_range(pl.len())
    return fitted_on(encoder, log(ordered=ordered).sort(key.hash(seed=3), maintain_order=True))


def kept_rows(frame: pl.DataFrame) -> NDArray[np.bool_]:
    """Return which rows (E,) may be counted: a part that has everything that has a name in the whole."""
    kept = np.random.default_rng(0).random(frame.height) < 0.6
    engaged = frame["label"] > 0
    for name in ("user_id", "country", "query"):
        first = frame.with_row_index("row").filter(engaged & pl.col(name).is_not_null()).unique(name, keep="first")
        kept[first["row"].to_numpy()] = True
    return kept


def other_rows(world: Fit, kept: NDArray[np.bool_], seed: int) -> FittedEvents:
    """Return the same events with other facts in the rows that are not ``kept``."""
    rng = np.random.default_rng(seed)
    rows = world.fitted.rows._asdict()
    place = np.arange(len(kept))
    for name, column in rows.items():
        place[~kept] = rng.permutation(np.flatnonzero(~kept))
        rows[name] = column[place]
    return replace(world.fitted, rows=world.fitted.rows._replace(**rows))


def part(statistics: Statistics, name: str) -> dict[str, Any]:
    """Return what was learned in one part of what is fitted, by name."""
    if name in ("quality", "events"):
        return dict(getattr(statistics, name)._asdict())
    return statistics.blocks[name].arrays() if name in BLOCKS else {name: getattr(statistics, SHARED[name])}


def numbers(arrays: dict[str, Any]) -> list[NDArray[Any]]:
    """Return the arrays, and the parts of the matrices, of what was learned."""
    found = []
    for value in arrays.values():
        if sparse.issparse(value):
            found += [value.data, value.indices, value.indptr]
        elif isinstance(value, np.ndarray):
            found.append(value)
    return found


def learns(name: str) -> bool:
    """Whether a part learns from events: some blocks read what others learn, and one reads a table of its own."""
    return name in SHARED or bool(BLOCKS[name].learned() and name != "external")


def only(features: Features, *names: str) -> Features:
    """Return the features with these blocks alone."""
    blocks = {name: features.statistics.blocks[name] for name in names}
    return replace(features, statistics=replace(features.statistics, blocks=blocks))


def asked(features: Features, *kinds: dict[str, str]) -> tuple[Any, ...]:
    """Return requests as they are served."""
    return features.read_requests(requests(*kinds))


def trained(world: Fit, at: NDArray[np.int64]) -> tuple[Any, ...]:
    """Return the requests of the rows ``at`` as they are trained on."""
    past = world.fitted.past
    own = past._replace(end=past.end[at], query_end=past.query_end[at])
    return request_rows(world.fitted.rows.take(at), own), world.fitted.table, world.fitted.title_row


def says(features: Features, name: str, read: tuple[Any, ...], **candidates: Any) -> NDArray[np.float32]:
    """Return what one block says of all items, or of the ``candidates``, for requests as they were read."""
    return told(only(features, name), *read, **candidates)[0]


def before(fit: Fit, row: int) -> Features:
    """Return the features with histories of nothing but what the row may know."""
    rows, ordered, known = fit.fitted.rows, fit.features.history.ordered, fit.features.known
    if ordered:
        may = rows.time < rows.time[row]
    else:
        page = rows.request == rows.request[row]
        may = ~page & ~((rows.user == rows.user[row]) & np.isin(rows.item, rows.item[page]))
    told_of = rows._replace(label=np.where(may, rows.label, 0).astype(np.float32))
    past = build_past(told_of, known.users.size, known.queries.size, ordered=ordered)
    return replace(fit.features, history=past.history, query_history=past.query_history, query_keys=past.query_keys)


def knowing_all(features: Features, rows: RequestRows) -> RequestRows:
    """Return the requests with all that their users' histories hold, as they are served."""
    nothing = np.zeros((len(rows.owner), 1), dtype=np.int64)
    return rows._replace(end=features.history.ends(rows.owner), query_end=nothing[:, 0] - 1, hide=nothing)


def with_rows(read: tuple[Any, ...], rows: RequestRows) -> tuple[Any, ...]:
    return rows, *read[1:]
