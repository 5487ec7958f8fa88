"""Arrays to tensors: the one place where requests and items become what the model reads."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.evidence import PAIR_FEATURES, REQUEST_FEATURES
from features.history import History
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
        history=features.config.history,
        flags=len(FIELDS),
        facts=len(REQUEST_FEATURES),
        pairs=len(PAIR_FEATURES),
        quality=len(features.statistics.quality.names),
    )


def item_tensors(features: Features) -> Items:
    """Return the catalogue (N + 1 rows) as the item tower reads it."""
    catalogue, statistics = features.catalogue, features.statistics
    return Items(
        row=torch.arange(catalogue.rows),
        exposure=_tensor(statistics.exposure),
        text=_tensor(catalogue.text),
        tokens=_tensor(catalogue.tokens).long(),
        category=_tensor(catalogue.category),
        countries=_tensor(catalogue.countries),
        vectors=_tensor(catalogue.vectors),
        quality=_tensor(statistics.quality.values),
        quality_missing=_tensor(statistics.quality.missing),
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
    window = history.window(rows.owner, rows.end, features.config.history, rows.hide, rng)
    contexts = Contexts(
        task=_tensor(filled.task),
        user=_tensor(user),
        country=_tensor(filled.country),
        source=_tensor(filled.source),
        history=_tensor(window),
        tokens=_tensor(table.tokens[filled.query]).long(),
        static=_tensor(table.static[filled.query]).float(),
        flags=_tensor(flags),
        facts=torch.zeros(len(user), len(REQUEST_FEATURES)),
    )
    return contexts, filled


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
