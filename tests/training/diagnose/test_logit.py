from __future__ import annotations

import math

import numpy as np
import pytest

from training.diagnose.logit import fit_weights


def test_one_weight_in_view() -> None:
    # Ten times an item with 1 is chosen over one with 0: at the top of 10 log σ(w) - w²/2 its slope
    # 10 (1 - σ(w)) - w is 0.
    weight = float(fit_weights(np.tile(np.array([[1.0], [0.0]], dtype=np.float32), (10, 1, 1)))[0])
    assert 10 * (1 - 1 / (1 + math.exp(-weight))) == pytest.approx(weight, abs=1e-3)


def test_what_is_alike_for_all_candidates_has_no_weight() -> None:
    rng = np.random.default_rng(0)
    told = rng.normal(size=(50, 4, 1))
    alike = np.repeat(rng.normal(size=(50, 1, 1)), 4, axis=1)
    nothing = np.zeros((50, 4, 1))
    weights = fit_weights(np.concatenate([told, alike, nothing], axis=2).astype(np.float32))
    assert weights[1] == pytest.approx(0.0, abs=1e-6)
    assert weights[2] == 0.0


def test_weights_that_made_the_choices_are_found_again() -> None:
    rng = np.random.default_rng(1)
    evidence = rng.normal(size=(4000, 6, 2)).astype(np.float32)
    utility = evidence @ np.array([1.5, -0.7]) + rng.gumbel(size=(4000, 6))  # a logit is a choice with Gumbel noise
    chosen = utility.argmax(axis=1)
    order = np.argsort(np.arange(6)[None, :] != chosen[:, None], axis=1, kind="stable")  # the chosen one first
    weights = fit_weights(np.take_along_axis(evidence, order[:, :, None], axis=1))
    assert weights == pytest.approx([1.5, -0.7], abs=0.1)


def test_the_order_of_the_others_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    evidence = rng.normal(size=(200, 5, 3)).astype(np.float32)
    turned = np.concatenate([evidence[:, :1], evidence[:, :0:-1]], axis=1)
    assert fit_weights(turned) == pytest.approx(fit_weights(evidence), abs=1e-4)


def test_evidence_that_is_always_right_has_a_finite_weight() -> None:
    evidence = np.zeros((1000, 3, 1), dtype=np.float32)
    evidence[:, 0] = 100.0
    assert 0 < fit_weights(evidence)[0] < 10
