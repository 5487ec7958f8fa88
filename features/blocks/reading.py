"""What blocks are read for: a block of requests, and then its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from features.blocks.numbers import Dense, Ints, mean_rows
from features.catalogue import Catalogue
from features.history import History, list_of_key
from features.imputation import RequestRows
from features.queries import QueryTable
from features.vocabulary import UNKNOWN


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
