"""Evidence counted in events: how often this candidate was engaged with in contexts like this one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.affinity import fit_affinity
from features.arrays import load_arrays, save_arrays
from features.config import CountConfig

Ints = NDArray[np.int64]


class Engagements(NamedTuple):
    """Engaged rows (label > 0) as rows of vocabularies. E = rows; 0 = missing, 1 = not in the vocabulary."""

    task: Ints
    user: Ints
    country: Ints
    query: Ints
    """(E,) rows of the query vocabulary."""
    source: Ints
    item: Ints
    previous: Ints
    """(E,) the item that the user engaged with just before, 0 = none or no order."""


class Sizes(NamedTuple):
    """Rows of the vocabularies, the reserved ones included."""

    tasks: int
    users: int
    countries: int
    queries: int
    items: int


@dataclass(frozen=True)
class Counts:
    """Sparse counts of engagements, fitted on some rows and blind to all others.

    Attributes:
        by_task: (T, N + 1) engagements of each item in each task.
        by_query: (K, N + 1) engagements of the item for the query, K rows of the query vocabulary.
        by_word: (W, N + 1) share of the engagements for a query word that went to the item.
        by_source: (N + 1, N + 1) engagements of the item next to the source item.
        by_previous: (N + 1, N + 1) engagements of the item right after another by the same user.
        by_country: (C, N + 1) engagements of the item in the country.
        affinity: (N + 1, N + 1) linear item-item map over the distinct user-item pairs of all tasks.
        scale: what a count is multiplied by, so that counts of a part of the rows are comparable to those of all.
    """

    by_task: NDArray[np.float32]
    by_query: sparse.csr_matrix
    by_word: sparse.csr_matrix
    by_source: sparse.csr_matrix
    by_previous: sparse.csr_matrix
    by_country: sparse.csr_matrix
    affinity: sparse.csr_matrix
    scale: float

    @property
    def popularity(self) -> NDArray[np.float32]:
        """Engagements of each item in all tasks, (N + 1,)."""
        return np.asarray(self.by_task.sum(axis=0), dtype=np.float32)


_MATRICES = ("by_query", "by_word", "by_source", "by_previous", "by_country", "affinity")
_WORD_PRIOR = 5.0
"""Engagements that a word must have before its shares count for half."""


def fit_counts(
    rows: Engagements, words: sparse.csr_matrix, sizes: Sizes, config: CountConfig, seed: int, scale: float = 1.0
) -> Counts:
    """Count ``rows``.

    Args:
        rows: the engagements that may be counted.
        words: (K, W) hashed words of each query of the vocabulary.
        sizes: rows of the vocabularies.
        config: settings of the counts.
        seed: draws the sample of users where there are too many to invert.
        scale: see ``Counts``.
    """
    by_query = _count(rows.query, rows.item, (sizes.queries, sizes.items), rows.query > 1)
    by_word = (words.T @ by_query).tocsr()
    total = np.asarray(by_word.sum(axis=1)).ravel()
    by_word = sparse.diags(1 / (total + _WORD_PRIOR)).astype(np.float32) @ by_word
    pairs = _count(rows.user, rows.item, (sizes.users, sizes.items), rows.user > 1)
    pairs.data[:] = 1
    by_task = np.zeros((sizes.tasks, sizes.items), dtype=np.float32)
    np.add.at(by_task, (rows.task, rows.item), 1)
    square = (sizes.items, sizes.items)
    return Counts(
        by_task=by_task,
        by_query=by_query,
        by_word=by_word.tocsr().astype(np.float32),
        by_source=_count(rows.source, rows.item, square, rows.source > 0),
        by_previous=_count(rows.previous, rows.item, square, rows.previous > 0),
        by_country=_count(rows.country, rows.item, (sizes.countries, sizes.items), rows.country > 1),
        affinity=fit_affinity(pairs, config.affinity_l2, config.affinity_keep, config.affinity_largest, seed),
        scale=scale,
    )


def _count(row: Ints, column: Ints, shape: tuple[int, int], kept: NDArray[np.bool_]) -> sparse.csr_matrix:
    one = np.ones(int(kept.sum()), dtype=np.float32)
    matrix = sparse.csr_matrix((one, (row[kept], column[kept])), shape=shape)
    matrix.sum_duplicates()
    return matrix


def save_counts(counts: Counts, path: Path) -> None:
    """Write the counts to a file without code in it."""
    arrays = {name: getattr(counts, name) for name in ("by_task", *_MATRICES)}
    save_arrays(arrays | {"scale": np.array([counts.scale])}, path)


def load_counts(path: Path) -> Counts:
    """Read what ``save_counts`` wrote."""
    arrays = load_arrays(path)
    return Counts(**(arrays | {"scale": float(arrays["scale"][0])}))
