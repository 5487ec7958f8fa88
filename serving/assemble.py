"""Arrays to tensors: the one place where requests and items become what the model reads."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.blocks.registry import pair_columns
from features.evidence import REQUEST_FEATURES
from features.history import AGES, History
from features.imputation import FIELDS, RequestRows
from features.queries import QueryTable
from features.store import Features
from features.vocabulary import UNKNOWN
from unicorn.batch import Contexts, Items
from unicorn.config import ModelSizes


def model_sizes(features: Features) -> ModelSizes:
    """Return the sizes of a model that reads ``features``."""
    known = features.known
    return ModelSizes(
        tasks=len(features.tasks),
        users=known.users.size + known.countries.size,
        countries=known.countries.size,
        categories=known.categories.size,
        items=features.catalogue.rows,
        tokens=features.config.text.buckets,
        text=features.catalogue.text.shape[1],
        vectors=features.catalogue.vectors.shape[1],
        graph=_graph(features).shape[1],
        history=features.config.history,
        ages=AGES,
        flags=len(FIELDS),
        facts=len(REQUEST_FEATURES),
        pairs=len(pair_columns(features.config.use)),
        quality=len(features.statistics.quality.names),
    )


def item_tensors(features: Features, rows: slice = slice(None)) -> Items:
    """Return ``rows`` of the catalogue (N + 1 rows) as the item tower reads it.

    An item that nothing was learned of has no id to the model, which may not have a row for it.
    """
    catalogue, statistics, use = features.catalogue, features.statistics, features.config.use
    exposure = statistics.exposure[rows]
    return Items(
        row=_tensor(np.arange(catalogue.rows)[rows] * (exposure > 0)),
        exposure=_tensor(exposure),
        text=_read(catalogue.text[rows], use.text),
        tokens=_read(catalogue.tokens[rows], use.ngrams).long(),
        category=_read(catalogue.category[rows], use.category),
        countries=_read(catalogue.countries[rows], use.countries),
        vectors=_tensor(catalogue.vectors[rows]),
        graph=_tensor(_graph(features)[rows]),
        quality=_read(statistics.quality.values[rows], use.quality),
        quality_missing=_read(statistics.quality.missing[rows], use.quality),
    )


def context_tensors(
    features: Features,
    history: History,
    rows: RequestRows,
    table: QueryTable,
    title_row: NDArray[np.int64],
    rng: np.random.Generator | None = None,
) -> tuple[Contexts, RequestRows]:
    """Impute requests, and return them as the context tower reads them, facts still zero, with the filled rows.

    Args:
        features: what is fitted.
        history: of the users; in training that of the fitted events.
        rows: the requests as they came.
        table: the query texts that they point into.
        title_row: the table's row of each item's title.
        rng: in training, draws which part of a longer unordered history is read.
    """
    filled, flags = features.imputer.apply(rows, history, title_row)
    new_user = (filled.user < features.known.users.size) & ~features.seen_users[
        np.minimum(filled.user, len(features.seen_users) - 1)
    ]
    user = np.where(new_user & (filled.user > 0), UNKNOWN, filled.user)
    use, length = features.config.use, features.config.history
    window = history.window(rows.owner, rows.end, length, rows.hide, rng)
    contexts = Contexts(
        task=_tensor(filled.task),
        user=_read(user, use.user),
        country=_read(filled.country, use.countries),
        source=_tensor(filled.source),
        history=_read(window, use.history),
        ages=_read(history.ages(rows.owner, rows.end, length), use.history),
        tokens=_read(table.tokens[filled.query], use.ngrams).long(),
        static=_read(table.static[filled.query], use.text).float(),
        flags=_tensor(flags),
        facts=torch.zeros(len(user), len(REQUEST_FEATURES)),
    )
    return contexts, filled


def _graph(features: Features) -> NDArray[np.float32]:
    """Return the graph vectors (N + 1, G) that the item tower reads, G = 0 for none."""
    graph = features.statistics.graph
    return graph if features.config.use.graph_part else graph[:, :0]


def _read(array: NDArray[np.generic], use: bool) -> Tensor:
    """Return the array, or as many zeros where it is switched off."""
    return _tensor(array if use else np.zeros_like(array))


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))  # what is memory-mapped cannot be written to
