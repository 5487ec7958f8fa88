"""Context × candidate features: what was counted, read for a block of requests and their candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.counts import Counts
from features.history import History, list_of_key
from features.imputation import RequestRows
from features.queries import QueryTable
from features.vocabulary import MISSING, UNKNOWN

Dense = NDArray[np.float32]

PAIR_FEATURES = (
    "query_ratio",
    "query_count",
    "query_share",
    "word_share",
    "lexical",
    "lexical_of_best",
    "text_cosine",
    "affinity",
    "affinity_log",
    "query_affinity",
    "query_affinity_log",
    "source_affinity",
    "source_count",
    "previous_share",
    "repeat",
    "country_lift",
    "popularity",
    "task_popularity",
)
"""Columns of the context × candidate features (F)."""
REQUEST_FEATURES = ("query_engagements", "query_length", "history_length", "query_history_length", "query_known")
"""Columns of the context-only numeric features (G)."""

_COUNT_PRIOR, _ITEM_PRIOR = 0.1, 10.0
_FLOOR = 1e-3
"""Smallest affinity or share whose logarithm is told apart from none."""
_COUNTRY_PRIOR = 5.0


class Evidence(NamedTuple):
    """Evidence of a block of requests for the whole catalogue. B = requests, N = items; column 0 is padding.

    All (B, N + 1) float32. A row is zero where the request lacks what the evidence is about.
    """

    query: Dense
    """Engagements of the item for the query."""
    words: Dense
    """Mean over the query's words of the share of their engagements that went to the item."""
    lexical: Dense
    """BM25 of the query in the item's text."""
    text: Dense
    """Cosine of the query's static vector and the item's text vector."""
    affinity: Dense
    """Linear affinity of the user's history."""
    query_affinity: Dense
    """Linear affinity of what the user engaged with for this query."""
    source_affinity: Dense
    """Linear affinity of the source item."""
    source: Dense
    """Engagements of the item next to the source item."""
    previous: Dense
    """Share of the engagements right after the user's last item that went to the item."""
    repeat: Dense
    """How often the user engaged with the item before; 0 without an order, where "before" means nothing."""
    country: Dense
    """Engagements of the item in the country."""


class Known(NamedTuple):
    """What evidence is read from besides the requests.

    Attributes:
        counts: the counts.
        history: of the users.
        query_history: what a user engaged with for a query.
        query_keys: (P,) ascending keys ``user * K + query`` whose lists start at row 2 of ``query_history``.
        lexical: (W, N + 1) BM25 weights of words in item texts.
        text: (N + 1, E) text vectors of the items.
    """

    counts: Counts
    history: History
    query_history: History
    query_keys: NDArray[np.int64]
    lexical: sparse.csr_matrix
    text: Dense


def gather_evidence(
    rows: RequestRows, filled: RequestRows, table: QueryTable, known: Known
) -> tuple[Evidence, NDArray[np.float32]]:
    """Return the evidence of a block, and its context-only features (B, G) in the order of ``REQUEST_FEATURES``.

    Args:
        rows: the requests as they came.
        filled: the same after imputation.
        table: the query texts that both point into.
        known: what evidence is read from.
    """
    counts, items = known.counts, known.text.shape[0]
    query = table.known[filled.query]  # (B,) rows of the query vocabulary
    past = known.history.matrix(rows.owner, rows.end, items, rows.hide)  # (B, N + 1)
    key = np.where(
        (rows.owner > UNKNOWN) & (table.known[rows.query] > UNKNOWN),
        rows.owner * counts.by_query.shape[0] + table.known[rows.query],
        -1,
    )
    list_of = list_of_key(known.query_keys, key)
    ends = known.query_history.ends(list_of)
    ends = np.where((rows.query_end < 0) | (list_of == UNKNOWN), ends, rows.query_end)
    used = known.query_history.matrix(list_of, ends, items, rows.hide)  # (B, N + 1)
    text = table.words[filled.query]  # (B, W)
    by_query = _dense(counts.by_query[query]) * counts.scale
    evidence = Evidence(
        query=by_query,
        words=_dense(_mean_rows(text) @ counts.by_word),
        lexical=_dense(text @ known.lexical),
        text=_cosine(table, filled.query, known.text),
        affinity=_dense(_binary(past) @ counts.affinity),
        query_affinity=_dense(_binary(used) @ counts.affinity),
        source_affinity=_dense(counts.affinity[filled.source]),
        source=_dense(counts.by_source[filled.source]) * counts.scale,
        previous=_after_last(rows, known),
        repeat=_dense(past),
        country=_dense(counts.by_country[filled.country]) * counts.scale,
    )
    facts = [
        np.log1p(by_query.sum(axis=1)),
        np.log1p(table.length[filled.query]),
        np.log1p(np.asarray(past.sum(axis=1)).ravel()),
        np.log1p(np.asarray(used.sum(axis=1)).ravel()),
        by_query.sum(axis=1) > 0,  # not "in the vocabulary", which knows the rows that the counts are blind to
    ]
    return evidence, np.stack(facts, axis=1).astype(np.float32)


