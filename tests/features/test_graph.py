from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from features.graph import align, fit_graph, mean_vectors

Dense = NDArray[np.float32]

# Items 1 to 3 are engaged with by users 0 and 1, items 4 to 6 by users 2 and 3; nobody engaged with items 7 to 9.
CHECKERBOARD = np.array(
    [
        [0, 1, 1, 1, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 0, 0, 0],
    ]
)
TWO_SIDES = np.array([[1.0, -1.0], [-1.0, 1.0]]).repeat(3, axis=0).repeat(3, axis=1)  # cosines of items 1 to 6


def fit(users: object, text: object = None, *, query: object = None, source: object = None, width: int = 4) -> Dense:
    """Fit on dense tables, nothing where a table is left out."""
    user_items = sparse.csr_matrix(users)
    items = user_items.shape[1]
    return fit_graph(
        user_items,
        sparse.csr_matrix((0, items) if query is None else query),
        sparse.csr_matrix((items, items) if source is None else source),
        np.zeros((items, 0), dtype=np.float32) if text is None else np.asarray(text, dtype=np.float32),
        width,
        seed=0,
    )


def world(users: int, items: int, seed: int = 0) -> NDArray[np.float64]:
    """Return engagements (users, items + 1) by two tastes with some that fit neither."""
    rng = np.random.default_rng(seed)
    alike = (np.arange(users)[:, None] % 2) == (np.arange(items + 1)[None, :] % 2)
    table = (rng.random((users, items + 1)) < np.where(alike, 0.5, 0.1)).astype(np.float64)
    table[:, 0] = 0
    return table


def cosines(vectors: Dense) -> NDArray[np.float64]:
    return np.asarray(vectors.astype(np.float64) @ vectors.astype(np.float64).T)


