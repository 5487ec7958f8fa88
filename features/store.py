"""Everything that is fitted before the model: one object for training, evaluation and serving."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.arrays import load_arrays, save_arrays
from features.catalogue import Catalogue, build_catalogue, load_catalogue, save_catalogue
from features.columns import Col
from features.config import FeatureConfig
from features.counts import Sizes
from features.encoder import StaticEncoder, TextEncoder
from features.errors import DataError
from features.events import EventRows, Past, build_past, encode_events, is_ordered, task_rows
from features.evidence import PAIR_FEATURES, REQUEST_FEATURES, Known
from features.groups import deepest
from features.history import History
from features.imputation import Imputer, RequestRows
from features.known import Vocabularies, home_countries
from features.queries import QueryTable, build_query_table, normal_queries, text_vocabulary
from features.statistics import Statistics, fit_statistics, load_statistics, save_statistics
from features.text import NgramHasher, bag_of_words
from features.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class Features:
    """What the model is told, fitted.

    Attributes:
        config: settings.
        tasks: names of the tasks; a task's place is its row.
        catalogue: the items.
        known: vocabularies of users, countries, queries and categories.
        home: (U,) home country rows of the users.
        seen_users: (U,) whether some fitted row is of the user; the others are new users.
        static: vectors of query tokens.
        owners: users that the histories are of: those of ``known``, in the same rows, then new ones.
        history: of the owners, everything that may be known.
        query_history: what a user engaged with for a query; its list of a key is that of ``query_keys``.
        query_keys: ascending keys of ``query_history``.
        statistics: counts, quality and exposure.
        seen: of the owners, what they have engaged with, where that is more than what the histories may tell, because
            the model was trained on some tasks alone; None = the histories themselves.
    """

    config: FeatureConfig
    tasks: tuple[str, ...]
    catalogue: Catalogue
    known: Vocabularies
    home: NDArray[np.int64]
    seen_users: NDArray[np.bool_]
    static: StaticEncoder
    owners: Vocabulary
    history: History
    query_history: History
    query_keys: NDArray[np.int64]
    statistics: Statistics
    seen: History | None = None

    @property
    def imputer(self) -> Imputer:
        """The imputation policy."""
        return Imputer(self.config.imputation, self.home, self.known.users.size)

    @property
    def evidence_sources(self) -> Known:
        """What evidence is read from."""
        return Known(
            counts=self.statistics.counts,
            history=self.history,
            query_history=self.query_history,
            query_keys=self.query_keys,
            lexical=self.catalogue.lexical,
            text=self.catalogue.text,
        )

    def read_requests(self, requests: pl.DataFrame) -> tuple[RequestRows, QueryTable, NDArray[np.int64]]:
        """Return requests as rows, the table that their queries point into, and its row of each item's title.

        Args:
            requests: task, user_id, query, country, source_item_id; null where missing.
        """
        query = normal_queries(requests.get_column(Col.QUERY))
        source = self.catalogue.ids.rows(requests.get_column(Col.SOURCE_ITEM))
        user = self.known.users.rows(requests.get_column(Col.USER))
        owner = self.owners.rows(requests.get_column(Col.USER))
        end = self.history.ends(owner)
        nothing = np.zeros((len(user), 1), dtype=np.int64)
        last = self.history.window(owner, end, 1, nothing)[:, 0]
        titled = np.unique(np.concatenate([source, last]))
        texts, title_row = text_vocabulary(query, self.catalogue.frame.get_column(Col.TITLE), titled)
        rows = RequestRows(
            task=task_rows(requests.get_column(Col.TASK), self.tasks),
            user=user,
            country=self.known.countries.rows(requests.get_column(Col.COUNTRY)),
            query=texts.rows(query),
            source=source,
            owner=owner,
            end=end,
            query_end=np.full(len(user), -1, dtype=np.int64),
            hide=nothing,
        )
        hasher = NgramHasher(self.config.text.buckets)
        return rows, _table(texts.values.to_list(), self.known, self.config, hasher, self.static), title_row

    def with_events(self, events: pl.DataFrame, tasks: tuple[str, ...] | None = None) -> Features:
        """Return the same features knowing the histories of ``events`` (every engagement that may be known).

        What was fitted stays, and so do the rows of the users that it knows; a new user has a history and no more.
        Queries that it does not know stay unknown.

        Args:
            events: what happened, in the order of the table.
            tasks: the tasks whose rows histories tell of, where others only say what was seen; None = all.
        """
        events = events.with_columns(normal_queries(events.get_column(Col.QUERY)))
        texts = Vocabulary.fit(events.get_column(Col.QUERY), first=1)
        owners = self.known.users.extended(events.get_column(Col.USER))
        rows = encode_events(events, self.tasks, self.catalogue.ids, self.known, texts)
        rows = rows._replace(user=owners.rows(events.get_column(Col.USER)))
        seen = None
        if tasks is not None:
            seen = History.build(rows.user[rows.engaged], rows.item[rows.engaged], owners.size, ordered=False)
            told = events.get_column(Col.TASK).is_in(tasks).to_numpy()
            events, rows = events.filter(told), rows.take(told)
        past = build_past(rows, owners.size, self.known.queries.size, ordered=is_ordered(events))
        return replace(
            self,
            owners=owners,
            history=past.history,
            query_history=past.query_history,
            query_keys=past.query_keys,
            seen=seen,
        )


@dataclass(frozen=True)
class FittedEvents:
    """The events that features are fitted on, ready for training.

    Attributes:
        rows: the events.
        past: what each of them may know of its user.
        table: the texts of their queries, and of the titles that may stand in for one.
        title_row: (N + 1,) the table's row of each item's title, 0 where it is not there.
        items: the catalogue in the order of its rows.
        words: (K, W) hashed words of the query vocabulary.
        group: (N + 1,) product group of each item.
        home: (U,) home country rows.
        sizes: rows of the vocabularies.
        config: settings.
    """

    rows: EventRows
    past: Past
    table: QueryTable
    title_row: NDArray[np.int64]
    items: pl.DataFrame
    words: sparse.csr_matrix
    group: NDArray[np.int64]
    home: NDArray[np.int64]
    sizes: Sizes
    config: FeatureConfig

    def statistics(self, kept: NDArray[np.bool_], seed: int) -> Statistics:
        """Return counts, quality and exposure of the ``kept`` rows (E,), blind to all others."""
        return fit_statistics(
            self.rows,
            kept,
            self.items,
            self.words,
            self.group,
            self.home,
            self.sizes,
            self.config,
            seed,
            ordered=self.past.history.ordered,
        )


def fit_features(
    items: pl.DataFrame,
    users: pl.DataFrame | None,
    events: pl.DataFrame,
    tasks: tuple[str, ...],
    config: FeatureConfig,
    seed: int,
    *,
    quiet: bool = True,
) -> tuple[Features, FittedEvents]:
    """Fit everything on ``events`` (of the splits that may be seen, and no other).

    Args:
        items: the catalogue.
        users: the users table, if there is one.
        events: fitted rows, engaged or not, in the order of the table.
        tasks: names of the tasks.
        config: settings.
        seed: of whatever is sampled.
        quiet: no progress bar.
    """
    items = items.sort(Col.ITEM)
    events = events.with_columns(normal_queries(events.get_column(Col.QUERY)))
    known = Vocabularies.fit(items, users, events)
    encoder = TextEncoder(config.text.model, config.text.max_tokens, quiet=quiet)
    hasher = NgramHasher(config.text.buckets)
    catalogue = build_catalogue(items, known.categories, known.countries, config, encoder, hasher)
    static = encoder.distil()
    texts, title_row = _fitted_texts(events, catalogue, config)
    rows = encode_events(events, tasks, catalogue.ids, known, texts)
    fitted = FittedEvents(
        rows=rows,
        past=build_past(rows, known.users.size, known.queries.size, ordered=is_ordered(events)),
        table=_table(texts.values.to_list(), known, config, hasher, static),
        title_row=title_row,
        items=items,
        words=bag_of_words([None] * (UNKNOWN + 1) + known.queries.values.to_list(), config.counts.word_buckets),
        group=deepest(catalogue.category),
        home=home_countries(users, known),
        sizes=Sizes(
            tasks=len(tasks),
            users=known.users.size,
            countries=known.countries.size,
            queries=known.queries.size,
            items=catalogue.rows,
            categories=known.categories.size,
        ),
        config=config,
    )
    seen = np.zeros(known.users.size, dtype=bool)
    seen[rows.user] = True
    features = Features(
        config=config,
        tasks=tasks,
        catalogue=catalogue,
        known=known,
        home=fitted.home,
        seen_users=seen,
        static=static,
        owners=known.users,
        history=fitted.past.history,
        query_history=fitted.past.query_history,
        query_keys=fitted.past.query_keys,
        statistics=fitted.statistics(np.ones(len(rows.item), dtype=bool), seed),
    )
    return features, fitted


def _table(
    texts: Sequence[str], known: Vocabularies, config: FeatureConfig, hasher: NgramHasher, static: StaticEncoder
) -> QueryTable:
    buckets = config.counts.word_buckets
    return build_query_table(texts, known.queries, hasher, config.text.query_tokens, buckets, static)


def _fitted_texts(
    events: pl.DataFrame, catalogue: Catalogue, config: FeatureConfig
) -> tuple[Vocabulary, NDArray[np.int64]]:
    """Return the vocabulary of texts that training may need, and each item's title in it."""
    if config.imputation.query_without_source == "last":
        titled = np.arange(catalogue.rows)
    else:
        titled = np.unique(catalogue.ids.rows(events.get_column(Col.SOURCE_ITEM)))
    return text_vocabulary(events.get_column(Col.QUERY), catalogue.frame.get_column(Col.TITLE), titled)


