"""What stands in for a missing field: one policy for training, evaluation and serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.config import ImputationConfig
from features.history import History
from features.vocabulary import MISSING

Rows = NDArray[np.int64]
FIELDS = ("query", "source", "country", "user", "history")
"""Fields of a request whose absence is a flag, in the order of the flags."""


class RequestRows(NamedTuple):
    """Requests as rows of vocabularies. B = requests; 0 = missing, 1 = not in the vocabulary."""

    task: Rows
    """(B,) place of the task in the configuration, from 0."""
    user: Rows
    """(B,) user rows; after imputation possibly a row behind them that stands for a country's typical user."""
    country: Rows
    """(B,) country rows."""
    query: Rows
    """(B,) rows of the query table, 0 = none."""
    source: Rows
    """(B,) item rows of the source item, 0 = none."""
    owner: Rows
    """(B,) key of the user's history: the user's row, never imputed."""
    end: Rows
    """(B,) where the user's history ends for this request."""
    query_end: Rows
    """(B,) where the history of this user with this query ends, -1 = all of it is known."""
    hide: Rows
    """(B, W) item rows that a history without order must not show, 0 = none."""

    def take(self, at: NDArray[np.int64]) -> RequestRows:
        """Return the requests at positions ``at``."""
        return RequestRows(*(column[at] for column in self))


@dataclass(frozen=True)
class Imputer:
    """The imputation table of the configuration.

    Attributes:
        config: the switches.
        home: (U,) country row of each user row, 0 = unknown.
        users: rows of the user vocabulary; a country's typical user has row ``users + country``.
    """

    config: ImputationConfig
    home: Rows
    users: int

    def apply(self, rows: RequestRows, history: History, title_row: Rows) -> tuple[RequestRows, NDArray[np.float32]]:
        """Return the requests with their gaps filled, and which were gaps, (B, 5) float32 in the order of ``FIELDS``.

        Args:
            rows: the requests as they came.
            history: of the users.
            title_row: (N + 1,) the query-table row of each item's title, 0 = not in the table.
        """
        last = history.window(rows.owner, rows.end, 1, rows.hide)[:, 0]
        gaps = (
            rows.query == MISSING,
            rows.source == MISSING,
            rows.country == MISSING,
            rows.user == MISSING,
            last == MISSING,
        )
        flags = np.stack(gaps, axis=1).astype(np.float32)
        query, source, country, user = rows.query, rows.source, rows.country, rows.user
        if self.config.query_with_source == "title":
            query = np.where((query == MISSING) & (source != MISSING), title_row[source], query)
        neither = (rows.query == MISSING) & (rows.source == MISSING)
        if self.config.query_without_source == "last":
            query = np.where(neither, title_row[last], query)
        if self.config.source == "last":
            source = np.where(neither, last, source)
        if self.config.country == "home":
            country = np.where(country == MISSING, self.home[rows.user], country)
        if self.config.user == "country":
            user = np.where(user == MISSING, self.users + country, user)
        return rows._replace(query=query, source=source, country=country, user=user), flags


def hide_fields(rows: RequestRows, rates: dict[str, float], rng: np.random.Generator) -> RequestRows:
    """Return the requests with fields hidden at random, so that the model meets every gap (context dropout).

    A hidden user takes the history along; a hidden history leaves the user's row. Rates are by name of ``FIELDS``.
    """
    count = len(rows.task)
    hidden = {name: rng.random(count) < rates.get(name, 0.0) for name in FIELDS}
    anonymous = hidden["user"]
    no_history = anonymous | hidden["history"]
    owner = np.where(no_history, MISSING, rows.owner)
    return rows._replace(
        query=np.where(hidden["query"], MISSING, rows.query),
        source=np.where(hidden["source"], MISSING, rows.source),
        country=np.where(hidden["country"], MISSING, rows.country),
        user=np.where(anonymous, MISSING, rows.user),
        owner=owner,
        end=np.where(no_history, 0, rows.end),
    )
