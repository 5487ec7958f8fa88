from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.history import History, list_of_key


def ints(*values: object) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def build(pairs: list[tuple[int, int]], *, ordered: bool, keys: int = 5) -> History:
    key, item = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return History.build(key, item, keys, ordered=ordered)


# User 2 engaged with 10, 11, 10; user 4 with 12; nobody (0) and an unknown user (1) with 13.
PAIRS = [(2, 10), (4, 12), (0, 13), (2, 11), (1, 13), (2, 10)]


def test_ordered_lists_by_hand() -> None:
    history = build(PAIRS, ordered=True)
    np.testing.assert_array_equal(history.start, [0, 0, 0, 3, 3, 4])
    np.testing.assert_array_equal(history.item, [10, 11, 10, 12])
    np.testing.assert_array_equal(history.ends(ints(0, 1, 2, 3, 4)), [0, 0, 3, 3, 4])


def test_ordered_windows_are_newest_first_and_end_where_knowledge_ends() -> None:
    history = build(PAIRS, ordered=True)
    key, end = ints(2, 2, 2, 4, 0, 1, 3), ints(3, 2, 0, 4, 0, 0, 3)
    found = history.window(key, end, 2, np.zeros((7, 1), dtype=np.int64))
    np.testing.assert_array_equal(found, [[10, 11], [11, 10], [0, 0], [12, 0], [0, 0], [0, 0], [0, 0]])


def test_an_ordered_list_counts_repeats_and_hides_nothing() -> None:
    history = build(PAIRS, ordered=True)
    found = history.matrix(ints(2, 4), ints(3, 4), 14, ints([10], [12])).toarray()
    assert found[0, 10] == 2 and found[0, 11] == 1 and found[1, 12] == 1 and found.sum() == 4
    np.testing.assert_array_equal(history.window(ints(2), ints(3), 1, ints([10])), [[10]])


def test_a_list_without_order_is_a_set() -> None:
    history = build(PAIRS, ordered=False)
    np.testing.assert_array_equal(np.diff(history.start), [0, 0, 2, 0, 1])
    assert set(history.item[:2]) == {10, 11}


def test_a_hidden_item_leaves_no_hole_and_takes_no_place() -> None:
    history = build([(2, item) for item in (10, 11, 12, 13)], ordered=False)
    key, end = ints(2), history.ends(ints(2))
    for hidden in (10, 11, 12, 13):
        left = {10, 11, 12, 13} - {hidden}
        assert set(history.window(key, end, 3, ints([hidden]))[0]) == left
        assert set(history.window(key, end, 9, ints([hidden]))[0]) == left | {0}
        assert history.window(key, end, 1, ints([hidden]))[0, 0] in left  # or the row would look like a new user's
        found = history.matrix(key, end, 14, ints([hidden]))
        assert set(found.indices) == left
    both = history.window(key, end, 9, ints([10, 12]))
    np.testing.assert_array_equal(np.sort(both), [[0] * 7 + [11, 13]])
    assert not history.window(ints(2), ints(0), 2, ints([0])).any()


def test_a_longer_list_without_order_shows_a_drawn_part() -> None:
    history = build([(2, item) for item in range(10, 40)], ordered=False)
    key, end = np.full(200, 2), np.full(200, 30)
    none = np.zeros((200, 1), dtype=np.int64)
    fixed = history.window(key, end, 5, none)
    assert (fixed == fixed[0]).all()
    drawn = history.window(key, end, 5, none, np.random.default_rng(0))
    assert set(drawn.ravel()) == set(range(10, 40))
    assert all(len(set(row)) == 5 for row in drawn)


@pytest.mark.parametrize("ordered", [True, False])
def test_nobody_engaged(ordered: bool) -> None:
    history = build([], ordered=ordered)
    key = ints(0, 2)
    none = np.zeros((2, 1), dtype=np.int64)
    assert not history.window(key, history.ends(key), 3, none).any()
    assert history.matrix(key, history.ends(key), 4, none).nnz == 0
    assert history.window(ints(), ints(), 3, np.zeros((0, 1), dtype=np.int64)).shape == (0, 3)
    assert history.matrix(ints(), ints(), 4, np.zeros((0, 1), dtype=np.int64)).shape == (0, 4)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), max_size=30),
    st.integers(0, 6),
    st.integers(1, 8),
    st.booleans(),
)
def test_window_and_matrix_agree(pairs: list[tuple[int, int]], hidden: int, length: int, ordered: bool) -> None:
    history = build(pairs, ordered=ordered)
    key = np.arange(5)
    hide = np.full((5, 1), hidden)
    counts = history.matrix(key, history.ends(key), 7, hide).toarray()
    window = history.window(key, history.ends(key), 30, hide)
    np.testing.assert_array_equal(counts[:, 1:], [[(row == item).sum() for item in range(1, 7)] for row in window])
    short = history.window(key, history.ends(key), length, hide)
    np.testing.assert_array_equal(short, window[:, :length])
    assert not counts[:2].any()  # nobody, and users that are not known, have no past
    if not ordered:
        assert counts.max(initial=0) <= 1 and not counts[:, hidden].any()


@given(st.permutations([(2, 10), (2, 11), (3, 10), (4, 12), (4, 11), (4, 13)]))
def test_without_order_the_rows_may_come_in_any(pairs: list[tuple[int, int]]) -> None:
    one, two = build(pairs, ordered=False), build(sorted(pairs), ordered=False)
    np.testing.assert_array_equal(one.item, two.item)
    np.testing.assert_array_equal(one.start, two.start)


def test_lists_of_keys() -> None:
    np.testing.assert_array_equal(list_of_key(ints(3, 7, 9), ints(9, 3, 4, -1, 100)), [4, 2, 1, 1, 1])
    np.testing.assert_array_equal(list_of_key(ints(), ints(9, -1)), [1, 1])


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("pairs", [PAIRS, []])
def test_saved_is_loaded(tmp_path: Path, pairs: list[tuple[int, int]], ordered: bool) -> None:
    history = build(pairs, ordered=ordered)
    history.save(tmp_path / "h.safetensors")
    loaded = History.load(tmp_path / "h.safetensors")
    np.testing.assert_array_equal(loaded.start, history.start)
    np.testing.assert_array_equal(loaded.item, history.item)
    assert loaded.ordered is ordered
