"""What is counted in engagements: for a user's items, a query, its words and a source item, which items follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.events import EventRows
from features.vocabulary import MISSING, UNKNOWN
from training.diagnose.content import Content, shares

_PRIOR = 5.0
"""Engagements that a user's item, a query or a source item must have before its own shares count for half."""


class Counts(NamedTuple):
    """Rows counted, blind to all others. U = users, K = queries, W = words, G = groups.

    A matrix of shares has rows that sum to less than 1: the less, the fewer engagements they are counted in.
    """

    engaged: NDArray[np.float32]  # (N + 1,) engagements
    shown: NDArray[np.float32]  # (N + 1,) rows, engaged with or not
    anywhere: NDArray[np.float32]  # (N + 1,) share of all engagements, smoothed, above 0
    group_anywhere: NDArray[np.float32]  # (G,) likewise
    item_users: sparse.csr_matrix  # (N + 1, U) shares of the users who engaged with the item
    user_items: sparse.csr_matrix  # (U, N + 1) shares of the items that the user engaged with
    query_items: sparse.csr_matrix  # (K, N + 1) shares of the items that were engaged for the query
    query_shown: sparse.csr_matrix  # (K, N + 1) shares of the items that were shown for it, engaged with or not
    word_items: sparse.csr_matrix  # (W, N + 1)
    word_groups: sparse.csr_matrix  # (W, G)
    source_items: sparse.csr_matrix  # (N + 1, N + 1) shares of the items that were engaged next to the source item
    source_shown: sparse.csr_matrix  # (N + 1, N + 1) shares of the items that were shown next to it
    source_groups: sparse.csr_matrix  # (G, G)


def count(rows: EventRows, content: Content, users: int) -> Counts:
    """Count ``rows``."""
    shown, rows = rows, rows.take(rows.engaged)
    items, groups = len(content.group), content.groups
    queries = content.words.shape[0]
    popularity = np.bincount(rows.item, minlength=items) + 1.0
    group_popularity = np.bincount(content.group, weights=popularity, minlength=groups) + 1.0
    pairs = _count(rows.user, rows.item, (users, items), rows.user > UNKNOWN)
    pairs.data[:] = 1.0
    by_query = _count(rows.query, rows.item, (queries, items), rows.query > UNKNOWN)
    by_word = (content.words.T @ by_query).tocsr()
    by_source = _count(rows.source, rows.item, (items, items), rows.source != MISSING)
    return Counts(
        engaged=(popularity - 1.0).astype(np.float32),
        shown=np.bincount(shown.item, minlength=items).astype(np.float32),
        anywhere=(popularity / popularity.sum()).astype(np.float32),
        group_anywhere=(group_popularity / group_popularity.sum()).astype(np.float32),
        item_users=shares(pairs.T.tocsr(), _PRIOR),
        user_items=shares(pairs),
        query_items=shares(by_query, _PRIOR),
        query_shown=shares(_count(shown.query, shown.item, (queries, items), shown.query > UNKNOWN), _PRIOR),
        word_items=shares(by_word, _PRIOR),
        word_groups=shares(by_word @ content.of_group, _PRIOR),
        source_items=shares(by_source, _PRIOR),
        source_shown=shares(_count(shown.source, shown.item, (items, items), shown.source != MISSING), _PRIOR),
        source_groups=shares(content.of_group.T @ by_source @ content.of_group, _PRIOR),
    )


def _count(
    row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int], kept: NDArray[np.bool_]
) -> sparse.csr_matrix:
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (row[kept], column[kept])), shape=shape)  # equal places are added up
