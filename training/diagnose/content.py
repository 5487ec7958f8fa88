"""What items and queries are about before anybody engages: groups of items, and the words that both share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.catalogue import category_levels
from features.columns import Col
from features.known import Vocabularies
from features.text import bag_of_words, split_words
from features.vocabulary import MISSING, UNKNOWN

_BUCKETS = 65_536
"""Columns that words are hashed to (W)."""


class Content(NamedTuple):
    """Content of items and queries; the row of padding, and of what has no text, is empty. G = category rows."""

    group: NDArray[np.int64]  # (N + 1,) row of the deepest category, 0 = none
    groups: int  # G
    of_group: sparse.csr_matrix  # (N + 1, G) 1 at the item's group
    title: sparse.csr_matrix  # (N + 1, W) unit vectors of words by rarity
    words: sparse.csr_matrix  # (K, W) words of each query, a row sums to 1
    query: sparse.csr_matrix  # (K, W) unit vectors of words by rarity


def read_content(items: pl.DataFrame, known: Vocabularies) -> Content:
    """Return the content of ``items``, in the order of their rows, and of the known queries."""
    deepest = category_levels(items.get_column(Col.CATEGORY)).list.get(-1, null_on_oob=True)
    group = np.concatenate([[MISSING], known.categories.rows(deepest)])
    named = np.flatnonzero(group != MISSING)
    of_group = sparse.csr_matrix(
        (np.ones(len(named), dtype=np.float32), (named, group[named])), shape=(len(group), known.categories.size)
    )
    titles = bag_of_words(split_words([None, *items.get_column(Col.TITLE)]), _BUCKETS)
    queries = bag_of_words(split_words([None] * (UNKNOWN + 1) + known.queries.values.to_list()), _BUCKETS)
    seen = np.bincount(titles.indices, minlength=_BUCKETS)
    rarity = sparse.diags(np.log((1 + titles.shape[0]) / (1 + seen)).astype(np.float32))
    return Content(
        group=group,
        groups=known.categories.size,
        of_group=of_group,
        title=unit_rows(titles @ rarity),
        words=shares(queries),
        query=unit_rows(queries @ rarity),
    )


def shares(counts: sparse.csr_matrix, prior: float = 0.0) -> sparse.csr_matrix:
    """Return each row of ``counts`` divided by its sum plus ``prior``; an empty row stays empty."""
    total = np.asarray(counts.sum(axis=1)).ravel() + prior
    scale = np.divide(1.0, total, out=np.zeros_like(total, dtype=np.float64), where=total > 0)
    return (sparse.diags(scale.astype(np.float32)) @ counts).tocsr()


def unit_rows(vectors: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the rows of ``vectors`` with length 1; an empty row stays empty."""
    vectors = vectors.tocsr()
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length, dtype=np.float64), where=length > 0)
    return (sparse.diags(scale.astype(np.float32)) @ vectors).tocsr()
