from __future__ import annotations

import math

import pytest
import torch

from training.space_losses import multi_part_hinge, sampled_softmax

NONE = torch.zeros(2, 3, dtype=torch.bool)


def test_softmax_counts_each_column_for_as_many_items_as_it_stands_for():
    logits = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
    stands_for = torch.tensor([1.0, 2.0, 3.0])
    left_out = torch.tensor([[False, False, True], [False, False, False]])
    loss = sampled_softmax(logits, stands_for.log(), left_out, torch.tensor([1.0, 3.0]))
    first = math.log((1 + 2 * math.e) / 1)
    second = math.log((1 * math.e + 2 + 3) / 2)
    assert loss.item() == pytest.approx((first + 3 * second) / 2)


def test_softmax_ignores_a_column_without_weight():
    logits = torch.tensor([[0.0, 1.0, 50.0], [1.0, 0.0, 50.0]])
    log_weight = torch.tensor([0.0, 0.0, -math.inf])
    loss = sampled_softmax(logits, log_weight, NONE, torch.ones(2))
    assert loss.item() == pytest.approx(math.log(1 + math.e))


def hinge(cosine, level, left_out=NONE, weight=(1.0, 1.0), stands_for=(1.0, 1.0, 1.0)):
    thresholds = torch.tensor([0.2, 0.6])
    given = torch.tensor(cosine), torch.tensor(stands_for).log(), left_out, torch.tensor(weight)
    return multi_part_hinge(*given, torch.tensor(level), thresholds, margin=0.1).item()


def test_targets_keep_the_margin_from_every_threshold_on_their_side():
    """Level 1 lies between .2 and .6, level 2 above both; the columns of others are out of the way."""
    far = -1.0
    assert hinge([[0.4, far, far], [far, 0.75, far]], [1, 2]) == pytest.approx(0)
    assert hinge([[0.25, far, far], [far, 0.65, far]], [1, 2]) == pytest.approx((0.05 + 0.05) / 2)
    assert hinge([[0.55, far, far], [far, 0.1, far]], [1, 2]) == pytest.approx((0.05 + 0.2 + 0.6) / 2)


def test_of_the_negatives_those_that_fail_count_by_weight():
    """Row 0 meets .3 (fails by .2) with weight 2 and .15 (fails by .05) with weight 1; row 1 fails nowhere."""
    cosine = [[0.4, 0.3, 0.15], [-1.0, 0.4, -1.0]]
    assert hinge(cosine, [1, 1], stands_for=(1.0, 2.0, 1.0)) == pytest.approx((2 * 0.2 + 0.05) / 3 / 2)
    assert hinge(cosine, [1, 1], weight=(3.0, 1.0), stands_for=(1.0, 2.0, 1.0)) == pytest.approx(0.45 / 2)


def test_columns_that_are_left_out_do_not_count():
    left_out = torch.tensor([[False, True, False], [False, False, False]])
    assert hinge([[0.4, 0.3, 0.15], [-1.0, 0.4, -1.0]], [1, 1], left_out) == pytest.approx(0.05 / 2)
