"""The counts that features are made of, here and in pandas, each from the tables of a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.log import Log, Sizes, count, count_by_task
from features.columns import TASKS, Col
from features.events import build_past, encode_events
from features.history import list_of_key
from features.known import Vocabularies, home_countries
from features.queries import query_forms
from features.tables import open_data
from features.text import normalise
from features.transitions import fit_transitions
from features.vocabulary import UNKNOWN, Vocabulary

PAIRS: Final = {
    "query": (Col.QUERY, True),
    "source": (Col.SOURCE_ITEM, True),
    "country": (Col.COUNTRY, True),
    "task": (Col.TASK, True),
    "user": (Col.USER, True),
    "query_shown": (Col.QUERY, False),
    "source_shown": (Col.SOURCE_ITEM, False),
    "task_shown": (Col.TASK, False),
}
"""By name, the column that is counted with the item, and whether of engagements alone."""
NAMES: Final = (*PAIRS, "co_engaged", "followers", "known_of_user", "known_of_query")
"""Then pairs of items by their users, items and those among the user's next ``WINDOW`` after their request, and, for
each row, what its user had engaged with before its request, at all and for its query.
"""
WINDOW: Final = 20
_NEEDED: Final = [
    *(Col.ITEM, Col.TASK, Col.LABEL, Col.QUERY, Col.SOURCE_ITEM, Col.COUNTRY, Col.USER),
    *(Col.REQUEST, Col.TIMESTAMP),
]
_KEY, _ROWS = "key", "rows"


@dataclass(frozen=True)
class Here:
    """What features count, as they hold it.

    Attributes:
        matrices: by name, counts, the strings of their rows, and the first of these rows.
        known: by name, what was known before each row (E,).
        items: rows of the item ids.
    """

    matrices: dict[str, tuple[sparse.csr_matrix, pl.Series, int]]
    known: dict[str, NDArray[np.int64]]
    items: Vocabulary

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return the counts by the strings that they are of, in one order."""
        named = {name: self._named(*found) for name, found in self.matrices.items()}
        return named | {name: pl.DataFrame({_ROWS: column}) for name, column in self.known.items()}

    def _named(self, matrix: sparse.csr_matrix, keys: pl.Series, first: int) -> pl.DataFrame:
        entries = matrix.tocoo()
        columns = {
            _KEY: keys.gather(entries.row - first),
            Col.ITEM: self.items.values.gather(entries.col - self.items.first),
            _ROWS: entries.data.astype(np.int64),
        }
        return _ordered(pl.DataFrame(columns))


def count_here(data: Path) -> Here:
    """Return the counts as features make them."""
    folder = open_data(data)
    items = folder.items.select(Col.ITEM, Col.COUNTRIES, Col.CATEGORY).collect().sort(Col.ITEM)
    users = None if folder.users is None else folder.users.collect()
    forms = query_forms(folder.events)
    known = Vocabularies.fit(items, users, folder.events, forms)
    ids = Vocabulary(items.get_column(Col.ITEM).alias("value"), first=1)
    texts = Vocabulary.fit(forms.get_column("form"), first=1)
    rows = encode_events(folder.events, TASKS, ids, known, texts, forms)
    sizes = Sizes(len(TASKS), known.users.size, known.countries.size, known.queries.size, ids.size, 0)
    everything = np.ones(len(rows.item), dtype=bool)
    log = Log.of(rows, everything, home_countries(users, known), sizes, ordered=True)
    past = build_past(rows, sizes.users, sizes.queries, ordered=True)
    engaged, pages, whole = log.in_order, log.pages, (sizes.items, sizes.items)
    plain: dict[str, Any] = {"fall": 0.0, "backward": 0.0, "source": 0.0, "popularity": 0.0, "keep": sizes.items}
    follow = fit_transitions(engaged.user, engaged.item, engaged.request, sizes.items, window=WINDOW, **plain)
    user_items = count(log.engaged.user, log.engaged.item, (sizes.users, sizes.items), first=2)
    by_query = count(pages.query, pages.item, (sizes.queries, sizes.items), first=2)
    queries, tasks = known.queries.values, pl.Series(TASKS)
    matrices = {
        "query": (log.query_items, queries, 2),
        "source": (log.source_items, ids.values, 1),
        "country": (log.country_items, known.countries.values, 2),
        "task": (sparse.csr_matrix(log.by_task), tasks, 0),
        "user": (user_items, known.users.values, 2),
        "query_shown": (by_query, queries, 2),
        "source_shown": (count(pages.source, pages.item, whole, first=1), ids.values, 1),
        "task_shown": (sparse.csr_matrix(count_by_task(pages, sizes)), tasks, 0),
        "co_engaged": (log.user_items.T.tocsr() @ log.user_items, ids.values, 1),
        "followers": (follow, ids.values, 1),
    }
    key = np.where((rows.user > UNKNOWN) & (rows.query > UNKNOWN), rows.user * sizes.queries + rows.query, -1)
    of_query = past.query_history.start[list_of_key(past.query_keys, key)]
    before = {
        "known_of_user": past.end - past.history.start[rows.user],
        "known_of_query": past.query_end - of_query,
    }
    return Here(matrices, before, ids)


