"""Batches of a stage, each a function of the seed and its number, gathered by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

Batch = TypeVar("Batch")


class Rounds(Dataset[Batch]):
    """The batches of one round, a round being the steps between two validations."""

    def __init__(self, make: Callable[[int], Batch], first: int, steps: int) -> None:
        """Give the batches ``first`` to ``first + steps - 1`` that ``make`` builds."""
        self.make, self.first, self.steps = make, first, steps

    def __len__(self) -> int:
        """Return the steps of a round."""
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step of this round."""
        return self.make(self.first + step)


def loader(rounds: Rounds[Batch]) -> DataLoader[Batch]:
    """Return the batches in their order, in this process: there is nothing to collate, and no fork to fear."""
    return DataLoader(rounds, batch_size=None, shuffle=False, num_workers=0)


def generator(*key: int) -> np.random.Generator:
    """Return the generator of a key, such as (seed, stage, step)."""
    return np.random.default_rng(list(key))


def drawn_by(seed: int, *keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each row of ``keys`` (B,): the same wherever the same keys come up.

    Source: the finaliser of SplitMix64, Steele, Lea & Flood 2014.
    """
    with np.errstate(over="ignore"):
        state = np.full(len(keys[0]), seed, dtype=np.uint64)
        for key in keys:
            state = (state + key.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Epochs:
    """Endless shuffled passes over ``count`` rows, cut into batches; any batch can be had at once."""

    def __init__(self, count: int, batch: int, seed: int) -> None:
        """Shuffle each pass by ``seed`` and its number."""
        self.count, self.batch, self.seed = count, batch, seed
        self._passes: dict[int, NDArray[np.int64]] = {}

    def _shuffled(self, number: int) -> NDArray[np.int64]:
        if number not in self._passes:
            self._passes = {old: rows for old, rows in self._passes.items() if old == number - 1}
            self._passes[number] = generator(self.seed, 1, number).permutation(self.count)
        return self._passes[number]

    def passes(self, step: int) -> NDArray[np.int64]:
        """Return the number (batch,) of the pass that each row of a step belongs to, from 0."""
        return np.arange(step * self.batch, (step + 1) * self.batch) // self.count

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the rows (batch,) of a step."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        numbers = self.passes(step)
        return np.concatenate([self._shuffled(int(n))[places[numbers == n] % self.count] for n in np.unique(numbers)])