def _cosine(table: QueryTable, query: NDArray[np.int64], text: Dense) -> Dense:
    """Return the cosine (B, N + 1) of each query and each item's text, 0 without a query."""
    found = np.zeros((len(query), len(text)), dtype=np.float32)
    some = np.flatnonzero(query)
    found[some] = table.static[query[some]].astype(np.float32) @ text.T
    return found


def _after_last(rows: RequestRows, known: Known) -> Dense:
    """Return for each item its share of the engagements after the user's last one, (B, N + 1); 0 without an order."""
    if not known.history.ordered:
        return np.zeros((len(rows.owner), known.text.shape[0]), dtype=np.float32)
    last = known.history.window(rows.owner, rows.end, 1, rows.hide)[:, 0]  # (B,)
    return _dense(_shares(known.counts.by_previous[last]))


def pair_features(
    evidence: Evidence, filled: RequestRows, counts: Counts, candidates: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the features (B, L, F) of ``candidates`` (B, L) in the order of ``PAIR_FEATURES``; padding is 0."""
    found = Evidence(*(np.take_along_axis(dense, candidates, axis=1) for dense in evidence))  # each (B, L)
    popularity = counts.popularity * counts.scale
    item = popularity[candidates]
    in_task = counts.by_task[filled.task[:, None], candidates] * counts.scale
    total = max(float(popularity.sum()), 1.0)
    share = (item + 0.5) / total
    of_country = evidence.country.sum(axis=1, keepdims=True)
    has_query = evidence.query.sum(axis=1, keepdims=True) > 0
    best = np.maximum(evidence.lexical.max(axis=1, keepdims=True), 1e-6)
    columns = (
        np.log((found.query + _COUNT_PRIOR) / (item + _ITEM_PRIOR)) * has_query,
        np.log1p(found.query),
        found.query / (evidence.query.sum(axis=1, keepdims=True) + 1),
        _log(found.words),
        found.lexical / 10,
        found.lexical / best,
        found.text,
        found.affinity,
        _log(found.affinity),
        found.query_affinity,
        _log(found.query_affinity),
        _log(found.source_affinity),
        np.log1p(found.source),
        _log(found.previous),
        np.log1p(found.repeat),
        np.log((found.country + _COUNTRY_PRIOR * share) / (of_country + _COUNTRY_PRIOR) / share) * (of_country > 0),
        np.log1p(item),
        np.log1p(in_task),
    )
    features = np.stack(columns, axis=2).astype(np.float32)  # (B, L, F)
    features[candidates == MISSING] = 0.0
    return features


def _log(values: Dense) -> Dense:
    """Return the logarithm above the floor, shifted so that "none" is 0."""
    return np.asarray(np.log(np.maximum(values, _FLOOR) / _FLOOR), dtype=np.float32)


def _dense(matrix: sparse.csr_matrix) -> Dense:
    return np.asarray(matrix.toarray(), dtype=np.float32)


def _binary(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.csr_matrix(((matrix.data > 0).astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def _mean_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    total = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)
    return sparse.diags((1 / total).astype(np.float32)) @ matrix


def _shares(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    total = np.asarray(matrix.sum(axis=1)).ravel() + 1.0
    return sparse.diags((1 / total).astype(np.float32)) @ matrix


def bm25_weights(bags: sparse.csr_matrix, k1: float = 1.2, b: float = 0.75) -> sparse.csr_matrix:
    """Return BM25 weights (W, N + 1) of words in item texts from their bags (N + 1, W).

    The inverse document frequency is the non-negative form ``log(1 + (N - n + 0.5) / (n + 0.5))``. Source: Robertson &
    Zaragoza 2009.
    """
    bags = bags.tocsr().astype(np.float32)
    length = np.asarray(bags.sum(axis=1)).ravel()
    texts = max(int((length > 0).sum()), 1)
    norm = k1 * (1 - b + b * length / max(float(length.sum()) / texts, 1e-6))
    frequency = np.bincount(bags.indices, minlength=bags.shape[1])
    rarity = np.log1p((texts - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    row = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
    weight = rarity[bags.indices] * bags.data * (k1 + 1) / (bags.data + norm[row])
    return sparse.csr_matrix((weight, bags.indices, bags.indptr), shape=bags.shape).T.tocsr()