def expected_cosines(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines of items by the definition, without a rank: inner products are those of (MᵀM)^½."""
    row, column = edges.sum(axis=1), edges.sum(axis=0)
    row, edges = row[row > 0], edges[row > 0]
    known = column > 0
    m = edges[:, known] / np.sqrt(np.outer(row + row.mean(), column[known] + column[known].mean()))
    energy, axes = np.linalg.eigh(m.T @ m)
    vectors = axes * np.maximum(energy, 0) ** 0.25
    for _ in range(2):  # unit length, then without the mean of all
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors, last = vectors - vectors.mean(axis=0), vectors
    out = np.zeros((len(column), len(column)))
    out[np.ix_(known, known)] = last @ last.T
    return out


def test_two_communities_lie_on_opposite_sides() -> None:
    found = fit(CHECKERBOARD)
    assert found.shape == (10, 4) and found.dtype == np.float32
    np.testing.assert_allclose(cosines(found)[1:7, 1:7], TWO_SIDES, atol=1e-4)
    assert not found[0].any() and not found[7:].any()


def test_queries_join_items_as_users_do() -> None:
    np.testing.assert_allclose(cosines(fit(np.zeros((1, 10)), query=CHECKERBOARD))[1:7, 1:7], TWO_SIDES, atol=1e-4)


def test_a_source_item_lies_with_what_is_engaged_with_next_to_it() -> None:
    source = np.zeros((5, 5))
    source[1, 2] = source[3, 4] = 1
    found = cosines(fit(np.zeros((0, 5)), source=source))
    np.testing.assert_allclose(
        found[1:, 1:], [[1, 1, -1, -1], [1, 1, -1, -1], [-1, -1, 1, 1], [-1, -1, 1, 1]], atol=1e-4
    )


def test_full_rank_is_the_root_of_the_normalised_co_engagement() -> None:
    users, query, source = world(12, 7), world(5, 7, seed=1), np.zeros((8, 8))
    source[2, 5], source[2, 3], source[6, 1] = 1, 1, 1
    own = np.diag([0, 0, 2.0, 0, 0, 0, 1.0, 0])  # a source item weighs as much as all that is next to it
    expected = expected_cosines(np.vstack([users, query, source + own]))
    np.testing.assert_allclose(cosines(fit(users, query=query, source=source, width=8)), expected, atol=1e-3)


def test_an_edge_counts_the_logarithm_of_its_weight() -> None:
    weighted, damped = world(12, 7), world(12, 7)
    weighted[0], damped[0] = 3 * weighted[0], 2 * damped[0]  # log2(1 + 3) = 2
    found = fit(weighted, width=8)
    np.testing.assert_allclose(cosines(found), expected_cosines(damped), atol=1e-3)
    twice = sparse.csr_matrix(weighted)  # the same weights as entries of 1 and of 2
    pairs = sparse.csr_matrix(
        (np.repeat(twice.data / 3, 2) * np.tile([1.0, 2.0], twice.nnz), np.repeat(twice.indices, 2), 2 * twice.indptr),
        shape=twice.shape,
    )
    np.testing.assert_array_equal(fit(pairs, width=8), found)
    assert pairs.nnz == 2 * twice.nnz  # what is given stays as it is


def test_a_narrow_fit_keeps_what_tells_most() -> None:
    rng = np.random.default_rng(4)
    group = np.arange(1, 61) % 4
    users = np.zeros((200, 61))
    users[:, 1:] = rng.random((200, 60)) < np.where((np.arange(200) % 4)[:, None] == group, 0.3, 0.02)
    found = cosines(fit(users, width=4))[1:, 1:]
    same = group[:, None] == group
    assert found[same].min() > 0.5 > 0.3 > found[~same].max()


def test_an_item_without_an_edge_takes_the_side_of_its_text() -> None:
    text = np.zeros((10, 3))
    text[1:4, 0] = text[4:7, 1] = 1.0
    text[7, 0] = text[8, 1] = 1.0  # item 9 has no text either
    text[0] = 1.0  # padding has none, whatever stands there
    found = fit(CHECKERBOARD, text)
    np.testing.assert_allclose(cosines(found)[7, 1:9], [1, 1, 1, -1, -1, -1, 1, -1], atol=1e-4)
    assert not found[9].any() and not found[0].any()
    np.testing.assert_array_equal(found[1:7], fit(CHECKERBOARD)[1:7])  # text changes nothing where there are edges


def test_the_map_from_text_is_a_ridge_regression_that_trusts_items_with_many_edges() -> None:
    rng = np.random.default_rng(5)
    users, text = world(12, 9), rng.standard_normal((10, 4))
    users[:, 8:] = 0
    users[:9, 1] = 1
    found = fit(users, text, width=10).astype(np.float64)
    weight = np.sqrt(users[:, 1:8].sum(axis=0))
    weight /= weight.mean()
    # min Σ weight |x B + b - v|² + |B|², with the intercept b as the last row of the unknown
    x = np.column_stack([text[1:8], np.ones(7)]) * np.sqrt(weight)[:, None]
    left = np.vstack([x, np.eye(5)[:4]])
    right = np.vstack([found[1:8] * np.sqrt(weight)[:, None], np.zeros((4, 10))])
    solved = np.linalg.lstsq(left, right)[0]
    expected = np.column_stack([text[8:], np.ones(2)]) @ solved
    np.testing.assert_allclose(found[8:], expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-3)


@pytest.mark.parametrize("block", [1, 3])
def test_texts_read_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    users, text = world(12, 9), np.random.default_rng(5).standard_normal((10, 4))
    users[:, 6:] = 0
    whole = fit(users, text)
    monkeypatch.setattr("features.graph._BLOCK", block)
    np.testing.assert_allclose(fit(users, text), whole, atol=1e-5)


def test_nothing_to_fit_on_gives_zeros() -> None:
    text = np.ones((4, 2))
    for users in (np.zeros((0, 4)), np.zeros((3, 4))):
        assert not fit(users, text).any()
    assert not fit([[5.0, 0, 0, 0]], text, source=np.diag([1.0, 0, 0, 0])).any()  # only padding has edges
    assert fit(np.zeros((2, 1)), np.zeros((1, 3))).shape == (1, 4)  # a catalogue of nothing
    textless = np.zeros((10, 3))
    textless[7:] = 1.0  # the items with edges have no text to learn from
    assert not fit(CHECKERBOARD, textless)[7:].any()


def test_items_that_are_all_alike_tell_nothing() -> None:
    assert not fit([[0, 1]], [[0.0], [1.0]]).any()
    assert not fit(np.tile([0.0, 1, 1, 1], (5, 1)), width=3).any()
    many = np.ones((50, 41))
    many[:, 0] = 0
    assert not fit(many, width=16).any()


def test_padding_takes_no_part() -> None:
    users, padded, source, padded_source = world(12, 7), world(12, 7), np.zeros((8, 8)), np.zeros((8, 8))
    source[2, 5] = padded_source[2, 5] = 1
    padded[:, 0] = padded_source[:, 0] = padded_source[0] = 9
    np.testing.assert_array_equal(fit(padded, source=padded_source), fit(users, source=source))


def test_a_width_beyond_the_catalogue_is_filled_with_zeros() -> None:
    narrow, wide = fit(CHECKERBOARD, width=10), fit(CHECKERBOARD, width=16)
    np.testing.assert_array_equal(wide[:, :10], narrow)
    assert wide.shape == (10, 16) and not wide[:, 10:].any()


def test_the_same_seed_gives_the_same_bits_and_another_the_same_geometry() -> None:
    users, items = sparse.csr_matrix(world(30, 20)), 21
    none, text = (sparse.csr_matrix(shape) for shape in ((0, items), (items, items))), np.zeros((items, 0), np.float32)
    query, source = none
    one, again, other = (fit_graph(users, query, source, text, items, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other, atol=0.01)
    np.testing.assert_allclose(cosines(one), cosines(other), atol=1e-3)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_order_of_users_and_queries_changes_rounding_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, query = world(40, 30), world(15, 30, seed=1)
    shuffled = fit(users[rng.permutation(40)], query=query[rng.permutation(15)], width=8)
    np.testing.assert_allclose(shuffled, fit(users, query=query, width=8), atol=1e-3)


def test_contexts_without_an_edge_change_nothing() -> None:
    users = world(12, 7)
    np.testing.assert_array_equal(fit(np.vstack([users, np.zeros((9, 8))])), fit(users))


def test_items_without_an_edge_change_nothing_among_the_others() -> None:
    users = world(12, 7)
    found = cosines(fit(np.hstack([users, np.zeros((12, 9))]), width=17))
    np.testing.assert_allclose(found[:8, :8], cosines(fit(users, width=8)), atol=1e-3)
    assert not found[8:].any()


def test_a_small_change_hardly_turns_the_basis() -> None:
    users = world(80, 30)
    whole, without = fit(users, width=8), fit(users[:79], width=8)
    assert (whole * without).sum(axis=1)[1:].min() > 0.9


def test_vectors_have_unit_length_or_none() -> None:
    users, text = world(40, 30), np.random.default_rng(5).standard_normal((31, 4))
    users[:, 25:] = 0
    text[29:] = 0
    length = np.linalg.norm(fit(users, text, width=8), axis=1)
    np.testing.assert_allclose(length[1:29], 1.0, atol=1e-5)
    assert not length[[0, 29, 30]].any()


def test_align_recovers_a_rotation() -> None:
    rng = np.random.default_rng(3)
    reference = rng.standard_normal((50, 6)).astype(np.float32)
    reference[0] = 0
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    turned = (reference @ turn).astype(np.float32)
    found = align(turned, reference)
    assert found.dtype == np.float32 and not found[0].any()
    np.testing.assert_allclose(found, reference, atol=1e-4)


def test_align_turns_and_never_stretches() -> None:
    rng = np.random.default_rng(3)
    vectors, reference = (rng.standard_normal((50, 6)).astype(np.float32) for _ in range(2))
    np.testing.assert_allclose(cosines(align(vectors, reference)), cosines(vectors), atol=1e-3)


def test_a_fit_on_part_of_the_rows_is_brought_near_the_fit_on_all() -> None:
    users = world(80, 30)
    whole, part = fit(users, width=8), fit(users[:60], width=8)
    other_basis = part @ np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0].astype(np.float32)
    agreement = [
        float((vectors * whole).sum(axis=1)[1:].mean()) for vectors in (other_basis, align(other_basis, whole))
    ]
    assert agreement[0] < 0.5 < 0.8 < agreement[1]


def test_the_vector_of_a_context_is_the_mean_of_its_items() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1], [0, 0]], dtype=np.float32)
    contexts = sparse.csr_matrix([[0, 3, 4, 0], [0, 0, 2, 9], [0, 0, 0, 1], [0, 0, 0, 0]])
    found = mean_vectors(contexts, vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[3 / 5, 4 / 5], [0, 1], [0, 0], [0, 0]], atol=1e-6)
