from __future__ import annotations

from math import log, log1p, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from features.counts import Counts
from features.evidence import PAIR_FEATURES, REQUEST_FEATURES, Known, gather_evidence, pair_features
from features.groups import GroupCounts
from features.history import History
from features.imputation import RequestRows
from features.queries import QueryTable


def matrix(*rows: list[float]) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.array(rows, dtype=np.float32))


NOTHING = [0.0] * 4
COUNTS = Counts(  # three items; users, countries and queries have one known row each, row 2
    by_task=np.array([[0, 4, 1, 0], [0, 0, 0, 0]], dtype=np.float32),
    by_query=matrix(NOTHING, NOTHING, [0, 3, 0, 0]),
    by_word=matrix([0, 0.5, 0.25, 0], [0, 0, 0, 0.1]),
    by_source=matrix(NOTHING, NOTHING, NOTHING, [0, 1, 0, 0]),
    by_previous=matrix(NOTHING, NOTHING, [0, 3, 0, 0], NOTHING),
    by_country=matrix(NOTHING, NOTHING, [0, 1, 1, 0]),
    affinity=matrix(NOTHING, [0, 0, 0.5, 0], [0, 0.2, 0, -0.1], [0, 0.3, 0, 0]),
    groups=GroupCounts(  # item 1 is of group 2, the others of group 3
        group=np.array([0, 2, 3, 3]),
        share=np.array([0, 0, 0.75, 0.25], dtype=np.float32),
        by_source=matrix(NOTHING, NOTHING, NOTHING, [0, 0, 1, 3]),
        by_word=matrix([0, 0, 0.5, 0.25], [0, 0, 0, 0.1]),
    ),
    shown_by_task=np.array([[0, 9, 4, 2], [0, 1, 0, 0]], dtype=np.float32),
    shown_by_query=matrix(NOTHING, NOTHING, [0, 6, 0, 2]),
    shown_by_source=matrix(NOTHING, NOTHING, NOTHING, [0, 4, 3, 0]),
    scale=2.0,
)
TABLE = QueryTable(
    known=np.array([0, 2, 1]),
    tokens=np.zeros((3, 4), dtype=np.int32),
    static=np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float16),
    words=matrix([0, 0], [1, 1], [0, 0]),
    length=np.array([0, 2, 1], dtype=np.float32),
)


