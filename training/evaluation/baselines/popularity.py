"""Popularity: what was engaged most, in the country of the request and of late, or at all."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from training.evaluation.baselines.base import Baseline, Index, Settings, World, distinct_ids, leaving_out

_SECONDS = 86_400


class Popularity(Baseline):
    """The number of distinct users who engaged with an item, in any task; an engagement without a user counts as one.

    With a ``half_life`` an engagement counts half after so many days before the last one that is fitted, and a user the
    latest one; those without a time count like the oldest.

    With a ``blend``, an item counts what it was engaged with in the country of the request, stated or else the user's
    home, as if ``blend`` more engagements from everywhere had happened there: an unknown country is served what is
    popular everywhere, and one with few engagements nearly so. An engagement belongs to the country that it states, or
    else to the user's home.
    """

    name = "popularity"
    grid = (
        {"half_life": None, "blend": None},
        {"half_life": 365.0, "blend": None},
        {"half_life": 90.0, "blend": None},
        {"half_life": 30.0, "blend": None},
        {"half_life": 7.0, "blend": None},
        {"half_life": None, "blend": 1_000.0},
        {"half_life": None, "blend": 100.0},
        {"half_life": 30.0, "blend": 100.0},
    )

    def __init__(self, half_life: float | None = None, blend: float | None = None) -> None:
        """Take the half-life in days, and the engagements from everywhere that are blended into a country's."""
        self._half_life = half_life
        self._blend = blend

    @classmethod
    def choices(cls, world: World) -> tuple[Settings, ...]:
        """Return the grid; without times there is no half-life, and without two countries none to tell apart."""
        grid = cls.grid if world.timed else leaving_out(cls.grid, "half_life")
        countries = distinct_ids(_with_country(world.fitted, world.homes), Col.COUNTRY)
        return grid if len(countries) > 1 else leaving_out(grid, "blend")

    def fit(self, world: World) -> None:
        """Count the users of each item, by country where that is wanted."""
        items = Index(world.items[Col.ITEM])
        self._homes = world.homes
        rows = world.shared("popularity", None, lambda: _latest(_with_country(world.fitted, world.homes)))
        item = items.rows(rows[Col.ITEM])
        weight = self._weights(rows)
        known = item >= 0
        self._total = np.bincount(item[known], weight[known], minlength=len(items)).astype(np.float32)  # (N,)
        self._countries = Index(distinct_ids(rows, Col.COUNTRY))
        country = self._countries.rows(rows[Col.COUNTRY])
        known &= country >= 0
        # Row -1 is that of an unknown country.
        shape = (len(self._countries) + 1, len(items))
        self._there = sparse.csr_matrix((weight[known], (country[known], item[known])), shape=shape, dtype=np.float32)

    def _weights(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Return what each engagement (n,) counts."""
        if self._half_life is None or not rows[Col.TIMESTAMP].is_not_null().any():
            return np.ones(len(rows))
        seconds = rows[Col.TIMESTAMP].dt.epoch("s").cast(pl.Float64)
        known = seconds.fill_null(strategy="min").to_numpy()
        return np.asarray(0.5 ** ((known.max() - known) / (_SECONDS * self._half_life)))

    def scores(self, requests: pl.DataFrame) -> NDArray[np.float32]:
        """Return the counts (B, N)."""
        if self._blend is None:
            return np.repeat(self._total[None, :], len(requests), axis=0)
        country = self._countries.rows(_with_country(requests, self._homes)[Col.COUNTRY])
        everywhere = self._total * (self._blend / max(float(self._total.sum()), 1e-9))
        return np.asarray(self._there[country].toarray() + everywhere, dtype=np.float32)


def _with_country(rows: pl.DataFrame, homes: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the user's home country where they state none."""
    home = homes.rename({Col.COUNTRY: "home"})
    found = rows.join(home, on=Col.USER, how="left", validate="m:1", maintain_order="left")
    return found.with_columns(pl.coalesce(Col.COUNTRY, "home").alias(Col.COUNTRY)).drop("home")


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the latest engagement of each user with each item, and all without a user."""
    rows = rows.select(Col.USER, Col.ITEM, Col.COUNTRY, Col.TIMESTAMP).sort(Col.TIMESTAMP, maintain_order=True)
    by_user = rows.filter(pl.col(Col.USER).is_not_null()).unique([Col.USER, Col.ITEM], keep="last", maintain_order=True)
    return pl.concat([rows.filter(pl.col(Col.USER).is_null()), by_user])
