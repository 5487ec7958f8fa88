"""What the ranker learns from: lists of a target, what was shown beside it, and candidates as it will meet them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from features.events import EventRows, request_rows
from features.imputation import RequestRows, hide_fields
from features.store import FittedEvents
from serving.engine import Engine, Requests
from training.batches import generator
from training.config import DropoutConfig, RankerStageConfig
from training.space_stage import task_weights

_STAGE = 2


@dataclass(frozen=True)
class Lists:
    """Lists of items with their labels and features. R = lists, L = longest list.

    Attributes:
        rows: (R,) the requests, some of their fields hidden.
        item: (R, L) item rows, 0 = padding.
        label: (R, L) 1 = engaged, 0 = not.
        weight: (R,) of a list.
        pairs: (R, L, F) context × candidate features.
        facts: (R, G) context-only features.
        requests: the texts that ``rows`` point into.
    """

    rows: RequestRows
    item: NDArray[np.int32]
    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    pairs: NDArray[np.float32]
    facts: NDArray[np.float32]
    requests: Requests

    def __len__(self) -> int:
        """Return the number of lists."""
        return len(self.item)


def build_lists(
    engine: Engine,
    fitted: FittedEvents,
    kept: NDArray[np.bool_],
    config: RankerStageConfig,
    dropout: DropoutConfig,
    exclude_seen: NDArray[np.bool_],
    seed: int,
) -> Lists:
    """Build a list for each ``kept`` engaged row (E,), and for each kept request in which nothing was engaged with.

    Args:
        engine: the path that finds candidates and features, with statistics that are blind to the kept rows.
        fitted: the events.
        kept: which rows the ranker may learn from.
        config: of the stage.
        dropout: hidden fields.
        exclude_seen: (T,) tasks in which seen items are left out; without an order, seen items always are.
        seed: of every draw.
    """
    rng = generator(seed, _STAGE, 0)
    at = _list_rows(fitted.rows, kept)
    if len(at) > config.max_lists:
        at = np.sort(rng.choice(at, config.max_lists, replace=False))
    zeros = _shown_zeros(fitted.rows, at, kept, config.zeros, rng)
    part = fitted.rows.take(at)
    own = fitted.past._replace(end=fitted.past.end[at], query_end=fitted.past.query_end[at])
    rows = hide_fields(request_rows(part, own), vars(dropout), rng)
    requests = Requests(rows, fitted.table, fitted.title_row)
    seen = exclude_seen if fitted.past.history.ordered else np.ones_like(exclude_seen)
    blocks = [
        _block(engine, requests.take(slice(start, start + engine.block_size)), part, zeros, start, config, seen, rng)
        for start in range(0, len(at), engine.block_size)
    ]
    item, pairs, facts = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    label = np.zeros(item.shape, dtype=np.float32)
    label[:, 0] = part.label > 0
    weight = part.weight * np.where(part.label > 0, part.label, 1.0) * task_weights(part.task, config.task_balance)
    return Lists(rows, item, label, (weight / weight.mean()).astype(np.float32), pairs, facts, requests)


def _list_rows(rows: EventRows, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the positions of the engaged rows, and of the first row of each request without one."""
    engaged = kept & (rows.label > 0) & (rows.weight > 0)
    with_target = np.zeros(rows.request.max(initial=-1) + 1, dtype=bool)
    with_target[rows.request[engaged]] = True
    idle = np.flatnonzero(kept & ~with_target[rows.request] & (rows.weight > 0))
    first = idle[np.unique(rows.request[idle], return_index=True)[1]]
    return np.sort(np.concatenate([np.flatnonzero(engaged), first]))


def _shown_zeros(
    rows: EventRows, at: NDArray[np.int64], kept: NDArray[np.bool_], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return items (R, most) that were shown in the request of each list and not engaged with; 0 = fewer."""
    zero = rng.permutation(np.flatnonzero(kept & (rows.label <= 0)))
    zero = zero[np.argsort(rows.request[zero], kind="stable")]
    request = rows.request[zero]
    first = np.searchsorted(request, rows.request[at])
    place = first[:, None] + np.arange(most)[None, :]
    inside = np.minimum(place, max(len(zero) - 1, 0))
    if len(zero) == 0:
        return np.zeros((len(at), most), dtype=np.int64)
    same = (place < len(zero)) & (request[inside] == rows.request[at][:, None])
    item = np.where(same, rows.item[zero[inside]], 0)
    return np.where(item == rows.item[at][:, None], 0, item)


def _block(
    engine: Engine,
    requests: Requests,
    part: EventRows,
    zeros: NDArray[np.int64],
    start: int,
    config: RankerStageConfig,
    exclude_seen: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Return items (b, L), features (b, L, F) and facts (b, G) of a block of lists."""
    size = len(requests.rows.task)
    block = engine.prepare(requests, exclude_seen)
    target, shown = part.item[start : start + size], zeros[start : start + size]
    engaged = part.label[start : start + size] > 0
    candidates = engine.candidates(block, 0)
    hard = _draw(candidates, config.hard, rng)
    uniform = rng.integers(1, engine.features.catalogue.rows, (size, config.uniform))
    uniform = np.where(np.take_along_axis(block.blocked, uniform, axis=1), 0, uniform)
    negatives = np.concatenate([hard, uniform], axis=1)
    negatives = np.where((negatives == target[:, None]) | ~engaged[:, None], 0, negatives)
    item = np.concatenate([target[:, None], shown, negatives], axis=1)
    return item.astype(np.int32), engine.pairs(block, item), block.contexts.facts.numpy()


def _draw(candidates: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``count`` candidates (B, count) of each row at random, without repeats; 0 = fewer."""
    key = np.where(candidates > 0, rng.random(candidates.shape), -1.0)
    best = torch.from_numpy(key).topk(min(count, key.shape[1]), dim=1).indices.numpy()
    return np.take_along_axis(candidates, best, axis=1)
