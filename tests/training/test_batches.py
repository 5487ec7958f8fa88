from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.batches import Epochs, Rounds, drawn_by, generator, loader


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


@given(count=st.integers(1, 40), batch=st.integers(1, 40), steps=st.integers(1, 12))
def test_rows_know_their_pass(count, batch, steps):
    """The ``n``-th time that a row comes up is in pass ``n``, counted from 0."""
    epochs, seen = Epochs(count, batch, 0), np.zeros(count, dtype=int)
    for step in range(steps):
        rows, passes = epochs.rows(step), epochs.passes(step)
        assert len(passes) == len(rows) == batch
        for row, number in zip(rows, passes, strict=True):
            assert seen[row] == number
            seen[row] += 1


def test_passes_by_hand():
    assert [Epochs(5, 3, 0).passes(step).tolist() for step in range(4)] == [[0, 0, 0], [0, 0, 1], [1, 1, 1], [1, 2, 2]]
    assert Epochs(2, 5, 0).passes(0).tolist() == [0, 0, 1, 1, 2]  # a batch may hold several passes


def ints(*values):
    return np.array(values, dtype=np.int64)


def test_the_same_keys_draw_the_same_number_wherever_they_come_up():
    one = drawn_by(3, ints(0, 1, 1, 0), ints(7, 7, 8, 7))
    assert one[0] == one[3] and len(set(one)) == 3
    assert drawn_by(3, ints(1), ints(8))[0] == one[2]
    assert drawn_by(4, ints(1), ints(8))[0] != one[2]
    assert drawn_by(3, ints(8), ints(1))[0] != one[2]  # keys have places
    assert drawn_by(3, ints(), ints()).shape == (0,)


def test_draws_are_spread_evenly_over_neighbouring_keys():
    first, second = np.divmod(np.arange(100_000), 1_000)
    for keys in ((first, second), (second, first), (first * 0, np.arange(100_000))):
        found = drawn_by(0, *keys)
        assert found.min() >= 0 and found.max() < 1 and len(set(found)) == 100_000
        counts = np.histogram(found, bins=50, range=(0, 1))[0]
        assert np.abs(counts - 2_000).max() < 6 * 2_000**0.5
        assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.02


def test_draws_are_the_same_on_every_machine_and_in_every_version():
    """The finaliser of SplitMix64: its first number from seed 0 is 0xE220A8397B1DCDAF."""
    assert drawn_by(0, ints(0))[0] == (0xE220A8397B1DCDAF >> 11) / 2**53


def test_passes_and_seeds_differ():
    assert Epochs(50, 50, 0).rows(0).tolist() != Epochs(50, 50, 0).rows(1).tolist()
    assert Epochs(50, 50, 0).rows(0).tolist() != Epochs(50, 50, 1).rows(0).tolist()


def test_a_round_is_its_steps_in_their_order():
    assert list(loader(Rounds(lambda step: step * 10, first=6, steps=3))) == [60, 70, 80]


@pytest.mark.parametrize("key", [(0, 1), (3, 1, 7)])
def test_a_generator_is_a_function_of_its_key(key):
    assert generator(*key).random() == generator(*key).random()
    assert generator(*key).random() != generator(*key, 1).random()
