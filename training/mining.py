"""Hard negatives: what the space as it stands puts near the requests of the steps to come, and is no target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serving.index import Index
from training.batches import generator
from training.config import DropoutConfig
from training.space_data import BatchMaker
from unicorn.batch import Contexts
from unicorn.model import Space

_STAGE = 3
_WHOLE = DropoutConfig(**dict.fromkeys(DropoutConfig.__dataclass_fields__, 0.0))
_BLOCK = 2**24
"""Scores that are held at once."""


@dataclass(frozen=True)
class Miner:
    """Mines between rounds, so that a batch depends on the step and on the weights at the start of its round alone.

    Attributes:
        make: from a step to its batch; the requests that are mined for are the first of each batch.
        most: mined negatives of a step, one for a request.
        depth: how far down the ranking of a request they come from.
        pool: items of a large catalogue that are searched in a round, drawn at random.
    """

    make: BatchMaker
    most: int
    depth: int
    pool: int

    def mine(self, space: Space, vectors: Tensor, steps: range) -> Tensor:
        """Return a mined item row (S, M) for each of the first requests of ``steps``, 0 = none.

        What the user engages with at any time, or anybody in the request, is not mined.

        Args:
            space: the towers as they stand.
            vectors: (N + 1, D) item vectors as they stand.
            steps: of the round.
        """
        rng = generator(self.make.data.seed, _STAGE, steps.start)
        pool = self._pool(len(vectors), rng)
        index = Index(vectors[pool])
        rows = slice(0, min(self.most, self.make.epochs.batch))
        found = torch.zeros(len(steps), rows.stop, dtype=torch.int64)
        together = max(1, _BLOCK // (len(pool) * rows.stop))
        for first in range(0, len(steps), together):
            some = steps[first : first + together]
            near = self._near(space, vectors, index, pool, some, rows, rng)
            found[first : first + len(some)] = near.view(len(some), -1)
        return found

    def _pool(self, items: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the item rows that are searched, padding first."""
        if items - 1 <= self.pool:
            return np.arange(items)
        return np.concatenate([[0], np.sort(rng.choice(np.arange(1, items), self.pool, replace=False))])

    def _near(
        self,
        space: Space,
        vectors: Tensor,
        index: Index,
        pool: NDArray[np.int64],
        steps: range,
        rows: slice,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return one of the nearest ``depth`` items of each request at random, (S · M,)."""
        data = self.make.data
        parts = [self.make.contexts(step, _WHOLE, rng, rows) for step in steps]
        contexts = Contexts(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
        source = vectors[contexts.source] * (contexts.source != 0).unsqueeze(-1)
        context = space.contexts(contexts, source, vectors).vector
        at = np.concatenate([data.chosen[self.make.epochs.rows(step)[rows]] for step in steps])
        blocked = self._blocked(at, len(vectors))[:, pool]
        near = pool[index.search(context, blocked, self.depth)]
        count = np.maximum((near != 0).sum(axis=1), 1)
        drawn = np.floor(rng.random(len(near)) * count).astype(np.int64)
        return torch.from_numpy(near[np.arange(len(near)), drawn])

    def _blocked(self, at: NDArray[np.int64], items: int) -> NDArray[np.bool_]:
        """Return what is not mined (B, N + 1) for the rows ``at`` of the events."""
        data = self.make.data
        user, request = data.fitted.rows.user[at], data.fitted.rows.request[at]
        history = data.fitted.past.history
        seen = history.matrix(user, history.ends(user), items, np.zeros((len(at), 1), dtype=np.int64))
        blocked = np.zeros((len(at), items), dtype=bool)
        blocked[np.repeat(np.arange(len(at)), np.diff(seen.indptr)), seen.indices] = True
        row, item = data.targets.lists(request)
        blocked[row, item] = True
        blocked[:, 0] = True
        return blocked