def known(*, ordered: bool = True) -> Known:
    """The user engaged with item 1, then with item 2, the latter for the query (key 2 * 3 + 2)."""
    return Known(
        counts=COUNTS,
        history=History.build(np.array([2, 2]), np.array([1, 2]), 3, ordered=ordered),
        query_history=History.build(np.array([2]), np.array([2]), 3, ordered=ordered),
        query_keys=np.array([8]),
        lexical=matrix([0, 1.5, 0, 3], NOTHING),
        text=np.array([[0, 0], [1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32),
    )


def request(sources: Known, **fields: int) -> RequestRows:
    values = {"task": 0, "user": 0, "country": 0, "query": 0, "source": 0, **fields}
    columns = {name: np.array([value]) for name, value in values.items()}
    end = sources.history.ends(columns["user"])
    hide = np.zeros((1, 1), dtype=np.int64)
    return RequestRows(**columns, owner=columns["user"], end=end, query_end=np.array([-1]), hide=hide)


def features(
    rows: RequestRows, sources: Known, candidates: tuple[int, ...] = (1, 2, 3)
) -> tuple[dict[str, list[float]], dict[str, float]]:
    evidence, facts = gather_evidence(rows, rows, TABLE, sources)
    pairs = pair_features(evidence, rows, sources.counts, np.array([candidates]))
    assert pairs.shape == (1, len(candidates), len(PAIR_FEATURES)) and pairs.dtype == np.float32
    by_name = {name: pairs[0, :, column].tolist() for column, name in enumerate(PAIR_FEATURES)}
    return by_name, dict(zip(REQUEST_FEATURES, facts[0].tolist(), strict=True))


# What the four parts below multiply up to, for items of group 2 and of group 3.
LIFT = (
    (3.25 / 5 / 0.75) * (1.45 / 2.7 / 0.75) * (3.25 / 7 / 0.75) * (0.2875 / 0.475 / 0.75),
    (1.75 / 5 / 0.25) * (1.25 / 2.7 / 0.25) * (3.75 / 7 / 0.25) * (0.1875 / 0.475 / 0.25),
)
FULL = {"user": 2, "country": 2, "query": 1, "source": 3}
# Popularity 4 and 1, twice as much in all: 8, 2, 0 of 10.
EXPECTED = {
    "query_ratio": [log((6 + 0.1) / (8 + 10)), log(0.1 / (2 + 10)), log(0.1 / 10)],
    "query_count": [log1p(6), 0, 0],
    "query_share": [6 / (6 + 1), 0, 0],
    "word_share": [log(0.25 / 0.001), log(0.125 / 0.001), log(0.05 / 0.001)],  # means over two words
    "lexical": [0.15, 0, 0.3],
    "lexical_of_best": [0.5, 0, 1],
    "text_cosine": [1, 0, 0.6],
    "affinity": [0.2, 0.5, -0.1],
    "affinity_log": [log(0.2 / 0.001), log(0.5 / 0.001), 0],
    "query_affinity": [0.2, 0, -0.1],
    "query_affinity_log": [log(0.2 / 0.001), 0, 0],
    "source_affinity": [log(0.3 / 0.001), 0, 0],
    "source_count": [log1p(2), 0, 0],
    "previous_share": [log(3 / (3 + 1) / 0.001), 0, 0],
    "repeat": [log1p(1), log1p(1), 0],
    "country_lift": [
        log((2 + 5 * 0.85) / (4 + 5) / 0.85),
        log((2 + 5 * 0.25) / (4 + 5) / 0.25),
        log((0 + 5 * 0.05) / (4 + 5) / 0.05),
    ],
    "popularity": [log1p(8), log1p(2), 0],
    "task_popularity": [log1p(8), log1p(2), 0],
    "history_text": [1 / sqrt(2), 1 / sqrt(2), 1.4 / sqrt(2)],  # items 1 and 2: (1, 0) and (0, 1)
    "source_text": [0.6, 0.8, 1],
    # Twice 1 engagement with items 1 and 2 in the country, and a tenth of twice 4, 1 and 0 engagements anywhere.
    "by_group": [log1p((2 + 0.8) * LIFT[0]), log1p((2 + 0.2) * LIFT[1]), 0],
    "query_shown": [log1p(12), 0, log1p(4)],
    "source_shown": [log1p(8), log1p(6), 0],
    "shown": [log1p(20), log1p(8), log1p(4)],
    "task_shown": [log1p(18), log1p(8), log1p(4)],
    # The user has one item of either group, and 3 more by popularity; the latest item counts 1, the one before 0.7.
    "group_affinity": [log((1 + 3 * 0.75) / 5 / 0.75)] + [log((1 + 3 * 0.25) / 5 / 0.25)] * 2,
    "group_recent": [log((0.7 + 0.75) / 2.7 / 0.75)] + [log((1 + 0.25) / 2.7 / 0.25)] * 2,
    "group_source": [log((1 + 3 * 0.75) / 7 / 0.75)] + [log((3 + 3 * 0.25) / 7 / 0.25)] * 2,
    # Means over the two words: 0.25 and 0.175.
    "group_query": [log((0.25 + 0.05 * 0.75) / 0.475 / 0.75)] + [log((0.175 + 0.05 * 0.25) / 0.475 / 0.25)] * 2,
}


def test_features_by_hand() -> None:
    sources = known()
    found, facts = features(request(sources, **FULL), sources)
    assert tuple(EXPECTED) == PAIR_FEATURES
    for name, expected in EXPECTED.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)
    expected_facts = {
        "query_engagements": log1p(6),
        "query_length": log1p(2),
        "history_length": log1p(2),
        "query_history_length": log1p(1),
        "query_known": 1,
    }
    assert facts == pytest.approx(expected_facts)


def test_a_request_with_nothing_knows_what_is_popular_and_no_more() -> None:
    sources = known()
    found, facts = features(request(sources, task=1), sources)
    assert found.pop("popularity") == pytest.approx(EXPECTED["popularity"])
    assert found.pop("shown") == pytest.approx(EXPECTED["shown"])
    assert found.pop("task_shown") == pytest.approx([log1p(2), 0, 0])
    assert not any(any(values) for values in found.values())
    assert not any(facts.values())


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (
            {"user": 2},
            {
                *("affinity", "affinity_log", "previous_share", "repeat"),
                *("history_text", "group_affinity", "group_recent", "by_group"),
            },
        ),
        ({"country": 2}, {"country_lift"}),
        ({"source": 3}, {"source_affinity", "source_count", "source_text", "group_source", "by_group", "source_shown"}),
        (
            {"query": 1},
            {
                *("query_ratio", "query_count", "query_share", "word_share"),
                *("lexical", "lexical_of_best", "text_cosine", "group_query", "by_group", "query_shown"),
            },
        ),
        ({"query": 2}, {"text_cosine"}),  # a new query of no known word
        ({"user": 1, "country": 1}, set()),  # a new user in a new country
    ],
)
def test_each_field_brings_its_own_evidence(fields: dict[str, int], left: set[str]) -> None:
    sources = known()
    found, _ = features(request(sources, **fields), sources)
    for name in set(PAIR_FEATURES) - {"popularity", "task_popularity", "shown", "task_shown"}:
        whole = name in left and name != "by_group" and fields.get("query") != 2  # by_group says something else alone
        expected = EXPECTED[name] if whole else None
        if expected:
            np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)
        else:
            assert any(found[name]) == (name in left), name


