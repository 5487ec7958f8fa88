"""Context × candidate features: what was counted, read for a block of requests and their candidates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.counts import Counts
from features.groups import GROUP_FEATURES, LATEST, GroupEvidence, gather_groups, group_features, likely_groups
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
    "history_text",
    "source_text",
    "by_group",
    "query_shown",
    "source_shown",
    "shown",
    "task_shown",
    *GROUP_FEATURES,
)
"""Columns of the context × candidate features (F)."""
REQUEST_FEATURES = ("query_engagements", "query_length", "history_length", "query_history_length", "query_known")
"""Columns of the context-only numeric features (G)."""

_COUNT_PRIOR, _ITEM_PRIOR = 0.1, 10.0
_FLOOR = 1e-3
"""Smallest affinity or share whose logarithm is told apart from none."""
_COUNTRY_PRIOR = 5.0
_ANYWHERE = 0.1
"""What an engagement in another country counts for."""


class Evidence(NamedTuple):
    """Evidence of a block of requests for the whole catalogue. B = requests, N = items; column 0 is padding.

    All but ``groups`` (B, N + 1) float32. A row is zero where the request lacks what the evidence is about.
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
    history_text: Dense
    """Cosine of the mean text vector of the user's history and the item's."""
    source_text: Dense
    """Cosine of the source item's text vector and the item's."""
    by_group: Dense
    """Engagements of the item in the country, as many times as its group is likelier in this context than anywhere."""
    query_shown: Dense
    """Rows that showed the item for the query."""
    source_shown: Dense
    """Rows that showed the item next to the source item."""
    groups: GroupEvidence
    """Evidence for product groups instead of items."""

    def at(self, candidates: NDArray[np.int64]) -> Evidence:
        """Return the evidence for ``candidates`` (B, L) alone, each part (B, L); that for groups stays."""
        parts: dict[str, Any] = {
            name: np.take_along_axis(part, candidates, axis=1)
            for name, part in self._asdict().items()
            if name != "groups"
        }
        return self._replace(**parts)


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
    words = _mean_rows(text)
    latest = known.history.window(rows.owner, rows.end, LATEST if known.history.ordered else 0, rows.hide)
    groups = gather_groups(counts.groups, past, latest, filled.source, words)
    country = _dense(counts.by_country[filled.country]) * counts.scale
    evidence = Evidence(
        query=by_query,
        words=_dense(words @ counts.by_word),
        lexical=_dense(text @ known.lexical),
        text=_cosine(table.static[filled.query].astype(np.float32), known.text),
        affinity=_dense(_binary(past) @ counts.affinity),
        query_affinity=_dense(_binary(used) @ counts.affinity),
        source_affinity=_dense(counts.affinity[filled.source]),
        source=_dense(counts.by_source[filled.source]) * counts.scale,
        previous=_after_last(rows, known),
        repeat=_dense(past),
        country=country,
        history_text=_cosine(_unit(past @ known.text), known.text),
        source_text=_cosine(known.text[filled.source], known.text),
        by_group=_by_group(groups, counts, country),
        query_shown=_dense(counts.shown_by_query[query]) * counts.scale,
        source_shown=_dense(counts.shown_by_source[filled.source]) * counts.scale,
        groups=groups,
    )
    facts = [
        np.log1p(by_query.sum(axis=1)),
        np.log1p(table.length[filled.query]),
        np.log1p(np.asarray(past.sum(axis=1)).ravel()),
        np.log1p(np.asarray(used.sum(axis=1)).ravel()),
        by_query.sum(axis=1) > 0,  # not "in the vocabulary", which knows the rows that the counts are blind to
    ]
    return evidence, np.stack(facts, axis=1).astype(np.float32)


def _cosine(vectors: Dense, text: Dense) -> Dense:
    """Return the products (B, N + 1) of unit ``vectors`` (B, E) and items' text; rows of zeros cost no work."""
    found = np.zeros((len(vectors), len(text)), dtype=np.float32)
    some = np.flatnonzero(vectors.any(axis=1))
    found[some] = vectors[some] @ text.T
    return found


def _after_last(rows: RequestRows, known: Known) -> Dense:
    """Return for each item its share of the engagements after the user's last one, (B, N + 1); 0 without an order."""
    if not known.history.ordered:
        return np.zeros((len(rows.owner), known.text.shape[0]), dtype=np.float32)
    last = known.history.window(rows.owner, rows.end, 1, rows.hide)[:, 0]  # (B,)
    return _dense(_shares(known.counts.by_previous[last]))


def _by_group(groups: GroupEvidence, counts: Counts, country: Dense) -> Dense:
    """Return ``Evidence.by_group``: engagements anywhere count a little where a country has too few of its own."""
    lift = likely_groups(groups, counts.groups)  # (B, G)
    found = np.zeros_like(country)
    told = np.flatnonzero((lift != 1.0).any(axis=1))
    common = country[told] + np.float32(_ANYWHERE * counts.scale) * counts.popularity
    found[told] = common * lift[told][:, counts.groups.group]
    return found


def pair_features(
    evidence: Evidence, filled: RequestRows, counts: Counts, candidates: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the features (B, L, F) of ``candidates`` (B, L) in the order of ``PAIR_FEATURES``; padding is 0."""
    found = evidence.at(candidates)
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
        found.history_text,
        found.source_text,
        np.log1p(found.by_group),
        np.log1p(found.query_shown),
        np.log1p(found.source_shown),
        np.log1p(counts.shown_by_task.sum(axis=0)[candidates] * counts.scale),
        np.log1p(counts.shown_by_task[filled.task[:, None], candidates] * counts.scale),
    )
    by_group = group_features(evidence.groups, counts.groups, candidates)
    features = np.concatenate([np.stack(columns, axis=2).astype(np.float32), by_group], axis=2)  # (B, L, F)
    features[candidates == MISSING] = 0.0
    return features


def _unit(vectors: Dense) -> Dense:
    """Return the rows with length 1; zeros stay."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


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
