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

from features.arrays import load_arrays, save_arrays
from features.blocks.reading import Known
from features.blocks.registry import pair_columns
from features.catalogue import Catalogue, load_catalogue, save_catalogue
from features.columns import Col
from features.config import FeatureConfig
from features.encoder import StaticEncoder
from features.errors import DataError
from features.events import build_past, encode_events, is_ordered, task_rows
from features.evidence import REQUEST_FEATURES, Evidence
from features.history import History
from features.imputation import Imputer, RequestRows
from features.known import Vocabularies
from features.queries import QueryTable, build_query_table, normal_queries, query_forms, text_vocabulary
from features.statistics import Statistics, load_statistics, save_statistics
from features.vocabulary import Vocabulary


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

    def evidence(self, rows: RequestRows, filled: RequestRows, table: QueryTable) -> Evidence:
        """Return what the blocks say of requests: ``rows`` as they came, ``filled`` after imputation."""
        statistics = self.statistics
        known = Known(
            history=self.history,
            query_history=self.query_history,
            query_keys=self.query_keys,
            queries=self.known.queries.size,
            catalogue=self.catalogue,
            item_map=statistics.item_map,
            graph=statistics.graph,
            by_task=statistics.by_task,
            scale=statistics.scale,
        )
        return Evidence.gather(rows, filled, table, known, statistics.blocks)

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
        return rows, self.table(texts), title_row

    def table(self, texts: Vocabulary) -> QueryTable:
        """Return the table of distinct texts in normal form."""
        config = self.config
        return build_query_table(texts, self.known.queries, config.text, config.counts.word_buckets, self.static)

    def with_events(self, events: pl.DataFrame, tasks: tuple[str, ...] | None = None) -> Features:
        """Return the same features knowing the histories of ``events`` (every engagement that may be known).

        What was fitted stays, and so do the rows of the users that it knows; a new user has a history and no more.
        Queries that it does not know stay unknown.

        Args:
            events: what happened, in the order of the table.
            tasks: the tasks whose rows histories tell of, where others only say what was seen; None = all.
        """
        forms = query_forms(events.lazy())
        texts = Vocabulary.fit(forms.get_column("form"), first=1)
        owners = self.known.users.extended(events.get_column(Col.USER))
        rows = encode_events(events.lazy(), self.tasks, self.catalogue.ids, self.known, texts, forms)
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


_SCHEMA = "schema.json"
_FORM = 2
"""Counts up whenever what is written has other parts than before."""
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
    facts = _schema(features.tasks, features.statistics.quality.names, features.config)
    (folder / _SCHEMA).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _schema(tasks: Sequence[str], quality: Sequence[str], config: FeatureConfig) -> dict[str, object]:
    facts: dict[str, object] = {
        "form": _FORM,
        "tasks": list(tasks),
        "pair_features": list(pair_columns(config.use)),
        "request_features": list(REQUEST_FEATURES),
        "quality": list(quality),
        "config": asdict(config),
    }
    return facts | {"hash": hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}


def load_features(folder: Path, config: FeatureConfig) -> Features:
    """Read what ``save_features`` wrote.

    Raises:
        DataError: the folder was written with other columns or settings than this program reads.
    """
    found = json.loads((folder / _SCHEMA).read_text(encoding="utf-8"))
    if _schema(found["tasks"], found["quality"], config)["hash"] != found["hash"]:
        raise DataError(f"{folder / _SCHEMA}: written for other features than this version reads. Fit the run again.")
    users, queries = load_arrays(folder / "users.safetensors"), load_arrays(folder / "query_keys.safetensors")
    known = Vocabularies(*(Vocabulary.load(folder / f"{name}.parquet") for name in Vocabularies._fields))
    apart = (folder / _SEEN).is_file()
    return Features(
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
        statistics=load_statistics(folder, config.use),
        seen=History.load(folder / _SEEN) if apart else None,
    )
