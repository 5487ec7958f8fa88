from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.events import EventRows
from features.history import History
from features.imputation import RequestRows
from training.negatives import Unfit, draw

# Users 2 and 3; the first engages with items 1, 2 and 5, the second with 4.
HISTORY = History.build(np.array([2, 2, 2, 3]), np.array([1, 2, 5, 4]), 4, ordered=True)
# What an engine knows that finds candidates: the first of user 2's items.
KNOWN = History.build(np.array([2]), np.array([1]), 4, ordered=True)


def events(request, item, label):
    columns = {name: np.zeros(len(item), dtype=np.int64) for name in EventRows._fields}
    columns |= {"request": np.array(request), "item": np.array(item), "label": np.array(label, dtype=np.float32)}
    return EventRows(**columns)


def requests(owner, task):
    columns = {name: np.zeros(len(owner), dtype=np.int64) for name in RequestRows._fields}
    return RequestRows(**(columns | {"owner": np.array(owner), "task": np.array(task)}))


UNFIT = Unfit.build(HISTORY, KNOWN, events([0, 0, 0, 1], [3, 1, 5, 2], [1, 2, 0, 1]), 7)


def test_no_target_of_a_request_is_its_negative():
    items = np.array([[0, 1, 2, 3, 5, 6], [0, 1, 2, 3, 5, 6]])
    assert UNFIT.of_request(np.array([0, 1]), items).tolist() == [
        [False, True, False, True, False, False],
        [False, False, True, False, False, False],
    ]


def test_a_request_without_targets_has_none():
    assert not UNFIT.of_request(np.array([2, -1]), np.array([[1, 2, 3], [0, 3, 6]])).any()
    nothing = Unfit.build(HISTORY, KNOWN, events([0], [3], [0]), 7)
    assert not nothing.of_request(np.array([0]), np.array([[3]])).any()


def test_what_a_user_engages_with_later_is_no_negative_and_what_is_known_may_be():
    items = np.array([[0, 1, 3, 5, 6]] * 2)
    nothing_known = UNFIT.of_user(requests([2, 0], [1, 0])._replace(end=KNOWN.start[[2, 0]]), items)
    assert nothing_known.tolist() == [[False, True, False, True, False], [False] * 5]
    item_1_known = UNFIT.of_user(requests([2, 0], [1, 0])._replace(end=KNOWN.ends(np.array([2, 0]))), items)
    assert item_1_known.tolist() == [[False, False, False, True, False], [False] * 5]


@given(data=st.data(), count=st.integers(1, 8), seed=st.integers(0, 5))
def test_drawn_candidates_are_distinct_and_of_their_own_row(data, count, seed):
    width = data.draw(st.integers(1, 6))
    rows = [sorted(data.draw(st.sets(st.integers(1, 20), max_size=width))) for _ in range(3)]
    candidates = np.array([[0] * (width - len(row)) + row for row in rows])
    found = draw(candidates, count, np.random.default_rng(seed))
    for row, drawn in zip(rows, found, strict=True):
        real = [item for item in drawn if item]
        assert len(set(real)) == len(real) == min(count, len(row))
        assert set(real) <= set(row)


def test_every_candidate_is_drawn_alike():
    rng = np.random.default_rng(0)
    drawn = draw(np.tile(np.arange(1, 6), (2000, 1)), 2, rng)
    share = np.bincount(drawn.ravel(), minlength=6)[1:] / 2000
    assert (np.abs(share - 2 / 5) < 0.04).all()
