from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.batches import Epochs, Rounds, generator, loader


@given(count=st.integers(1, 40), batch=st.integers(1, 40), passes=st.integers(1, 4), seed=st.integers(0, 3))
def test_each_pass_covers_every_row_once(count, batch, passes, seed):
    epochs = Epochs(count, min(batch, count), seed)
    steps = -(-count * passes // epochs.batch)
    rows = np.concatenate([epochs.rows(step) for step in range(steps)])[: count * passes]
    for one in rows.reshape(passes, count):
        assert sorted(one) == list(range(count))


@given(step=st.integers(0, 30))
def test_any_batch_can_be_had_at_once(step):
    read_all, jump = Epochs(17, 5, 0), Epochs(17, 5, 0)
    for before in range(step):
        read_all.rows(before)
    assert jump.rows(step).tolist() == read_all.rows(step).tolist()
    jump.rows(step + 20)
    assert jump.rows(step).tolist() == read_all.rows(step).tolist()


def test_passes_and_seeds_differ():
    assert Epochs(50, 50, 0).rows(0).tolist() != Epochs(50, 50, 0).rows(1).tolist()
    assert Epochs(50, 50, 0).rows(0).tolist() != Epochs(50, 50, 1).rows(0).tolist()


def test_a_round_is_its_steps_in_their_order():
    assert list(loader(Rounds(lambda step: step * 10, first=6, steps=3))) == [60, 70, 80]


@pytest.mark.parametrize("key", [(0, 1), (3, 1, 7)])
def test_a_generator_is_a_function_of_its_key(key):
    assert generator(*key).random() == generator(*key).random()
    assert generator(*key).random() != generator(*key, 1).random()
