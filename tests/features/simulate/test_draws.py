from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from features.simulate.draws import Part, choose, generator, keyed_uniform, unit_rows

SEEDS = st.integers(0, 2**62)
KEYS = st.integers(-(2**62), 2**62)
SHARES = st.one_of(st.just(0.0), st.floats(1e-3, 1e3))


@given(SEEDS, KEYS, KEYS)
def test_the_same_key_has_the_same_number_whoever_asks(seed: int, one: int, other: int) -> None:
    alone = keyed_uniform(seed, np.array([one]), 3)
    among = keyed_uniform(seed, np.array([other, one, other]), 3)
    assert alone[0] == among[1]
    assert 0.0 <= alone[0] < 1.0


@given(SEEDS, KEYS)
def test_numbers_of_neighbouring_keys_are_even(seed: int, first: int) -> None:
    uniform = keyed_uniform(seed, first // 2 + np.arange(4_096))
    assert abs(uniform.mean() - 0.5) < 6 * np.sqrt(1 / 12 / 4_096)
    counts = np.histogram(uniform, bins=8, range=(0, 1))[0]
    assert np.abs(counts - 512).max() < 6 * np.sqrt(512)
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 6 / np.sqrt(4_096)


def test_another_seed_or_key_has_another_number() -> None:
    keys = np.arange(1_000)
    columns = np.stack(
        [keyed_uniform(5, keys), keyed_uniform(6, keys), keyed_uniform(5, keys, 1), keyed_uniform(5, 2_000, keys)]
    )
    assert len(np.unique(columns)) == 4_000
    assert np.abs(np.corrcoef(columns) - np.eye(4)).max() < 0.2


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=SHARES),
    st.floats(0, 1, exclude_max=True),
)
def test_what_weighs_nothing_is_never_chosen(weights: np.ndarray, uniform: float) -> None:
    weights = weights[weights.sum(axis=1) > 0]
    chosen = choose(weights, np.full(len(weights), uniform))
    assert (weights[np.arange(len(weights)), chosen] > 0).all()


def test_choices_follow_the_weights() -> None:
    weights = np.repeat([[1.0, 0.0, 2.0, 5.0]], 80_000, axis=0)
    counts = np.bincount(choose(weights, np.random.default_rng(0).random(80_000)), minlength=4)
    assert counts[1] == 0
    assert np.abs(counts / 10_000 - [1, 0, 2, 5]).max() < 0.06
    assert choose(np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([0.2499, 0.25])).tolist() == [0, 1]


def test_each_part_and_place_draws_for_itself() -> None:
    places = [(0, Part.PAGES, 1), (0, Part.PAGES, 2), (0, Part.GAPS, 1), (1, Part.PAGES, 1)]
    drawn = {place: generator(*place).random() for place in places}
    assert len(set(drawn.values())) == len(places)
    assert drawn[0, Part.PAGES, 1] == generator(0, Part.PAGES, 1).random()


def test_rows_of_length_1() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert rows.tolist() == [[0.6, 0.8], [0.0, 0.0]]
