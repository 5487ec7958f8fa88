"""What a feature block is: fitted on some rows, read for requests, and told of their candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.catalogue import Catalogue
from features.config import FeatureConfig
from features.events import EventRows
from features.history import History, list_of_key
from features.imputation import RequestRows
from features.known import Vocabularies
from features.queries import QueryTable
from features.vocabulary import MISSING, UNKNOWN

Dense = NDArray[np.float32]
Ints = NDArray[np.int64]


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


@dataclass(frozen=True)
class Known:
    """What blocks are read from besides the requests.

    Attributes:
        history: of the users.
        query_history: what a user engaged with for a query.
        query_keys: (P,) ascending keys ``user * K + query`` whose lists start at row 2 of ``query_history``.
        queries: rows of the query vocabulary (K).
        catalogue: the items.
        item_map: (N + 1, N + 1) linear item-item map; rows are what is known, columns candidates.
        graph: (N + 1, G) graph vectors of the items, G = 0 where there are none.
        by_task: (T, N + 1) engagements of each item in each task.
        scale: what a count is multiplied by, so that counts of a part of the rows are comparable to those of all.
    """

    history: History
    query_history: History
    query_keys: Ints
    queries: int
    catalogue: Catalogue
    item_map: sparse.csr_matrix
    graph: Dense
    by_task: Dense
    scale: float

    @cached_property
    def popularity(self) -> Dense:
        """Engagements of each item in all tasks, (N + 1,), scaled."""
        return np.asarray(self.by_task.sum(axis=0) * self.scale, dtype=np.float32)


@dataclass(frozen=True)
class Reading:
    """A block of requests, and what several feature blocks read of it. B = requests.

    Attributes:
        rows: the requests as they came.
        filled: the same after imputation.
        table: the query texts that both point into.
        known: what is read besides.
    """

    rows: RequestRows
    filled: RequestRows
    table: QueryTable
    known: Known

    @cached_property
    def query(self) -> Ints:
        """Rows (B,) of the query vocabulary."""
        return self.table.known[self.filled.query]

    @cached_property
    def query_vector(self) -> Dense:
        """Static vectors (B, E) of the queries, zeros where there is none."""
        return np.asarray(self.table.static[self.filled.query], dtype=np.float32)

    @cached_property
    def text(self) -> sparse.csr_matrix:
        """Words (B, W) of the queries."""
        return self.table.words[self.filled.query]

    @cached_property
    def words(self) -> sparse.csr_matrix:
        """Words (B, W) of the queries, each row summing to 1 or to nothing."""
        return mean_rows(self.text)

    @cached_property
    def past(self) -> sparse.csr_matrix:
        """How often each item is in the user's history, (B, N + 1)."""
        return self.known.history.matrix(self.rows.owner, self.rows.end, self.known.catalogue.rows, self.rows.hide)

    @cached_property
    def used(self) -> sparse.csr_matrix:
        """How often the user engaged with each item for this query, (B, N + 1)."""
        own = self.table.known[self.rows.query]  # a query that stands in for none was never the user's
        some = (self.rows.owner > UNKNOWN) & (own > UNKNOWN)
        key = np.where(some, self.rows.owner * self.known.queries + own, -1)
        list_of = list_of_key(self.known.query_keys, key)
        ends = self.known.query_history.ends(list_of)
        ends = np.where((self.rows.query_end < 0) | (list_of == UNKNOWN), ends, self.rows.query_end)
        return self.known.query_history.matrix(list_of, ends, self.known.catalogue.rows, self.rows.hide)

    def latest(self, length: int) -> Ints:
        """Return the latest items (B, length) of ordered histories, newest first, 0 = fewer; (B, 0) without order."""
        history = self.known.history
        return history.window(self.rows.owner, self.rows.end, length if history.ordered else 0, self.rows.hide)


@dataclass(frozen=True)
class Found:
    """What was read of a block of requests, for some candidates. B = requests, L = candidates.

    Attributes:
        reading: the requests.
        whole: by name, evidence (B, N + 1) of every item; column 0 is padding.
        candidates: (B, L) item rows, 0 = padding.
    """

    reading: Reading
    whole: Mapping[str, Dense]
    candidates: Ints

    def at(self, name: str) -> Dense:
        """Return the evidence (B, L) of that name for the candidates."""
        return np.take_along_axis(self.whole[name], self.candidates, axis=1)

    def total(self, name: str) -> Dense:
        """Return the evidence of that name added up over the catalogue, (B, 1)."""
        return np.asarray(self.whole[name].sum(axis=1, keepdims=True), dtype=np.float32)

    @cached_property
    def popularity(self) -> Dense:
        """Engagements (B, L) of the candidates in all tasks, scaled."""
        return self.reading.known.popularity[self.candidates]


class Block(ABC):
    """A group of features. A subclass is a frozen dataclass of what it has learned: arrays and CSR matrices."""

    name: ClassVar[str]
    """The switch of the block in ``features.use``."""
    columns: ClassVar[tuple[str, ...]]
    """Context × candidate features."""
    sources: ClassVar[Mapping[str, str]] = {}
    """Evidence that brings candidates, by name, with the setting in ``serving.candidates`` that says how many."""

    @classmethod
    @abstractmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn from the rows of ``log``, and from no other row."""

    @abstractmethod
    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return evidence by name, (B, N + 1) for the whole catalogue; zeros where a request lacks what it is about.

        What only the block itself reads again may be of another width.
        """

    @abstractmethod
    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the features (B, L) in the order of ``columns``."""

    @classmethod
    def learned(cls) -> tuple[str, ...]:
        """Return the names of what is learned."""
        return tuple(part.name for part in fields(cls))  # type: ignore[arg-type]

    def arrays(self) -> dict[str, Any]:
        """Return what was learned, by name."""
        return {name: getattr(self, name) for name in self.learned()}


FLOOR = 1e-3
"""Smallest share or affinity whose logarithm is told apart from none."""


def floor_log(values: Dense) -> Dense:
    """Return the logarithm above the floor, shifted so that "none" is 0."""
    return np.asarray(np.log(np.maximum(values, FLOOR) / FLOOR), dtype=np.float32)


def dense(matrix: sparse.csr_matrix) -> Dense:
    """Return a sparse matrix as an array, float32."""
    return np.asarray(matrix.toarray(), dtype=np.float32)


def binary(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return 1 where the matrix is above 0."""
    return sparse.csr_matrix(((matrix.data > 0).astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def mean_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the rows divided by their sums, where these are above 1."""
    total = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)
    return sparse.diags((1 / total).astype(np.float32)) @ matrix


def cosines(vectors: Dense, items: Dense) -> Dense:
    """Return the products (B, N + 1) of unit ``vectors`` (B, E) and those of items; rows of zeros cost no work."""
    found = np.zeros((len(vectors), len(items)), dtype=np.float32)
    some = np.flatnonzero(vectors.any(axis=1))
    found[some] = vectors[some] @ items.T
    return found


def unit(vectors: Dense) -> Dense:
    """Return the rows with length 1; zeros stay."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)
