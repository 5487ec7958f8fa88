from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.bounds import require_consistent
from training.evaluation.metrics import ranking_metrics


def node(requests: int = 10, targets: int = 10, **values: float) -> dict[str, Any]:
    return {
        "requests": requests,
        "targets": targets,
        "metrics": {name: {"value": value} for name, value in values.items()},
    }


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_lists_with_one_target_each_keep_the_bounds(ranks: list[int]) -> None:
    found = ranking_metrics(np.arange(len(ranks)), np.full(len(ranks), 2.5), np.array(ranks), (1, 5, 10, 20))
    means = dict(zip(found.names, found.values.mean(axis=0), strict=True))
    require_consistent("ours", node(len(ranks), len(ranks), **means))
    hits = means["hit_at_5"] - means["hit_at_1"]
    assert means["hit_at_1"] + 0.386 * hits <= means["ndcg_at_5"] + 1e-9
    assert means["ndcg_at_5"] <= means["hit_at_1"] + 0.631 * hits + 1e-9


@pytest.mark.parametrize("ndcg", [0.29, 0.46])
def test_figures_that_contradict_each_other_are_refused(ndcg: float) -> None:
    """HR@1 = .2 and HR@5 = .6: NDCG@5 lies between .2 + .387 * .4 = .355 and .2 + .631 * .4 = .452."""
    with pytest.raises(ArithmeticError, match=r"ours, search: ndcg_at_5 is 0\.\d+.* between 0\.354\d+ and 0\.452\d+"):
        require_consistent("ours, search", node(hit_at_1=0.2, ndcg_at_1=0.2, hit_at_5=0.6, ndcg_at_5=ndcg))


def test_with_one_hit_place_the_ndcg_is_the_hit_rate() -> None:
    with pytest.raises(ArithmeticError, match="ndcg_at_1"):
        require_consistent("ours", node(hit_at_1=0.2, ndcg_at_1=0.1))


def test_more_targets_than_requests_are_not_bound() -> None:
    require_consistent("ours", node(targets=11, hit_at_1=0.2, ndcg_at_1=0.1))
    require_consistent("ours", node(requests=0, targets=0))