_SCHEMA = "schema.json"
_OWNERS, _SEEN = "owners.parquet", "seen.safetensors"


def save_features(features: Features, folder: Path) -> None:
    """Write everything that was fitted into ``folder``, with a hash of its schema."""
    folder.mkdir(parents=True, exist_ok=True)
    save_catalogue(features.catalogue, folder)
    for name, vocabulary in features.known._asdict().items():
        vocabulary.save(folder / f"{name}.parquet")
    save_arrays({"home": features.home, "seen": features.seen_users}, folder / "users.safetensors")
    features.static.save(folder / "static")
    features.history.save(folder / "history.safetensors")
    features.query_history.save(folder / "query_history.safetensors")
    save_arrays({"keys": features.query_keys}, folder / "query_keys.safetensors")
    if features.seen is not None:
        features.owners.save(folder / _OWNERS)
        features.seen.save(folder / _SEEN)
    save_statistics(features.statistics, folder)
    (folder / _SCHEMA).write_text(json.dumps(_schema(features), indent=1), encoding="utf-8")


def _schema(features: Features) -> dict[str, object]:
    facts: dict[str, object] = {
        "tasks": list(features.tasks),
        "pair_features": list(PAIR_FEATURES),
        "request_features": list(REQUEST_FEATURES),
        "quality": list(features.statistics.quality.names),
        "config": asdict(features.config),
    }
    return facts | {"hash": hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}