def test_padding_is_zero_and_candidates_are_read_where_they_stand() -> None:
    sources = known()
    rows = request(sources, **FULL)
    found, _ = features(rows, sources, (0, 3, 0, 1))
    straight, _ = features(rows, sources)
    for name in PAIR_FEATURES:
        assert found[name] == [0, straight[name][2], 0, straight[name][0]], name


def test_knowledge_ends_where_the_row_says() -> None:
    sources = known()
    early = request(sources, **FULL)._replace(end=np.array([1]), query_end=np.array([0]))
    found, facts = features(early, sources)
    assert found["affinity"] == pytest.approx([0, 0.5, 0])  # item 1 alone
    assert found["repeat"] == pytest.approx([log1p(1), 0, 0])
    assert found["previous_share"] == [0, 0, 0]
    assert not any(found["query_affinity"])
    assert facts["history_length"] == pytest.approx(log1p(1)) and facts["query_history_length"] == 0


def test_without_order_the_hidden_item_is_out_of_every_feature() -> None:
    sources = known(ordered=False)
    rows = request(sources, **FULL)._replace(hide=np.array([[2]]))
    found, facts = features(rows, sources)
    assert found["affinity"] == pytest.approx([0, 0.5, 0])
    assert not any(found["query_affinity"])
    assert facts["history_length"] == pytest.approx(log1p(1)) and facts["query_history_length"] == 0


def test_without_order_nothing_comes_after_anything() -> None:
    sources = known(ordered=False)
    found, _ = features(request(sources, **FULL), sources)
    assert not any(found["previous_share"])
    assert found["repeat"] == pytest.approx([log1p(1), log1p(1), 0])  # a set counts an item once


def blocks(rows: RequestRows, sources: Known, size: int) -> NDArray[np.float32]:
    found = []
    for start in range(0, len(rows.task), size):
        part = RequestRows(*(column[start : start + size] for column in rows))
        evidence, _ = gather_evidence(part, part, TABLE, sources)
        found.append(pair_features(evidence, part, COUNTS, np.tile([1, 2, 3], (len(part.task), 1))))
    return np.concatenate(found)


def test_a_request_does_not_depend_on_its_block() -> None:
    sources = known()
    several = [request(sources, **fields) for fields in (FULL, {}, {"user": 2}, {"query": 1, "user": 1}, FULL)]
    rows = RequestRows(*(np.concatenate(columns) for columns in zip(*several, strict=True)))
    np.testing.assert_allclose(blocks(rows, sources, 5), blocks(rows, sources, 2), rtol=1e-6)
