"""What counts and content say of each item in the context of a request: the parts of a log-linear model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.vocabulary import MISSING
from training.diagnose.content import Content, shares, unit_rows
from training.diagnose.counts import Counts

Columns = NDArray[np.int64] | slice
Dense = NDArray[np.float32]

NAMES = (
    *("popularity", "shown", "again"),
    *("history_item", "history_group", "history_title"),
    *("latest_item", "latest_group", "latest_title"),
    *("query_item", "query_shown", "word_item", "word_group", "query_title"),
    *("source_item", "source_shown", "source_walk", "source_group", "source_title"),
)
"""The kinds of evidence (F)."""


class Asked(NamedTuple):
    """What requests tell, as rows of vocabularies. B = requests; 0 = missing."""

    query: NDArray[np.int64]  # (B,)
    source: NDArray[np.int64]  # (B,)
    past: sparse.csr_matrix  # (B, N + 1) how often the user engaged with each item before
    latest: sparse.csr_matrix  # (B, N + 1) the last of them, fading, a row sums to 1; empty without an order


def evidence(counts: Counts, content: Content, asked: Asked, columns: Columns) -> Iterator[Dense]:
    """Yield the evidence (B, C), or (1, C) where it is the same for all, of items in the order of ``NAMES``.

    A share of an item or a group in a context enters as ``log(1 + share / share anywhere)``, so that 0 means that
    nothing was counted; titles enter as a cosine, numbers of engagements and of rows as ``log(1 + number)``.

    Args:
        counts: what was counted.
        content: of items and queries.
        asked: B requests.
        columns: C of the items, or all N + 1.
    """
    chosen = _Chosen(counts, content, columns)
    words = content.words[asked.query]
    yield np.log1p(counts.engaged[columns])[None, :]
    yield np.log1p(counts.shown[columns])[None, :]
    yield chosen.dense(asked.past.log1p())
    yield from chosen.like(shares(asked.past.sign()))
    yield from chosen.like(asked.latest)
    yield chosen.items(counts.query_items[asked.query])
    yield chosen.items(counts.query_shown[asked.query])
    yield chosen.items(words @ counts.word_items)
    yield chosen.groups(words @ counts.word_groups)
    yield chosen.titles(content.query[asked.query])
    source = sparse.diags((asked.source != MISSING).astype(np.float32))
    yield chosen.items(counts.source_items[asked.source])
    yield chosen.items(counts.source_shown[asked.source])
    yield chosen.items(source @ counts.item_users[asked.source] @ counts.user_items)
    yield chosen.groups(source @ counts.source_groups[content.group[asked.source]])
    yield chosen.titles(content.title[asked.source])


class _Chosen:
    """Reads evidence for some of the items (C), or for all."""

    def __init__(self, counts: Counts, content: Content, columns: Columns) -> None:
        self._counts, self._columns = counts, columns
        self._all = isinstance(columns, slice)
        self._of_group = content.of_group
        self._title = content.title
        self._group = content.group[columns]
        self._titles = content.title[columns].T.tocsr()  # (W, C)

    def dense(self, values: sparse.csr_matrix) -> Dense:
        """Return the columns (B, C) of ``values`` (B, N + 1)."""
        return np.asarray((values if self._all else values.tocsr()[:, self._columns]).toarray(), dtype=np.float32)

    def items(self, share: sparse.csr_matrix) -> Dense:
        """Return by how much the shares (B, N + 1) of items exceed those anywhere."""
        return self.dense(_lift(share, self._counts.anywhere))

    def groups(self, share: sparse.csr_matrix) -> Dense:
        """Return by how much the shares (B, G) of the items' groups exceed those anywhere."""
        lift = _lift(share, self._counts.group_anywhere).toarray()  # (B, G)
        return np.asarray(lift[:, self._group], dtype=np.float32)

    def titles(self, words: sparse.csr_matrix) -> Dense:
        """Return the cosine of ``words`` (B, W), unit vectors, and the items' titles."""
        return np.asarray((words @ self._titles).toarray(), dtype=np.float32)

    def like(self, items: sparse.csr_matrix) -> Iterator[Dense]:
        """Yield what a mix of items (B, N + 1), whose rows sum to 1 or to 0, says by item, by group and by title.

        By item: where a step from items to their users, and on to what these engaged with, ends (Cooper et al. 2014).
        """
        yield self.items(items @ self._counts.item_users @ self._counts.user_items)
        yield self.groups(items @ self._of_group)
        yield self.titles(unit_rows(items @ self._title))


def _lift(share: sparse.csr_matrix, anywhere: Dense) -> sparse.csr_matrix:
    share = share.tocsr()
    lift = np.log1p(share.data / anywhere[share.indices])
    return sparse.csr_matrix((lift, share.indices, share.indptr), shape=share.shape)
