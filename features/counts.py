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
from features.groups import GroupCounts, fit_groups

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


class Shown(NamedTuple):
    """Rows that showed an item, engaged or not, as rows of vocabularies; none where every row is an engagement."""

    task: Ints
    query: Ints
    source: Ints
    item: Ints


class Sizes(NamedTuple):
    """Rows of the vocabularies, the reserved ones included."""

    tasks: int
    users: int
    countries: int
    queries: int
    items: int
    categories: int


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
        groups: engagements by product group.
        shown_by_task: (T, N + 1) rows that showed the item; like the next two, nothing where all rows are engagements.
        shown_by_query: (K, N + 1) rows that showed the item for the query.
        shown_by_source: (N + 1, N + 1) rows that showed the item next to the source item.
        scale: what a count is multiplied by, so that counts of a part of the rows are comparable to those of all.
    """

    by_task: NDArray[np.float32]
    by_query: sparse.csr_matrix
    by_word: sparse.csr_matrix
    by_source: sparse.csr_matrix
    by_previous: sparse.csr_matrix
    by_country: sparse.csr_matrix
    affinity: sparse.csr_matrix
    groups: GroupCounts
    shown_by_task: NDArray[np.float32]
    shown_by_query: sparse.csr_matrix
    shown_by_source: sparse.csr_matrix
    scale: float

    @property
    def popularity(self) -> NDArray[np.float32]:
        """Engagements of each item in all tasks, (N + 1,)."""
        return np.asarray(self.by_task.sum(axis=0), dtype=np.float32)


_MATRICES = (
    *("by_query", "by_word", "by_source", "by_previous", "by_country", "affinity"),
    *("shown_by_query", "shown_by_source"),
)
_GROUP = "group_"
"""Before the names of the group counts in the file."""
_WORD_PRIOR = 5.0
"""Engagements that a word must have before its shares count for half."""


def fit_counts(
    rows: Engagements,
    shown: Shown,
    words: sparse.csr_matrix,
    group: NDArray[np.int64],
    sizes: Sizes,
    config: CountConfig,
    seed: int,
    scale: float = 1.0,
) -> Counts:
    """Count ``rows``.

    Args:
        rows: the engagements that may be counted.
        shown: what was shown in the rows that may be counted.
        words: (K, W) hashed words of each query of the vocabulary.
        group: (N + 1,) product group of each item, 0 = none.
        sizes: rows of the vocabularies.
        config: settings of the counts.
        seed: draws the sample of users where there are too many to invert.
        scale: see ``Counts``.
    """
    by_query = _count(rows.query, rows.item, (sizes.queries, sizes.items), rows.query > 1)
    by_word = (words.T @ by_query).tocsr()
    total = np.asarray(by_word.sum(axis=1)).ravel()
    by_word = (sparse.diags(1 / (total + _WORD_PRIOR)).astype(np.float32) @ by_word).tocsr().astype(np.float32)
    pairs = _count(rows.user, rows.item, (sizes.users, sizes.items), rows.user > 1)
    pairs.data[:] = 1
    square = (sizes.items, sizes.items)
    return Counts(
        by_task=_by_task(rows.task, rows.item, sizes),
        by_query=by_query,
        by_word=by_word,
        by_source=_count(rows.source, rows.item, square, rows.source > 0),
        by_previous=_count(rows.previous, rows.item, square, rows.previous > 0),
        by_country=_count(rows.country, rows.item, (sizes.countries, sizes.items), rows.country > 1),
        affinity=fit_affinity(pairs, config.affinity_l2, config.affinity_keep, config.affinity_largest, seed),
        groups=fit_groups(group, sizes.categories, rows.source, rows.item, by_word),
        shown_by_task=_by_task(shown.task, shown.item, sizes),
        shown_by_query=_count(shown.query, shown.item, (sizes.queries, sizes.items), shown.query > 1),
        shown_by_source=_count(shown.source, shown.item, square, shown.source > 0),
        scale=scale,
    )


def _by_task(task: Ints, item: Ints, sizes: Sizes) -> NDArray[np.float32]:
    flat = np.bincount(task * sizes.items + item, minlength=sizes.tasks * sizes.items)
    return flat.reshape(sizes.tasks, sizes.items).astype(np.float32)


def _count(row: Ints, column: Ints, shape: tuple[int, int], kept: NDArray[np.bool_]) -> sparse.csr_matrix:
    one = np.ones(int(kept.sum()), dtype=np.float32)
    matrix = sparse.csr_matrix((one, (row[kept], column[kept])), shape=shape)
    matrix.sum_duplicates()
    return matrix


def save_counts(counts: Counts, path: Path) -> None:
    """Write the counts to a file without code in it."""
    arrays = {name: getattr(counts, name) for name in ("by_task", "shown_by_task", *_MATRICES)}
    arrays |= {f"{_GROUP}{name}": part for name, part in counts.groups._asdict().items()}
    save_arrays(arrays | {"scale": np.array([counts.scale])}, path)


def load_counts(path: Path) -> Counts:
    """Read what ``save_counts`` wrote."""
    arrays = load_arrays(path)
    groups = GroupCounts(**{name: arrays.pop(f"{_GROUP}{name}") for name in GroupCounts._fields})
    return Counts(**(arrays | {"groups": groups, "scale": float(arrays["scale"][0])}))
