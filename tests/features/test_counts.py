from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from features.config import CountConfig
from features.counts import Engagements, Shown, Sizes, fit_counts, load_counts, save_counts
from tests.features.feature_world import assert_same

CONFIG = CountConfig(affinity_l2=1.0)
SIZES = Sizes(
    tasks=2, users=4, countries=3, queries=4, items=4, categories=4
)  # rows 0 and 1 are reserved, items from 1
WORDS = sparse.csr_matrix(np.array([[0, 0], [0, 0], [1, 0], [1, 1]], dtype=np.float32))  # queries 2: "a", 3: "a b"
GROUP = np.array([0, 2, 3, 2])  # of each item
ROWS = Engagements(
    task=np.array([0, 0, 0, 1]),
    user=np.array([2, 2, 0, 3]),
    country=np.array([2, 0, 2, 1]),
    query=np.array([2, 3, 3, 1]),
    source=np.array([0, 0, 3, 3]),
    item=np.array([1, 1, 2, 1]),
    previous=np.array([0, 2, 0, 0]),
)
SHOWN = Shown(task=ROWS.task, query=ROWS.query, source=ROWS.source, item=np.array([1, 3, 3, 1]))


def test_counts_by_hand() -> None:
    counts = fit_counts(ROWS, SHOWN, WORDS, GROUP, SIZES, CONFIG, seed=0, scale=2.0)
    np.testing.assert_array_equal(counts.by_task, [[0, 2, 1, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(counts.popularity, [0, 3, 1, 0])
    np.testing.assert_array_equal(counts.by_query.toarray(), [[0] * 4, [0] * 4, [0, 1, 0, 0], [0, 1, 1, 0]])
    # Word "a" led to item 1 twice and to item 2 once, word "b" once to each; 5 engagements with nothing come on top.
    expected = [[0, 2 / (3 + 5), 1 / (3 + 5), 0], [0, 1 / (2 + 5), 1 / (2 + 5), 0]]
    np.testing.assert_allclose(counts.by_word.toarray(), expected, rtol=1e-6)
    by_source = np.zeros((4, 4))
    by_source[3, 2] = by_source[3, 1] = 1
    np.testing.assert_array_equal(counts.by_source.toarray(), by_source)
    by_previous = np.zeros((4, 4))
    by_previous[2, 1] = 1
    np.testing.assert_array_equal(counts.by_previous.toarray(), by_previous)
    np.testing.assert_array_equal(counts.by_country.toarray(), [[0] * 4, [0] * 4, [0, 1, 1, 0]])
    assert not counts.affinity.toarray().any()  # no user engaged with two items
    # Three engagements of group 2 and one of group 3, and one more of each.
    np.testing.assert_allclose(counts.groups.share, [0, 0, 4 / 6, 2 / 6], rtol=1e-6)
    by_source_group = np.zeros((4, 4))
    by_source_group[2, 3] = by_source_group[2, 2] = 1  # next to item 3, of group 2
    np.testing.assert_array_equal(counts.groups.by_source.toarray(), by_source_group)
    np.testing.assert_allclose(counts.groups.by_word.toarray(), [[0, 0, 2 / 8, 1 / 8], [0, 0, 1 / 7, 1 / 7]], rtol=1e-6)
    np.testing.assert_array_equal(counts.shown_by_task, [[0, 1, 0, 2], [0, 1, 0, 0]])
    np.testing.assert_array_equal(counts.shown_by_query.toarray(), [[0] * 4, [0] * 4, [0, 1, 0, 0], [0, 0, 0, 2]])
    shown_by_source = np.zeros((4, 4))
    shown_by_source[3, 3] = shown_by_source[3, 1] = 1
    np.testing.assert_array_equal(counts.shown_by_source.toarray(), shown_by_source)
    assert counts.scale == 2.0


def test_affinity_counts_a_user_and_an_item_once() -> None:
    rows = Engagements(
        *(np.zeros(4, dtype=np.int64) for _ in range(7)),
    )._replace(user=np.array([2, 2, 2, 0]), item=np.array([1, 1, 2, 3]))
    counts = fit_counts(rows, SHOWN, WORDS, GROUP, SIZES, CONFIG, seed=0)
    # XᵀX = [[1, 1], [1, 1]] over items 1 and 2, so that B = 1 / (1 + 1) both ways.
    expected = np.zeros((4, 4))
    expected[1, 2] = expected[2, 1] = 1 / 2
    np.testing.assert_allclose(counts.affinity.toarray(), expected, rtol=1e-6)


def test_nothing_to_count() -> None:
    nothing = Shown(*(np.zeros(0, dtype=np.int64) for _ in range(4)))
    empty = Engagements(*(np.zeros(0, dtype=np.int64) for _ in range(7)))
    counts = fit_counts(empty, nothing, WORDS, GROUP, SIZES, CONFIG, seed=0)
    assert not counts.popularity.any() and counts.popularity.shape == (4,)
    assert counts.by_word.shape == (2, 4) and counts.by_word.nnz == 0
    assert np.isfinite(counts.by_word.toarray()).all()


def test_saved_is_loaded(tmp_path: Path) -> None:
    counts = fit_counts(ROWS, SHOWN, WORDS, GROUP, SIZES, CONFIG, seed=0, scale=4 / 3)
    save_counts(counts, tmp_path / "c.safetensors")
    assert_same(load_counts(tmp_path / "c.safetensors"), counts)
