from __future__ import annotations

import numpy as np
import pytest

from serving.further import Further, continued

INF = np.inf


def floats(*rows):
    return np.array(rows, dtype=np.float32)


def rows(*lists):
    return np.array(lists, dtype=np.int64)


def test_lists_go_on_after_their_last_candidate_with_falling_scores():
    """The first request has two candidates and goes on from -1 by 7 - 7 and 5 - 7; the second has three, enough."""
    items, scores = rows([4, 9, 0], [1, 2, 3]), floats([2, -1, -INF], [3, 2, 1])
    further = Further(rows([6, 5], [0, 0]), floats([7, 5], [-INF, -INF]))
    longer, falling = continued(items, scores, further, 4)
    assert longer.tolist() == [[4, 9, 6, 5], [1, 2, 3, 0]]
    assert falling.tolist() == [[2, -1, -1, -1 + (5 - 7)], [3, 2, 1, -INF]]


def test_no_more_than_is_asked_for():
    further = Further(rows([6, 5]), floats([7, 5]))
    longer, falling = continued(rows([4]), floats([2]), further, 2)
    assert (longer.tolist(), falling.tolist()) == ([[4, 6]], [[2, 2]])


@pytest.mark.parametrize("width", [0, 2])
def test_without_a_candidate_the_scores_of_the_space_are_served(width):
    items, scores = np.zeros((1, width), dtype=np.int64), np.full((1, width), -INF, dtype=np.float32)
    longer, falling = continued(items, scores, Further(rows([6, 5]), floats([7, 5])), 2)
    assert (longer.tolist(), falling.tolist()) == ([[6, 5]], [[7, 5]])
    assert falling.dtype == np.float32


def test_nothing_more_is_padding():
    longer, falling = continued(rows([4, 0]), floats([2, -INF]), Further(rows([0]), floats([-INF])), 3)
    assert (longer.tolist(), falling.tolist()) == ([[4, 0, 0]], [[2, -INF, -INF]])
