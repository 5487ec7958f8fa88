from __future__ import annotations

from math import log

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from features.groups import GroupCounts, deepest, fit_groups, gather_groups, group_features, likely_groups

GROUP = np.array([0, 2, 3, 3, 0])  # of four items; the last has none
NO_WORDS = sparse.csr_matrix((1, 5), dtype=np.float32)


def fitted(source: list[int], item: list[int]) -> GroupCounts:
    return fit_groups(GROUP, 4, np.array(source, dtype=np.int64), np.array(item, dtype=np.int64), NO_WORDS)


def evidence_of(counts: GroupCounts, past: list[float], latest: list[int], source: int = 0):
    return gather_groups(
        counts,
        sparse.csr_matrix(np.array([past], dtype=np.float32)),
        np.array([latest], dtype=np.int64).reshape(1, -1),
        np.array([source]),
        sparse.csr_matrix((1, 1), dtype=np.float32),
    )


def test_the_group_is_the_deepest_level() -> None:
    levels = np.array([[0, 0], [2, 5], [2, 0], [0, 0]])
    np.testing.assert_array_equal(deepest(levels), [0, 5, 2, 0])


def test_items_without_a_group_count_for_none() -> None:
    counts = fitted([1, 4, 1], [2, 2, 4])
    np.testing.assert_allclose(counts.share, [0, 0, 1 / 4, 3 / 4])  # two engagements of group 3, one more of each
    assert counts.by_source.toarray()[2].tolist() == [0, 0, 0, 1]
    assert counts.by_source.sum() == 1
    found = group_features(evidence_of(counts, [0, 1, 0, 0, 2], [4, 1]), counts, np.array([[4, 0]]))
    assert not found.any()


def test_a_context_that_says_nothing_lifts_nothing() -> None:
    counts = fitted([0, 0], [1, 2])
    evidence = evidence_of(counts, [0] * 5, [0, 0])
    assert not group_features(evidence, counts, np.array([[1, 2, 3]])).any()
    np.testing.assert_array_equal(likely_groups(evidence, counts), np.ones((1, 4)))


def test_lifts_multiply_up() -> None:
    counts = fitted([1, 1], [1, 2])
    evidence = evidence_of(counts, [0, 3, 0, 0, 0], [1], source=1)
    by_part = group_features(evidence, counts, np.array([[1]]))[0, 0]
    # Shares 1/2 and 1/2: three engagements of the user, the latest one, and one of two next to the source item.
    expected = [log((3 + 1.5) / 6 / 0.5), log((1 + 0.5) / 2 / 0.5), log((1 + 1.5) / 5 / 0.5), 0]
    np.testing.assert_allclose(by_part, expected, atol=1e-6)
    np.testing.assert_allclose(likely_groups(evidence, counts)[0, 2], np.exp(sum(expected)), rtol=1e-5)


@given(st.lists(st.integers(0, 4), max_size=20), st.randoms())
def test_the_order_of_rows_does_not_matter(items: list[int], random) -> None:
    shuffled = random.sample(items, len(items))
    one, other = fitted([1] * len(items), items), fitted([1] * len(items), shuffled)
    np.testing.assert_array_equal(one.share, other.share)
    np.testing.assert_array_equal(one.by_source.toarray(), other.by_source.toarray())
