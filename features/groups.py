"""Evidence by product group, the deepest level of an item's category: it has counts where single items have none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.vocabulary import MISSING

Dense = NDArray[np.float32]

GROUP_FEATURES = ("group_affinity", "group_recent", "group_source", "group_query")
"""Context × candidate features of this block."""
_PRIOR = 3.0
"""Engagements that the popularity of the groups counts for when the shares of a context are smoothed."""
LATEST = 10
"""Last items of an ordered history that say what a user is after now."""
_FADING = 0.7
"""What each of them counts for beside the one after it."""


class GroupCounts(NamedTuple):
    """Engagements by group, fitted on some rows and blind to all others. G = category rows; 0 = no category."""

    group: NDArray[np.int64]  # (N + 1,) of each item
    share: Dense  # (G,) smoothed share of the engagements
    by_source: sparse.csr_matrix  # (G, G) engagements of a group next to a source item of another
    by_word: sparse.csr_matrix  # (W, G) share of the engagements for a query word that went to the group


class GroupEvidence(NamedTuple):
    """Evidence of a block of requests for each group. B = requests; a row is zero where there is nothing to say."""

    user: Dense  # (B, G) engagements of the user's history
    recent: Dense  # (B, G) its latest, fading; 0 without an order
    source: Dense  # (B, G) engagements next to source items of the source item's group
    query: Dense  # (B, G) mean over the query's words of the groups' shares


def deepest(category: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the group (N + 1,) of items by the levels of their categories (N + 1, P), 0 where there is none."""
    levels = (category != MISSING).sum(axis=1)
    return np.where(levels > 0, category[np.arange(len(category)), np.maximum(levels - 1, 0)], MISSING)


def fit_groups(
    group: NDArray[np.int64],
    groups: int,
    source: NDArray[np.int64],
    item: NDArray[np.int64],
    by_word: sparse.csr_matrix,
) -> GroupCounts:
    """Count engagements by group.

    Args:
        group: (N + 1,) group of each item.
        groups: rows of the category vocabulary (G).
        source: (E,) source items of the engagements, 0 = none.
        item: (E,) items of the engagements.
        by_word: (W, N + 1) share of the engagements for a query word that went to the item.
    """
    engaged = np.bincount(group[item], minlength=groups).astype(np.float64)
    engaged[MISSING] = 0.0
    known = np.zeros(groups)
    known[group[group != MISSING]] = 1.0
    share = (engaged + known) / max(float((engaged + known).sum()), 1.0)
    kept = (source != MISSING) & (group[source] != MISSING) & (group[item] != MISSING)
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    by_source = sparse.csr_matrix((ones, (group[source[kept]], group[item[kept]])), shape=(groups, groups))
    by_source.sum_duplicates()
    return GroupCounts(group, share.astype(np.float32), by_source, _by_group(by_word, group, groups))


def _by_group(by_item: sparse.csr_matrix, group: NDArray[np.int64], groups: int) -> sparse.csr_matrix:
    """Return (R, G) the rows of ``by_item`` (R, N + 1) added up by group; items without one are left out.

    Columns are renamed, so that the work is that of the entries and not of the catalogue.
    """
    entries = (by_item.data, group[by_item.indices], by_item.indptr)
    named = sparse.csr_matrix(entries, shape=(by_item.shape[0], groups), copy=True)  # adding up works in place
    named.sum_duplicates()
    if named.nnz and named.indices.min() == MISSING:
        named.data[named.indices == MISSING] = 0
        named.eliminate_zeros()
    return named


def gather_groups(
    counts: GroupCounts,
    past: sparse.csr_matrix,
    latest: NDArray[np.int64],
    source: NDArray[np.int64],
    words: sparse.csr_matrix,
) -> GroupEvidence:
    """Return the evidence of a block.

    Args:
        counts: what was counted.
        past: (B, N + 1) how often each item is in the user's history.
        latest: (B, H) the latest items of an ordered history, newest first, 0 = fewer.
        source: (B,) source items, 0 = none.
        words: (B, W) words of the queries, each row summing to 1 or to nothing.
    """
    groups = counts.by_source.shape[0]
    fading = (_FADING ** np.arange(latest.shape[1])).astype(np.float32)
    recent = np.zeros((len(latest), groups), dtype=np.float32)
    np.add.at(recent, (np.arange(len(latest))[:, None], counts.group[latest]), fading[None, :])
    recent[:, MISSING] = 0.0
    return GroupEvidence(
        user=_dense(_by_group(past, counts.group, groups)),
        recent=recent,
        source=_dense(counts.by_source[counts.group[source]]),
        query=_dense(words @ counts.by_word),
    )


def group_features(evidence: GroupEvidence, counts: GroupCounts, candidates: NDArray[np.int64]) -> Dense:
    """Return the features (B, L, 4) of ``candidates`` (B, L) in the order of ``GROUP_FEATURES``.

    Each is the logarithm of how much likelier the candidate's group is in this context than anywhere; 0 where the
    context says nothing, or the candidate has no group.
    """
    return np.stack(_log_lifts(evidence, counts, counts.group[candidates]), axis=2).astype(np.float32)


def likely_groups(evidence: GroupEvidence, counts: GroupCounts) -> Dense:
    """Return how much likelier each group (B, G) is in the context than anywhere, by all that the context says.

    The parts count as if they were independent; 1 in a row where there is nothing to say, and for what has no group.
    """
    every = np.broadcast_to(np.arange(len(counts.share)), evidence.user.shape)
    total = np.sum(_log_lifts(evidence, counts, every), axis=0)
    return np.asarray(np.exp(np.clip(total, -20.0, 20.0)), dtype=np.float32)


def _log_lifts(evidence: GroupEvidence, counts: GroupCounts, group: NDArray[np.int64]) -> list[Dense]:
    """Return the logarithms (B, L) for ``group`` (B, L) by each part of the evidence."""
    share = np.maximum(counts.share[group], 1e-9)  # that of padding is 0
    priors = (_PRIOR, _PRIOR / 3, _PRIOR, 0.05)
    return [
        np.where(group == MISSING, 0.0, _lift(part, group, share, prior))
        for part, prior in zip(evidence, priors, strict=True)
    ]


def _lift(part: Dense, group: NDArray[np.int64], share: Dense, prior: float) -> Dense:
    """Return the logarithm (B, L) of the smoothed share of each group in ``part`` (B, G) over its share anywhere."""
    total = part.sum(axis=1, keepdims=True)  # (B, 1)
    found = np.take_along_axis(part, group, axis=1)
    return np.asarray(np.log((found + prior * share) / (total + prior) / share) * (total > 0))


def _dense(matrix: sparse.csr_matrix) -> Dense:
    return np.asarray(matrix.toarray(), dtype=np.float32)
