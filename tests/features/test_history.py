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


def timed(*hours: float, ordered: bool = True, start: float = 20_000.0) -> History:
    """Return the history of user 2, who engaged with items 10, 11 and so on at these hours."""
    count = len(hours)
    time = start + np.array(hours) / 24
    return History.build(np.full(count, 2), np.arange(10, 10 + count), 4, ordered=ordered, time=time)


def ages(history: History, length: int, end: int | None = None) -> list[int]:
    found = history.ages(ints(2), history.ends(ints(2)) if end is None else ints(end), length)
    return [int(age) for age in found[0]]


def test_ages_count_back_from_the_latest_engagement_in_doubling_steps() -> None:
    # 0, 0.9, 1.1, 2.9, 3.1, 6.9 and 7.1 hours before the latest one: steps begin at 1, 3 and 7 hours.
    history = timed(*(100 - before for before in (7.1, 6.9, 3.1, 2.9, 1.1, 0.9, 0)))
    assert ages(history, 8) == [1, 1, 2, 2, 3, 3, 4, 0]  # and one place more than there are engagements
    assert ages(history, 3) == [1, 1, 2]
    assert ages(history, 4, end=5) == [1, 2, 2, 3]  # 1.8, 2 and 5.8 hours before the one that is then the latest
    assert ages(history, 3, end=1) == [1, 0, 0]
    assert ages(history, 3, end=0) == [0, 0, 0]


def test_the_last_step_begins_at_about_two_years() -> None:
    days = 24.0
    history = timed(-3_650 * days, -683 * days, -681 * days, 0)
    assert ages(history, 4) == [1, 14, 15, 15]


def test_an_engagement_without_a_time_has_no_age_and_without_the_latest_time_none_has() -> None:
    nan = float("nan")
    assert ages(timed(-10, nan, -2, 0), 4) == [1, 2, 0, 4]
    assert ages(timed(-10, -2, nan), 3) == [0, 0, 0]
    assert ages(timed(nan, nan), 2) == [0, 0]


def test_an_order_that_runs_against_time_makes_nobody_younger_than_new() -> None:
    assert ages(timed(5, 3, 0), 3) == [1, 1, 1]


def test_minutes_are_told_apart_after_decades() -> None:
    assert ages(timed(-30 * 365 * 24, -1.05, 0), 2) == [1, 2]
    assert ages(timed(-30 * 365 * 24, -0.95, 0), 2) == [1, 1]


def test_without_order_or_times_nothing_has_an_age() -> None:
    assert ages(timed(-5, 0, ordered=False), 3) == [0, 0, 0]
    assert ages(build([(2, 10), (2, 11)], ordered=True), 3) == [0, 0, 0]
    assert ages(build([], ordered=True), 3) == [0, 0, 0]
    assert timed(-5, 0).ages(ints(2), ints(2), 0).shape == (1, 0)


def test_times_follow_their_items_and_are_days_since_the_first() -> None:
    key, item = ints(2, 3, 2, 0), ints(10, 12, 11, 13)
    history = History.build(key, item, 4, ordered=True, time=np.array([20_003.0, 20_001.5, 20_005.0, 19_000.0]))
    np.testing.assert_array_equal(history.item, [10, 11, 12])
    np.testing.assert_array_equal(history.time, np.array([1.5, 3.5, 0.0], dtype=np.float32))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6), st.floats(0, 1e4)), max_size=25), st.integers(1, 8))
def test_ages_are_those_of_the_window(rows: list[tuple[int, int, float]], length: int) -> None:
    rows = sorted(rows, key=lambda row: row[2])
    key, item = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    history = History.build(key, item, 4, ordered=True, time=np.array([row[2] for row in rows]))
    users, end = np.arange(4), history.ends(np.arange(4))
    window = history.window(users, end, length, np.zeros((4, 1), dtype=np.int64))
    found = history.ages(users, end, length)
    np.testing.assert_array_equal(found > 0, window > 0)
    real = np.where(found > 0, found, 99)
    assert (np.diff(real, axis=1) >= 0).all()  # the older, the later in the window
    assert (found[window[:, 0] > 0, 0] == 1).all()


LONG = [(2, item) for item in range(10, 20)] + [(3, 10), (3, 11)]


def test_earlier_ends_lie_where_the_draw_says() -> None:
    history = build(LONG, ordered=True)
    key, end = np.full(5, 2), np.full(5, 10)
    # Ten engagements and a window of 4: it may end after 4, 5, ... or 10 of them, which are seven places.
    draw = np.array([0.0, 0.1, 1 / 7 + 1e-9, 0.5, 1 - 2**-53])
    np.testing.assert_array_equal(history.earlier_ends(key, end, 4, draw), [10, 10, 9, 7, 4])


def test_what_fits_into_a_window_and_what_has_no_order_keeps_its_end() -> None:
    history, last = build(LONG, ordered=True), 1 - 2**-53
    key, draw = ints(2, 3, 0, 1), np.full(4, last)
    np.testing.assert_array_equal(history.earlier_ends(key, ints(4, 12, 0, 0), 4, draw), [4, 12, 0, 0])
    unordered = build(LONG, ordered=False)
    np.testing.assert_array_equal(unordered.earlier_ends(key, unordered.ends(key), 4, draw), unordered.ends(key))


@given(st.integers(0, 10), st.integers(1, 12), st.floats(0, 1, exclude_max=True))
def test_an_earlier_window_is_full_and_never_past_the_rows_own_end(known: int, length: int, draw: float) -> None:
    history = build(LONG, ordered=True)
    key, end = ints(2), ints(known)
    found = history.earlier_ends(key, end, length, np.array([draw]))
    assert min(known, length) <= found[0] <= known
    window = history.window(key, found, length, np.zeros((1, 1), dtype=np.int64))
    assert (window > 0).sum() == min(known, length)


def test_every_window_is_drawn_alike() -> None:
    history, rng = build(LONG, ordered=True), np.random.default_rng(0)
    found = history.earlier_ends(np.full(7_000, 2), np.full(7_000, 10), 4, rng.random(7_000))
    counts = np.bincount(found)[4:]
    assert len(counts) == 7 and np.abs(counts - 1_000).max() < 150


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
    np.testing.assert_array_equal(loaded.time, history.time)


def test_times_are_saved(tmp_path: Path) -> None:
    history = timed(-7, float("nan"), -1)
    history.save(tmp_path / "h.safetensors")
    loaded = History.load(tmp_path / "h.safetensors")
    np.testing.assert_array_equal(loaded.time, history.time)
    assert ages(loaded, 3) == ages(history, 3) == [1, 0, 3]
