"""Everything that is fitted before the model, from the tables of a data folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.groups import deepest
from features.blocks.log import Sizes, World
from features.catalogue import Catalogue, build_catalogue
from features.columns import Col
from features.config import FeatureConfig
from features.encoder import TextEncoder
from features.events import EventRows, Past, build_past, encode_events, is_ordered
from features.known import Vocabularies, distinct, home_countries
from features.quality import ItemEvents, signals
from features.queries import QueryTable, build_query_table, query_forms, text_vocabulary
from features.statistics import Statistics, fit_statistics
from features.store import Features
from features.text import NgramHasher
from features.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class FittedEvents:
    """The events that features are fitted on, ready for training.

    Attributes:
        rows: the events.
        past: what each of them may know of its user.
        table: the texts of their queries, and of the titles that may stand in for one.
        title_row: (N + 1,) the table's row of each item's title, 0 where it is not there.
        world: what is known besides events.
    """

    rows: EventRows
    past: Past
    table: QueryTable
    title_row: NDArray[np.int64]
    world: World

    def statistics(self, kept: NDArray[np.bool_]) -> Statistics:
        """Return what is learned of the ``kept`` rows (E,), blind to all others."""
        return fit_statistics(self.rows, kept, self.world, ordered=self.past.history.ordered)


def fit_features(
    items: pl.DataFrame,
    users: pl.DataFrame | None,
    events: pl.DataFrame | pl.LazyFrame,
    tasks: tuple[str, ...],
    config: FeatureConfig,
    seed: int,
    *,
    scores: pl.DataFrame | None = None,
    quiet: bool = True,
) -> tuple[Features, FittedEvents]:
    """Fit everything on ``events`` (of the splits that may be seen, and no other).

    Args:
        items: the catalogue.
        users: the users table, if there is one.
        events: fitted rows, engaged or not, in the order of the table; a lazy frame is read several times, in batches.
        tasks: names of the tasks.
        config: settings.
        seed: of whatever is sampled.
        scores: the table of another ranker's scores, if there is one.
        quiet: no progress bar.
    """
    items = items.sort(Col.ITEM)
    signals(items, ItemEvents.nothing(items.height + 1), config.quality)  # a wrong column is told before texts are read
    events = events.lazy()
    forms = query_forms(events)
    known = Vocabularies.fit(items, users, events, forms, scores)
    encoder = TextEncoder(config.text.model, config.text.max_tokens, quiet=quiet)
    hasher = NgramHasher(config.text.buckets)
    catalogue = build_catalogue(items, known.categories, known.countries, config, encoder, hasher)
    static = encoder.distil()
    texts, title_row = _fitted_texts(events, forms, catalogue, config)
    table = build_query_table(texts, known.queries, config.text, config.counts.word_buckets, static)
    rows = encode_events(events, tasks, catalogue.ids, known, texts, forms)
    asked = np.concatenate([np.zeros(UNKNOWN + 1, dtype=np.int64), texts.rows(known.queries.values)])  # (K,)
    world = World(
        catalogue=catalogue,
        items=items,
        known=known,
        words=sparse.csr_matrix(table.words[asked]),
        query_vectors=table.static[asked],
        group=deepest(catalogue.category),
        home=home_countries(users, known),
        scores=scores,
        sizes=Sizes(
            tasks=len(tasks),
            users=known.users.size,
            countries=known.countries.size,
            queries=known.queries.size,
            items=catalogue.rows,
            categories=known.categories.size,
        ),
        config=config,
        seed=seed,
    )
    past = build_past(rows, known.users.size, known.queries.size, ordered=is_ordered(events))
    fitted = FittedEvents(rows, past, table, title_row, world)
    seen = np.zeros(known.users.size, dtype=bool)
    seen[rows.user] = True
    features = Features(
        config=config,
        tasks=tasks,
        catalogue=catalogue,
        known=known,
        home=world.home,
        seen_users=seen,
        static=static,
        owners=known.users,
        history=past.history,
        query_history=past.query_history,
        query_keys=past.query_keys,
        statistics=fitted.statistics(np.ones(len(rows.item), dtype=bool)),
    )
    return features, fitted


def _fitted_texts(
    events: pl.LazyFrame, forms: pl.DataFrame, catalogue: Catalogue, config: FeatureConfig
) -> tuple[Vocabulary, NDArray[np.int64]]:
    """Return the vocabulary of texts that training may need, and each item's title in it."""
    if config.imputation.query_without_source == "last":
        titled = np.arange(catalogue.rows)
    else:
        titled = np.unique(catalogue.ids.rows(distinct(events, Col.SOURCE_ITEM)))
    return text_vocabulary(forms.get_column("form"), catalogue.frame.get_column(Col.TITLE), titled)
