from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.curve import curve


def test_recall_and_ndcg_as_the_list_grows_up_to_its_depth() -> None:
    """Request 0 has targets at ranks 1 and 4, request 1 one at rank 6 and request 2 one that is not served."""
    request, rank = np.array([0, 0, 1, 2]), np.array([1, 4, 6, 0])
    found = curve(request, np.ones(4), rank, depth=6)
    assert found["k"] == [1, 2, 3, 5, 6]
    assert found["recall"] == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 3, 2 / 3])
    ideal = 1 + 1 / math.log2(3)
    both = (1 + 1 / math.log2(5)) / ideal
    assert found["ndcg"] == pytest.approx(
        [1 / 3, 1 / ideal / 3, 1 / ideal / 3, both / 3, (both + 1 / math.log2(7)) / 3]
    )


def test_without_targets_there_is_nothing_to_draw() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert curve(nothing, nothing.astype(np.float64), nothing, depth=10) == {"k": [], "recall": [], "ndcg": []}
