"""Users, countries, queries and categories that the model knows by name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.catalogue import category_levels
from features.columns import Col
from features.vocabulary import MISSING, UNKNOWN, Vocabulary


class Vocabularies(NamedTuple):
    """Rows of every kind of string but item ids."""

    users: Vocabulary
    countries: Vocabulary
    queries: Vocabulary
    """Queries that some fitted row engaged with, in normal form."""
    categories: Vocabulary

    @classmethod
    def fit(cls, items: pl.DataFrame, users: pl.DataFrame | None, events: pl.DataFrame) -> Vocabularies:
        """Return the vocabularies of the tables; the queries of ``events`` are in normal form."""
        user = [events.get_column(Col.USER)]
        country = [events.get_column(Col.COUNTRY), items.get_column(Col.COUNTRIES).explode()]
        if users is not None:
            user.append(users.get_column(Col.USER))
            country.append(users.get_column(Col.COUNTRY))
        return cls(
            users=_fit(user),
            countries=_fit(country),
            queries=_fit([events.filter(pl.col(Col.LABEL) > 0).get_column(Col.QUERY)]),
            categories=_fit([category_levels(items.get_column(Col.CATEGORY)).explode()]),
        )


def _fit(parts: list[pl.Series]) -> Vocabulary:
    return Vocabulary.fit(pl.concat([part.cast(pl.String).alias("value") for part in parts]))


def home_countries(users: pl.DataFrame | None, known: Vocabularies) -> NDArray[np.int64]:
    """Return the country row (U,) of each user row, 0 where no table says it."""
    home = np.zeros(known.users.size, dtype=np.int64)
    if users is not None:
        home[known.users.rows(users.get_column(Col.USER))] = known.countries.rows(users.get_column(Col.COUNTRY))
    home[: UNKNOWN + 1] = MISSING
    return home
