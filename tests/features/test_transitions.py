from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.transitions import apply_transitions, fit_transitions

ITEMS = 7


def fitted(
    rows: Sequence[tuple[int, int, int]], *, plain: bool = True, items: int = ITEMS, keep: int = 100, **knobs: float
) -> NDArray[np.float32]:
    """Transitions of (user, item, request) rows; ``plain`` leaves the sums as they are."""
    user, item, request = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    if plain:
        knobs |= {"source": 0.0, "popularity": 0.0}
    matrix = fit_transitions(user, item, request, items, keep=keep, **knobs)  # type: ignore[arg-type]
    assert matrix.shape == (items, items) and matrix.dtype == np.float32
    dense: NDArray[np.float32] = matrix.toarray()
    return dense


def table(**weights: float) -> NDArray[np.float64]:
    """A matrix of weights by name, ``_12`` is row 1 and column 2."""
    out = np.zeros((ITEMS, ITEMS))
    for name, weight in weights.items():
        out[int(name[1]), int(name[2])] = weight
    return out


def test_what_follows_counts_by_distance_and_what_came_before_a_tenth_of_it() -> None:
    found = fitted([(2, 1, 0), (2, 2, 1), (2, 3, 2), (2, 4, 3)], window=2)
    after = table(_12=1, _13=1 / 2, _23=1, _24=1 / 2, _34=1)  # 1 and 4 are further apart than the window
    np.testing.assert_allclose(found, after + 0.1 * after.T, rtol=1e-6)


def test_the_distance_falls_by_its_exponent() -> None:
    found = fitted([(2, 1, 0), (2, 2, 1), (2, 3, 2)], window=9, fall=0.5, backward=0.0)
    np.testing.assert_allclose(found, table(_12=1, _13=1 / np.sqrt(2), _23=1), rtol=1e-6)


def test_sums_are_divided_by_powers_of_their_rows_and_columns() -> None:
    # Two users went from 1 to 2, one of them on to 3: c = [12: 2, 13: 1/2, 23: 1].
    rows = [(2, 1, 0), (3, 1, 1), (2, 2, 2), (3, 2, 3), (2, 3, 4)]
    found = fitted(rows, plain=False, backward=0.0)
    from_1, from_2, to_2, to_3 = (2 + 1 / 2) ** 0.75, 1**0.75, 2**0.25, (1 / 2 + 1) ** 0.25
    answer = table(_12=2 / (from_1 * to_2), _13=1 / 2 / (from_1 * to_3), _23=1 / (from_2 * to_3))
    np.testing.assert_allclose(found, answer, rtol=1e-6)


def test_twice_the_same_engagements_have_the_same_weights() -> None:
    rows = [(2, 1, 0), (2, 2, 1), (2, 3, 2), (2, 2, 3), (3, 3, 4), (3, 1, 5)]
    twice = rows + [(user + 2, item, request + 6) for user, item, request in rows]
    np.testing.assert_allclose(fitted(twice, plain=False), fitted(rows, plain=False), rtol=1e-5)


def test_rows_of_one_request_are_one_moment() -> None:
    # 1 and 2 were on one page, then 3, then 4: nothing between 1 and 2, and 4 is two moments after them.
    found = fitted([(2, 1, 0), (2, 2, 0), (2, 3, 1), (2, 4, 2)], window=2)
    after = table(_13=1, _14=1 / 2, _23=1, _24=1 / 2, _34=1)
    before = table(_32=1, _31=1, _43=1, _42=1 / 2)  # 1 is beyond the two engagements before 4
    np.testing.assert_allclose(found, after + 0.1 * before, rtol=1e-6)


def test_the_window_counts_engagements_and_the_distance_counts_moments() -> None:
    rows = [(2, 1, 0), (2, 2, 1), (2, 3, 1), (2, 4, 1), (2, 5, 2)]
    near = fitted(rows, window=3, backward=0.0)
    np.testing.assert_allclose(near[1], table(_12=1, _13=1, _14=1)[1], rtol=1e-6)
    wide = fitted(rows, window=4, backward=0.0)
    np.testing.assert_allclose(wide[1], table(_12=1, _13=1, _14=1, _15=1 / 2)[1], rtol=1e-6)


def test_a_request_stands_where_its_first_row_does() -> None:
    apart = fitted([(2, 1, 0), (2, 3, 1), (2, 2, 0), (2, 4, 2)])  # the second row of request 0 is late
    together = fitted([(2, 1, 0), (2, 2, 0), (2, 3, 1), (2, 4, 2)])
    np.testing.assert_array_equal(apart, together)


def test_users_do_not_see_each_other_and_strangers_and_padding_do_not_count() -> None:
    rows = [(2, 1, 0), (3, 4, 1), (0, 6, 2), (1, 6, 3), (2, 0, 4), (2, 2, 5), (3, 5, 6), (0, 5, 7), (1, 5, 8)]
    np.testing.assert_allclose(fitted(rows), table(_12=1, _21=0.1, _45=1, _54=0.1), rtol=1e-6)


def test_an_item_that_comes_again_is_no_transition_of_its_own() -> None:
    found = fitted([(2, 1, 0), (2, 1, 1), (2, 2, 2)], backward=0.0)
    np.testing.assert_allclose(found, table(_12=1 / 2 + 1), rtol=1e-6)


