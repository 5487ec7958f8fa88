from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pytest

from features.fitting import fit_features
from tests.features.feature_world import TASKS, events, items
from tests.training.worlds import config
from training.evaluation.judged import judged_split
from training.evaluation.protocol import Protocol
from training.validation import Validation

IDS = [f"i{n}" for n in range(9)]  # rows 1 to 9


def table(*rows):
    """Return events (split, task, user, item, label, request) in their order."""
    split, task, user, item, label, request = zip(*rows, strict=True)
    return events(
        split=list(split),
        task=list(task),
        user_id=list(user),
        item_id=list(item),
        label=list(label),
        request_id=list(request),
        query=["red" if name == "search" else None for name in task],
        timestamp=[datetime(2024, 1, 1) + timedelta(days=n) for n in range(len(rows))],
    )


ROWS = table(
    ("train", "search", "a", "i0", 1.0, None),
    ("train", "recommendation", "b", "i1", 1.0, None),
    ("valid", "search", "a", "i2", 1.0, "p"),  # a request of two targets, one worth twice the other
    ("valid", "search", "a", "i3", 2.0, "p"),
    ("valid", "search", "a", "i4", 1.0, None),  # another of the same context
    ("valid", "search", "b", "i5", 1.0, None),
    ("valid", "search", "b", "i6", 0.0, None),  # nothing engaged with: not judged
    ("valid", "recommendation", "a", "i7", 1.0, None),
    ("valid", "recommendation", "b", "i1", 1.0, None),  # seen in train: no target
)


@pytest.fixture(scope="module")
def validation(tiny_encoder):
    return build(tiny_encoder, ROWS)


def build(encoder, rows, per_task=100, seed=0):
    catalogue = items(*IDS, title=[f"thing {n}" for n in range(9)])
    train = rows.filter(split="train")
    features, _ = fit_features(catalogue, None, train, TASKS, config(encoder).features, 0)
    judged = judged_split(catalogue, rows, Protocol(split="valid", exclude_seen=("recommendation", "similar")))
    return Validation.build(features, judged, np.array([False, True, True]), per_task, seed)


def answer(validation, lists):
    """Return the same 20 places for all requests of a context: ``lists`` by task and user row, padded with 0."""
    rows = validation.requests.rows
    found = np.zeros((len(validation), 20), dtype=np.int64)
    for place, (task, user) in enumerate(zip(rows.task, rows.user, strict=True)):
        listed = lists[TASKS[task], int(user)]
        found[place, : len(listed)] = listed
    return found


A, B = 2, 3  # rows of the users


def test_requests_of_one_context_are_answered_once(validation):
    found = sorted(zip(validation.requests.rows.task.tolist(), validation.requests.rows.user.tolist(), strict=True))
    assert found == [(0, A), (0, B), (1, A)]
    assert len(validation) == 3
    assert validation.blocks(2) == [slice(0, 2), slice(2, 3)]


def test_metrics_are_means_over_requests_then_over_tasks(validation):
    lists = {("search", A): [9, 4, 3, 5], ("search", B): [1, 2], ("recommendation", A): [1, 8]}
    metrics = validation.metrics(answer(validation, lists))
    # Page p: item 4 (label 2) at place 2, item 3 (label 1) at place 3. The other: item 5 at place 4. Of b: nothing.
    page = (2 / math.log2(3) + 1 / math.log2(4)) / (2 / math.log2(2) + 1 / math.log2(3))
    search = (page + 1 / math.log2(5) + 0) / 3
    recommendation = 1 / math.log2(3)
    assert metrics["valid_ndcg_at_20/search"] == pytest.approx(search)
    assert metrics["valid_ndcg_at_20/recommendation"] == pytest.approx(recommendation)
    assert metrics["valid_ndcg_at_20"] == pytest.approx((search + recommendation) / 2)
    assert metrics["valid_recall_at_20/search"] == pytest.approx((1 + 1 + 0) / 3)
    assert metrics["valid_recall_at_20"] == pytest.approx((2 / 3 + 1) / 2)
    assert not any("similar" in name for name in metrics)  # it has no request


def test_a_perfect_answer_scores_one(validation):
    lists = {("search", A): [4, 3, 5], ("search", B): [6], ("recommendation", A): [8]}
    metrics = validation.metrics(answer(validation, lists))
    assert metrics["valid_recall_at_20"] == 1.0
    assert metrics["valid_ndcg_at_20/recommendation"] == 1.0


def test_padding_is_never_a_hit(validation):
    nothing = np.zeros((3, 20), dtype=np.int64)
    assert set(validation.metrics(nothing).values()) == {0.0}


def test_a_sample_of_the_requests_of_each_task_is_validated(tiny_encoder):
    one = build(tiny_encoder, ROWS, per_task=1)
    assert sorted(one.request_task.tolist()) == [0, 1]
    samples = {tuple(build(tiny_encoder, ROWS, per_task=1, seed=seed).item.tolist()) for seed in range(8)}
    assert len(samples) > 1
    assert build(tiny_encoder, ROWS, per_task=1, seed=3).item.tolist() == (
        build(tiny_encoder, ROWS, per_task=1, seed=3).item.tolist()
    )


def test_new_users_and_new_queries_are_validated_too(tiny_encoder):
    rows = table(
        ("train", "recommendation", "a", "i0", 1.0, None),
        ("valid", "search", "new", "i1", 1.0, None),
    )
    validation = build(tiny_encoder, rows)
    assert validation.requests.rows.user.tolist() == [1]
    assert validation.requests.table.known.tolist() == [0, 1]
    assert validation.item.tolist() == [2]