def load_features(folder: Path, config: FeatureConfig) -> Features:
    """Read what ``save_features`` wrote.

    Raises:
        DataError: the folder was written with other columns or settings than this program reads.
    """
    found = json.loads((folder / _SCHEMA).read_text(encoding="utf-8"))
    users, queries = load_arrays(folder / "users.safetensors"), load_arrays(folder / "query_keys.safetensors")
    known = Vocabularies(*(Vocabulary.load(folder / f"{name}.parquet") for name in Vocabularies._fields))
    apart = (folder / _SEEN).is_file()
    features = Features(
        config=config,
        tasks=tuple(found["tasks"]),
        catalogue=load_catalogue(folder),
        known=known,
        home=users["home"],
        seen_users=users["seen"],
        static=StaticEncoder.load(folder / "static"),
        owners=Vocabulary.load(folder / _OWNERS) if apart else known.users,
        history=History.load(folder / "history.safetensors"),
        query_history=History.load(folder / "query_history.safetensors"),
        query_keys=queries["keys"],
        statistics=load_statistics(folder),
        seen=History.load(folder / _SEEN) if apart else None,
    )
    if _schema(features)["hash"] != found["hash"]:
        raise DataError(f"{folder / _SCHEMA}: written for other features than this version reads. Fit the run again.")
    return features
