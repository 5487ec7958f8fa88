from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.metrics import RequestMetrics, place_in_group, ranking_metrics


def metrics(request: list[int], label: list[float], rank: list[int], cutoffs: tuple[int, ...]) -> RequestMetrics:
    return ranking_metrics(np.array(request, dtype=np.int64), np.array(label, dtype=float), np.array(rank), cutoffs)


def column(found: RequestMetrics, name: str) -> list[float]:
    return list(found.values[:, found.names.index(name)])


def test_golden_values_in_a_mixed_batch() -> None:
    # request 4: targets of labels 1, 3, 2 at ranks 3, 1 and not served; request 7: one target, not served
    found = metrics([4, 4, 4, 7], [1.0, 3.0, 2.0, 1.0], [3, 1, 0, 0], (2, 5))
    assert list(found.request) == [4, 7]
    assert column(found, "recall_at_2") == pytest.approx([1 / 3, 0])
    assert column(found, "recall_at_5") == pytest.approx([2 / 3, 0])
    assert column(found, "hit_at_2") == [1, 0]
    assert column(found, "ndcg_at_2") == pytest.approx([3 / (3 + 2 / math.log2(3)), 0])
    assert column(found, "ndcg_at_5") == pytest.approx([(3 + 1 / 2) / (3 + 2 / math.log2(3) + 1 / 2), 0])
    assert column(found, "map_at_2") == pytest.approx([1 / 3 * (1 / 1), 0])
    assert column(found, "map_at_5") == pytest.approx([1 / 3 * (1 / 1 + 2 / 3), 0])
    assert column(found, "mrr") == [1, 0]


def test_reciprocal_rank_stops_at_the_last_cutoff() -> None:
    assert column(metrics([0, 1], [1, 1], [4, 6], (1, 5)), "mrr") == [1 / 4, 0]


def test_no_target_at_all() -> None:
    found = metrics([], [], [], (1, 5))
    assert found.values.shape == (0, len(found.names))
    assert found.values.dtype == np.float64


def test_places_in_groups_keep_the_order_of_equal_rows() -> None:
    group = np.array([2, 1, 2, 1, 2])
    assert list(place_in_group(group, np.array([5.0, 1.0, 5.0, 0.0, 1.0]))) == [2, 2, 3, 1, 1]


runs = st.lists(
    st.tuples(
        st.integers(0, 12),  # served items
        st.dictionaries(st.integers(0, 15), st.integers(1, 4), max_size=6),  # targets: item -> label
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(runs)
def test_agrees_with_ir_measures(requests: list[tuple[int, dict[int, int]]]) -> None:
    """Request q serves the items 0, 1, 2, … in this order; some have no target, and some serve nothing."""
    import ir_measures
    from ir_measures import AP, RR, R, Success, nDCG

    cutoffs = (1, 3, 10)
    rows = [(q, item, label) for q, (_, targets) in enumerate(requests) for item, label in targets.items()]
    if not rows:
        return
    rank = [item + 1 if item < requests[q][0] else 0 for q, item, _ in rows]
    ours = metrics([q for q, _, _ in rows], [float(label) for _, _, label in rows], rank, cutoffs)

    qrels = [ir_measures.Qrel(str(q), f"d{item:02}", label) for q, item, label in rows]
    run = [
        ir_measures.ScoredDoc(str(q), f"d{item:02}", 100.0 - item)
        for q, (served, targets) in enumerate(requests)
        for item in range(served)
        if targets  # a run of a request without a target is not judged
    ]
    names = {RR @ cutoffs[-1]: "mrr"}
    for k in cutoffs:
        names |= {R @ k: f"recall_at_{k}", Success @ k: f"hit_at_{k}", nDCG @ k: f"ndcg_at_{k}", AP @ k: f"map_at_{k}"}
    theirs = {(m.query_id, names[m.measure]): m.value for m in ir_measures.iter_calc(list(names), qrels, run)}
    for at, request in enumerate(ours.request):
        for place, name in enumerate(ours.names):
            expected = theirs.get((str(request), name), 0.0)
            assert ours.values[at, place] == pytest.approx(expected, abs=1e-6), (name, requests)


@given(st.integers(1, 30))
def test_hit_rate_and_ndcg_bound_each_other_with_one_target(rank: int) -> None:
    found = metrics([0], [2.0], [rank], (1, 5))
    hit, wide, ndcg = (column(found, name)[0] for name in ("hit_at_1", "hit_at_5", "ndcg_at_5"))
    assert hit + 0.386 * (wide - hit) <= ndcg <= hit + 0.631 * (wide - hit) + 1e-9


def test_metrics_do_not_fall_with_k() -> None:
    found = metrics([0, 0, 0], [1, 2, 1], [2, 9, 40], (1, 5, 10, 100))
    for kind in ("recall", "hit", "map"):
        values = [column(found, f"{kind}_at_{k}")[0] for k in (1, 5, 10, 100)]
        assert all(a <= b for a, b in pairwise(values))
