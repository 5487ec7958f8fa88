"""What blocks are fitted on: the rows that may be counted, and what is known besides events."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.numbers import Dense, Ints
from features.catalogue import Catalogue
from features.config import FeatureConfig
from features.events import EventRows
from features.known import Vocabularies
from features.vocabulary import MISSING, UNKNOWN


class Sizes(NamedTuple):
    """Rows of the vocabularies, the reserved ones included."""

    tasks: int
    users: int
    countries: int
    queries: int
    items: int
    categories: int


@dataclass(frozen=True)
class World:
    """What blocks may read besides events: nothing in it is counted.

    Attributes:
        catalogue: the items.
        items: their table, in the order of the rows.
        known: the vocabularies.
        words: (K, W) hashed words of the query vocabulary.
        query_vectors: (K, E) static vectors of the query vocabulary, half precision.
        group: (N + 1,) product group of each item.
        home: (U,) home country rows.
        scores: the table of another ranker's scores, if there is one.
        sizes: rows of the vocabularies.
        config: settings.
        seed: of whatever is sampled.
    """

    catalogue: Catalogue
    items: pl.DataFrame
    known: Vocabularies
    words: sparse.csr_matrix
    query_vectors: NDArray[np.float16]
    group: Ints
    home: Ints
    scores: pl.DataFrame | None
    sizes: Sizes
    config: FeatureConfig
    seed: int


@dataclass(frozen=True)
class Log:
    """The rows that may be counted, in the order of the tables, all of items of the catalogue.

    What several blocks count is counted once.

    Attributes:
        shown: rows, engaged or not.
        engaged: the engagements among them; a row without a country has its user's home country.
        pages: ``shown`` where some row of the whole log is no engagement, else no row.
        ordered: whether the order of a user's events means anything.
        sizes: rows of the vocabularies.
    """

    shown: EventRows
    engaged: EventRows
    pages: EventRows
    ordered: bool
    sizes: Sizes

    @classmethod
    def of(cls, rows: EventRows, kept: NDArray[np.bool_], home: Ints, sizes: Sizes, *, ordered: bool) -> Log:
        """Return the ``kept`` ones of all ``rows`` (E,)."""
        wanted = kept & (rows.item != MISSING)
        shown = rows if wanted.all() else rows.take(wanted)
        engaged = shown.take(shown.engaged)
        country = np.where(engaged.country == MISSING, home[engaged.user], engaged.country)
        # Decided on all rows, so that what is fitted on a part of them has the features of the whole.
        pages = shown if (rows.label <= 0).any() else shown.take(np.zeros(0, dtype=np.int64))
        return cls(shown, engaged._replace(country=country), pages, ordered, sizes)

    @cached_property
    def in_order(self) -> EventRows:
        """The engagements of known users, by user and in the order of their events."""
        rows = self.engaged.take(self.engaged.user > UNKNOWN)
        return rows.take(np.lexsort((rows.rank, rows.user)))

    @cached_property
    def by_task(self) -> Dense:
        """Engagements (T, N + 1) of each item in each task."""
        return count_by_task(self.engaged, self.sizes)

    @cached_property
    def query_items(self) -> sparse.csr_matrix:
        """Engagements (K, N + 1) of the item for the query; rows of no known query are empty."""
        return count(self.engaged.query, self.engaged.item, (self.sizes.queries, self.sizes.items), first=UNKNOWN + 1)

    @cached_property
    def source_items(self) -> sparse.csr_matrix:
        """Engagements (N + 1, N + 1) of the item next to the source item."""
        return count(self.engaged.source, self.engaged.item, (self.sizes.items, self.sizes.items), first=1)

    @cached_property
    def country_items(self) -> sparse.csr_matrix:
        """Engagements (C, N + 1) of the item in the country."""
        shape = (self.sizes.countries, self.sizes.items)
        return count(self.engaged.country, self.engaged.item, shape, first=UNKNOWN + 1)

    @cached_property
    def user_items(self) -> sparse.csr_matrix:
        """Whether the user engaged with the item (U, N + 1), as 1, in any task."""
        pairs = count(self.engaged.user, self.engaged.item, (self.sizes.users, self.sizes.items), first=UNKNOWN + 1)
        pairs.data[:] = 1
        return pairs


def count(row: Ints, column: Ints, shape: tuple[int, int], first: int) -> sparse.csr_matrix:
    """Return how often each (row, column) occurs, float32; rows of ``row`` below ``first`` are left out."""
    kept = row >= first
    one = np.ones(int(kept.sum()), dtype=np.float32)
    matrix = sparse.csr_matrix((one, (row[kept], column[kept])), shape=shape)
    matrix.sum_duplicates()
    return matrix


def count_by_task(rows: EventRows, sizes: Sizes) -> Dense:
    """Return how many ``rows`` each item has in each task, (T, N + 1)."""
    flat = np.bincount(rows.task * sizes.items + rows.item, minlength=sizes.tasks * sizes.items)
    return flat.reshape(sizes.tasks, sizes.items).astype(np.float32)