@dataclass(frozen=True)
class InPandas:
    """What pandas counts: ``sizes`` by both keys, and ``known`` before each row."""

    sizes: dict[str, pd.Series]
    known: dict[str, pd.Series]

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return the counts by the strings that they are of, in one order."""
        found = {}
        for name, size in self.sizes.items():
            first, second = (size.index.get_level_values(level) for level in (0, 1))
            columns = {_KEY: first.to_numpy(object), Col.ITEM: second.to_numpy(object), _ROWS: size.to_numpy()}
            found[name] = _ordered(pl.DataFrame(columns))
        return found | {name: pl.DataFrame({_ROWS: column.to_numpy(np.int64)}) for name, column in self.known.items()}


def count_in_pandas(data: Path) -> InPandas:
    """Return the counts as pandas makes them."""
    path = data / "events" if (data / "events").is_dir() else data / "events.parquet"
    events = pd.read_parquet(path, columns=_NEEDED)
    distinct = events[Col.QUERY].dropna().unique()
    events[Col.QUERY] = events[Col.QUERY].map({text: normalise(text) or None for text in distinct})
    users = pd.read_parquet(data / "users.parquet", columns=[Col.USER, Col.COUNTRY]).dropna()
    home = events[Col.USER].map(users.set_index(Col.USER)[Col.COUNTRY])
    events[Col.COUNTRY] = events[Col.COUNTRY].fillna(home)
    engaged = events[events[Col.LABEL] > 0]
    asked = engaged[Col.QUERY].dropna().unique()
    sizes = {}
    for name, (column, of_engagements) in PAIRS.items():
        rows = engaged if of_engagements else events
        rows = rows[rows[Col.QUERY].isin(asked)] if name == "query_shown" else rows  # no other query is known
        sizes[name] = rows.groupby([column, Col.ITEM], sort=False).size()
    pairs = engaged[[Col.USER, Col.ITEM]].dropna().drop_duplicates()
    both = pairs.merge(pairs, on=Col.USER)
    sizes["co_engaged"] = both.groupby([f"{Col.ITEM}_x", f"{Col.ITEM}_y"], sort=False).size()
    in_order = events.sort_values(Col.TIMESTAMP, kind="stable")
    sizes["followers"] = _followers_in_pandas(in_order[in_order[Col.LABEL] > 0].dropna(subset=[Col.USER]))
    known = {"known_of_user": [Col.USER], "known_of_query": [Col.USER, Col.QUERY]}
    return InPandas(sizes, {name: _known_in_pandas(in_order, keys, asked) for name, keys in known.items()})


def _followers_in_pandas(engaged: pd.DataFrame) -> pd.Series:
    """Return how often each item was among the next ``WINDOW`` of a user after the request of another item."""
    rows = engaged[[Col.USER, Col.REQUEST, Col.ITEM]].assign(place=engaged.groupby(Col.USER).cumcount())
    last = rows.groupby([Col.USER, Col.REQUEST], sort=False)["place"].transform("max")
    later = rows[[Col.USER, "place", Col.ITEM]].rename(columns={Col.ITEM: "later"})
    parts = []
    for distance in range(1, WINDOW + 1):
        found = rows[[Col.USER, Col.ITEM]].assign(place=last + distance).merge(later, on=[Col.USER, "place"])
        parts.append(found.loc[found["later"] != found[Col.ITEM], [Col.ITEM, "later"]])
    return pd.concat(parts).groupby([Col.ITEM, "later"], sort=False).size()


def _known_in_pandas(in_order: pd.DataFrame, keys: list[str], asked: Any) -> pd.Series:
    """Return the engagements of each row's keys before its request, in the order of the table."""
    rows = in_order.dropna(subset=keys)
    rows = rows[rows[Col.QUERY].isin(asked)] if Col.QUERY in keys else rows
    engaged = (rows[Col.LABEL] > 0).astype(np.int64)
    columns = [rows[key] for key in keys]
    before = engaged.groupby(columns, sort=False).cumsum() - engaged
    known = before.groupby([*columns, rows[Col.REQUEST]], sort=False).transform("min")
    return known.reindex(in_order.index.sort_values()).fillna(0)


def _ordered(counts: pl.DataFrame) -> pl.DataFrame:
    strings = pl.col(_KEY, Col.ITEM).cast(pl.String)
    return counts.select(strings, pl.col(_ROWS).cast(pl.Int64)).sort(_KEY, Col.ITEM)
