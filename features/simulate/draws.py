"""Seeded numbers: generators by place, and numbers that belong to a key instead of to a moment."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_UNIT = np.float64(2.0**-53)


class Part(IntEnum):
    """Parts of a world that draw for themselves, so that a knob of one leaves the others as they are."""

    CATALOGUE = 1
    WORDS = 2
    PEOPLE = 3
    SESSIONS = 4
    PAGES = 5
    QUERIES = 6
    GAPS = 7
    MISSIONS = 8


def generator(seed: int, part: Part, *place: int) -> np.random.Generator:
    """Return the generator of a place within a part."""
    return np.random.default_rng([seed, int(part), *place])


def keyed_uniform(seed: int, *keys: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each row of ``keys``: the same keys, the same number, whoever asks and when.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied after each key.
    """
    with np.errstate(over="ignore"):
        state = np.asarray(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
        for key in keys:
            state = _mix(state ^ (np.asarray(key).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)))
    return (state >> np.uint64(11)).astype(np.float64) * _UNIT


def choose(weights: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a column for each row of ``weights`` (R, K), drawn with them by ``uniform`` (R,)."""
    reach = np.cumsum(weights, axis=-1)
    aim = uniform[:, None] * reach[:, -1:]
    return np.asarray(np.minimum((reach <= aim).sum(axis=-1), weights.shape[-1] - 1))


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of ``vectors`` (R, D) with length 1."""
    length = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))  # (R, 1)
    return np.asarray(vectors / np.maximum(length, 1e-12))


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))
