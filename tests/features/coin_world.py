"""Events whose labels are drawn by a coin, so that nothing in them can say what a label is."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.events import request_rows
from features.fitting import FittedEvents
from features.imputation import RequestRows
from features.store import Features
from tests.features.feature_world import TASKS, events, items, table
from training.holdout import Manner

ITEMS = 60
SHARES: dict[Manner, float] = {"time": 0.5, "sequence": 0.4, "pairs": 0.25, "rows": 0.5}
"""About half of the rows: a page goes with any of its rows."""
ORDERED = ("time", "sequence")
QUALITY = ("engagements", "engagement_rate", "trend", "freshness")


def catalogue(silent: int = 0) -> pl.DataFrame:
    """Return items of ten titles, six categories and sixty times, and some more that no event names."""
    count = ITEMS + silent
    return items(
        *(f"i{n}" for n in range(count)),
        title=[("red", "blue", "jazz", "rock", "the")[n % 5] + (" chair", " lamp")[n % 2] for n in range(count)],
        category=[f"Home > {n % 6}" for n in range(count)],
        created_at=(pl.Series(range(count)) * 86_400_000_000).cast(pl.Datetime("us")),
    )


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def coin_world(rows: int, *, ordered: bool, users: int = 1500, queries: int = 15_000) -> pl.DataFrame:
    """Return pages of three rows; half of the queries are common ones."""
    rng = np.random.default_rng(7)
    page = np.arange(rows) // 3
    pages = int(page[-1]) + 1

    def of_page(values: list[str], missing: float) -> pl.Series:
        drawn = pl.Series(rng.choice(np.array(values), pages)[page])
        return drawn.zip_with(pl.Series(rng.random(pages) >= missing).gather(page), pl.Series([None] * rows))

    asked = of_page(names("q", 20), 0.3).zip_with(
        pl.Series(rng.random(pages)[page] < 0.5), of_page(names("q", queries), 0.3)
    )
    time = pl.Series(rng.random(pages)[page] * 1e15).cast(pl.Int64).cast(pl.Datetime("us"))
    return events(
        item_id=rng.choice(np.array(names("i", ITEMS)), rows),
        task=rng.choice(np.array(TASKS), pages)[page],
        label=(rng.random(rows) < 0.4).astype(np.float32),
        user_id=of_page(names("u", users), 0.1),
        query=asked,
        country=of_page(names("c", 5), 0.3),
        source_item_id=of_page(names("i", ITEMS), 0.5),
        request_id=[f"r{number}" for number in page],
        timestamp=time if ordered else pl.Series([None] * rows, dtype=pl.Datetime("us")),
    )


def opinions(users: int = 1500) -> pl.DataFrame:
    """Return scores by another coin."""
    rng = np.random.default_rng(8)
    count = 13 * users
    user, item = rng.integers(0, users, count), rng.integers(0, ITEMS, count)
    score = rng.standard_normal(count).astype(np.float32)
    return table("scores", user_id=[f"u{n}" for n in user], item_id=[f"i{n}" for n in item], score=score)


def own_requests(fitted: FittedEvents, at: NDArray[np.int64], manner: Manner = "time") -> RequestRows:
    """Return the requests of the rows ``at``, each knowing what it may."""
    past = fitted.past._replace(end=fitted.past.end[at], query_end=fitted.past.query_end[at])
    rows = request_rows(fitted.rows.take(at), past)
    return rows._replace(hide=np.zeros_like(rows.hide)) if manner == "rows" else rows  # an item may come again


def item_facts(features: Features) -> NDArray[np.float32]:
    """Return what is counted in events of each item whatever the request, (N + 1, Q + 1)."""
    statistics = features.statistics
    assert statistics.quality.names == QUALITY
    return np.concatenate([statistics.quality.values, np.log1p(statistics.exposure[:, None])], axis=1)