def test_an_item_keeps_its_most_frequent_and_the_sums_are_of_all() -> None:
    rows = [(2, 1, 0), (2, 2, 1), (3, 1, 2), (3, 2, 3), (4, 1, 4), (4, 3, 5), (5, 4, 6), (5, 3, 7)]
    knobs = {"backward": 0.0, "source": 1.0, "popularity": 0.0}
    found = fitted(rows, plain=False, keep=1, **knobs)
    np.testing.assert_allclose(found, table(_12=2 / 3, _43=1), rtol=1e-6)  # a third of 1 went to 3
    knobs = {"backward": 0.0, "source": 0.0, "popularity": 1.0}
    found = fitted(rows, plain=False, keep=1, **knobs)
    np.testing.assert_allclose(found, table(_12=2 / 2, _43=1 / 2), rtol=1e-6)  # half of 3 came from 1


def test_ties_are_broken_alike_whoever_comes_first() -> None:
    rows = [(user, item, 2 * user + place) for user in range(2, 32) for place, item in enumerate((1, user))]
    one = fitted(rows, items=40, keep=3)
    other = fitted([(33 - user, item, request) for user, item, request in rows], items=40, keep=3)
    assert np.count_nonzero(one[1]) == 3  # of 30 that follow it once
    np.testing.assert_array_equal(other, one)


def test_nothing_and_one_engagement() -> None:
    assert not fitted([]).any()
    assert not fitted([(2, 1, 0)]).any()
    assert not fitted([(0, 1, 0), (1, 2, 1)]).any()


def by_pairs(rows: Sequence[tuple[int, int, int]], window: int) -> NDArray[np.float64]:
    """The same, pair by pair, of rows whose requests stand together."""
    out = np.zeros((ITEMS, ITEMS))
    for user in {row[0] for row in rows if row[0] > 1}:
        own = [row for row in rows if row[0] == user and row[1] > 0]
        requests = list(dict.fromkeys(row[2] for row in own))
        for _, item, request in own:
            later = [row for row in own if requests.index(row[2]) > requests.index(request)][:window]
            earlier = [row for row in own if requests.index(row[2]) < requests.index(request)][::-1][:window]
            for weight, others in ((1.0, later), (0.1, earlier)):
                for _, other, place in others:
                    if other != item:
                        out[item, other] += weight / abs(requests.index(place) - requests.index(request))
    return out


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Rows of a few users, whose requests have one to three rows each."""
    rows, pages = [], draw(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=15))
    for request, (user, size) in enumerate(pages):
        rows += [(user, draw(st.integers(0, ITEMS - 1)), request) for _ in range(size)]
    return rows


@settings(max_examples=60, deadline=None)
@given(rows=logs(), window=st.integers(1, 5))
def test_as_pair_by_pair(rows: list[tuple[int, int, int]], window: int) -> None:
    np.testing.assert_allclose(fitted(rows, window=window), by_pairs(rows, window), atol=1e-5)


def test_the_order_of_users_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    rows = [(int(user), int(rng.integers(1, ITEMS)), place // 2) for place, user in enumerate(rng.integers(2, 9, 80))]
    rows = [(user, item, request * 10 + user) for user, item, request in rows]
    whole = fitted(rows, plain=False)
    by_user = [row for user in (5, 3, 8, 2, 4, 7, 6) for row in rows if row[0] == user]
    np.testing.assert_allclose(fitted(by_user, plain=False), whole, rtol=1e-5)
    np.testing.assert_array_equal(fitted(rows, plain=False, threads=1), whole)
    monkeypatch.setattr("features.transitions._EVENTS", 2)
    np.testing.assert_allclose(fitted(rows, plain=False), whole, rtol=1e-5)


def test_what_follows_a_history_weighs_its_newest_most() -> None:
    user, item, request = np.array([(2, 1, 0), (2, 4, 1), (3, 2, 2), (3, 5, 3), (4, 3, 4), (4, 4, 5)]).T
    weights = fit_transitions(user, item, request, ITEMS, backward=0.0, source=0.0, popularity=0.0)
    # Newest first: 2, then 2 again, which counts once, then 1. Nobody, then 3 alone, then 6, which nothing follows.
    latest = np.array([[2, 2, 1, 0], [0, 0, 0, 0], [3, 0, 0, 0], [6, 0, 0, 0]])
    found = apply_transitions(latest, weights)
    answer = np.zeros((4, ITEMS))
    answer[0, 5], answer[0, 4], answer[2, 4] = 1, 1 / 2, 1
    np.testing.assert_allclose(found.toarray(), answer, rtol=1e-6)
    flat = apply_transitions(latest, weights, recency=0.0).toarray()
    assert flat[0, 5] == flat[0, 4] == 1
    assert found.dtype == np.float32


def test_no_order_has_no_latest() -> None:
    weights = fit_transitions(*np.array([(2, 1, 0), (2, 4, 1)]).T, ITEMS)
    assert apply_transitions(np.zeros((3, 0), dtype=np.int64), weights).shape == (3, ITEMS)
