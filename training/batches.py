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

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the rows (batch,) of a step."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        numbers = places // self.count
        return np.concatenate([self._shuffled(int(n))[places[numbers == n] % self.count] for n in np.unique(numbers)])
