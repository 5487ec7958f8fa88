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
    def fit(
        cls,
        items: pl.DataFrame,
        users: pl.DataFrame | None,
        events: pl.LazyFrame,
        forms: pl.DataFrame,
        scores: pl.DataFrame | None = None,
    ) -> Vocabularies:
        """Return the vocabularies of the tables; ``forms`` are the ``query_forms`` of ``events``."""
        user = [distinct(events, Col.USER)]
        country = [distinct(events, Col.COUNTRY), items.get_column(Col.COUNTRIES).explode()]
        if users is not None:
            user.append(users.get_column(Col.USER))
            country.append(users.get_column(Col.COUNTRY))
        if scores is not None:
            user.append(scores.get_column(Col.USER))
        return cls(
            users=_fit(user),
            countries=_fit(country),
            queries=_fit([forms.filter("engaged").get_column("form")]),
            categories=_fit([category_levels(items.get_column(Col.CATEGORY)).explode()]),
        )


def distinct(events: pl.LazyFrame, name: str) -> pl.Series:
    """Return the distinct values of a column, null left out, in no order."""
    return events.select(pl.col(name).drop_nulls().unique()).collect().to_series()


def _fit(parts: list[pl.Series]) -> Vocabulary:
    return Vocabulary.fit(pl.concat([part.cast(pl.String).alias("value") for part in parts]))


def home_countries(users: pl.DataFrame | None, known: Vocabularies) -> NDArray[np.int64]:
    """Return the country row (U,) of each user row, 0 where no table says it."""
    home = np.zeros(known.users.size, dtype=np.int64)
    if users is not None:
        home[known.users.rows(users.get_column(Col.USER))] = known.countries.rows(users.get_column(Col.COUNTRY))
    home[: UNKNOWN + 1] = MISSING
    return home
