"""What the ranker learns from: lists of a target, what was shown beside it, and candidates as it will meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.events import EventRows, Past, request_rows
from features.fitting import FittedEvents
from features.history import History
from features.imputation import RequestRows, hide_fields
from features.vocabulary import UNKNOWN
from serving.engine import Engine, Requests
from training.batches import generator
from training.config import DropoutConfig, RankerStageConfig
from training.negatives import Unfit, draw
from training.space_data import task_weights

_STAGE = 2


@dataclass(frozen=True)
class Lists:
    """Lists of items with their labels and features. R = lists, L = longest list.

    Attributes:
        rows: (R,) the requests, some of their fields hidden.
        item: (R, L) item rows, 0 = padding; targets first, then what was shown beside them, then drawn candidates.
        label: (R, L) 1 = engaged, 0 = not.
        weight: (R, L) of an item; negatives count once for each target of their list.
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

    def take(self, at: NDArray[np.int64]) -> Lists:
        """Return the lists at positions ``at``."""
        return Lists(
            rows=self.rows.take(at),
            item=self.item[at],
            label=self.label[at],
            weight=self.weight[at],
            pairs=self.pairs[at],
            facts=self.facts[at],
            requests=self.requests.take(at),
        )

    def __len__(self) -> int:
        """Return the number of lists."""
        return len(self.item)


def build_lists(
    engine: Engine,
    history: History,
    fitted: FittedEvents,
    kept: NDArray[np.bool_],
    config: RankerStageConfig,
    dropout: DropoutConfig,
    exclude_seen: NDArray[np.bool_],
    seed: int,
    *,
    repeats: bool = False,
) -> Lists:
    """Build lists of the ``kept`` engaged rows (E,), and one of each kept request in which nothing was engaged with.

    Rows whose requests are the same share a list, and with it the work of finding and describing its negatives.

    Args:
        engine: the path that finds candidates and features, with statistics that are blind to the kept rows.
        history: everything that users engaged with, the kept rows included; what a request does not know of it yet is
            no negative.
        fitted: the events, knowing no more than ``engine`` does.
        kept: which rows the ranker may learn from.
        config: of the stage.
        dropout: hidden fields.
        exclude_seen: (T,) tasks in which seen items are left out.
        seed: of every draw.
        repeats: without an order, whether a target may be among the items of its own user's history.
    """
    rng = generator(seed, _STAGE, 0)
    rows, past = fitted.rows, fitted.past
    member = _members(rows, past, kept, config.targets)  # (R, P)
    if len(member) > config.max_lists:
        member = member[np.sort(rng.choice(len(member), config.max_lists, replace=False))]
    at = member[:, 0]
    unfit = Unfit.build(history, past.history, rows, engine.features.catalogue.rows)
    zeros = _shown_zeros(rows, at, kept, config.zeros, rng)
    zeros = np.where(unfit.of_request(rows.request[at], zeros), 0, zeros)
    own = past._replace(end=past.end[at], query_end=past.query_end[at])
    hidden = hide_fields(request_rows(rows.take(at), own), vars(dropout), rng)
    if repeats:
        hidden = hidden._replace(hide=np.zeros_like(hidden.hide))
    requests = Requests(hidden, fitted.table, fitted.title_row)
    engaged = np.asarray((member >= 0) & rows.engaged[member], dtype=bool)
    given = np.concatenate([np.where(engaged, rows.item[member], 0), zeros], axis=1)  # an idle request has zeros alone
    size = engine.block_size
    blocks = []
    for start in range(0, len(at), size):
        block = slice(start, start + size)
        page = np.where(engaged[block].any(axis=1), rows.request[at[block]], -1)
        blocks.append(_block(engine, requests.take(block), given[block], page, unfit, config, exclude_seen, rng))
    width = max(found[0].shape[1] for found in blocks)
    items, pairs, facts, drawn = (
        np.concatenate([_widened(part, width) for part in parts]) for parts in zip(*blocks, strict=True)
    )
    label, weight = _labels(rows, member, engaged, items, config.task_balance)
    weight[:, config.targets : config.targets + zeros.shape[1]] *= drawn
    lists = Lists(hidden, items, label, weight, pairs, facts, requests)
    told = np.flatnonzero((weight * (items > 0)).any(axis=1))
    return lists.take(told) if len(told) else lists


def _members(rows: EventRows, past: Past, kept: NDArray[np.bool_], targets: int) -> NDArray[np.int64]:
    """Return the rows of each list (R, P), -1 = fewer: engaged rows of one request, or the first of an idle request."""
    usable = kept & (rows.weight > 0)
    engaged = usable & rows.engaged
    with_target = np.zeros(rows.request.max(initial=-1) + 1, dtype=bool)
    with_target[rows.request[engaged]] = True
    idle = np.flatnonzero(usable & ~with_target[rows.request])
    idle = idle[np.unique(rows.request[idle], return_index=True)[1]]
    at = np.flatnonzero(engaged)
    # Without an order no page has a past of its own, but one of several rows hides these from the histories.
    apart = past.history.ordered | (np.bincount(rows.request)[rows.request[at]] > 1)
    page = np.where(apart, rows.request[at] + 1, 0)
    context = (rows.task, rows.user, rows.country, rows.text, rows.source, past.end, past.query_end)
    anonymous = np.where(rows.user[at] > UNKNOWN, 0, rows.request[at] + 1)
    same = np.stack([*(column[at] for column in context), page, anonymous], axis=1)
    group = np.unique(same, axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(group, kind="stable")
    place = np.arange(len(at)) - np.searchsorted(group[order], group[order], side="left")
    number = np.unique(np.stack([group[order], place // targets], axis=1), axis=0, return_inverse=True)[1].ravel()
    member = np.full((int(number.max(initial=-1)) + 1, targets), -1, dtype=np.int64)
    member[number, place % targets] = at[order]
    alone = np.full((len(idle), targets), -1, dtype=np.int64)
    alone[:, 0] = idle
    return np.concatenate([member, alone])


def _labels(
    rows: EventRows, member: NDArray[np.int64], engaged: NDArray[np.bool_], items: NDArray[np.int32], balance: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return labels and weights (R, L): of a target that of its row, of the others the sum over the targets.

    A list of an idle request weighs what its first row does; one that has lost all its targets weighs nothing.
    """
    own = rows.weight * np.where(rows.engaged, rows.label, 1.0) * task_weights(rows.task, balance)
    targets = member.shape[1]
    kept = engaged & (items[:, :targets] > 0)
    of_member = np.where(kept, own[member], 0.0)  # (R, P)
    mean = max(float(of_member[kept].mean()) if kept.any() else 1.0, 1e-9)
    of_member /= mean
    of_list = np.where(engaged.any(axis=1), of_member.sum(axis=1), own[member[:, 0]] / mean)  # (R,)
    label = np.zeros(items.shape, dtype=np.float32)
    label[:, :targets] = kept
    weight = np.broadcast_to(of_list[:, None], items.shape).astype(np.float32)
    weight[:, :targets] = of_member
    return label, weight


def _reachable(given: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the items that lists are ``given`` (b, P + Z), without those that are no candidates of their request.

    They will not be ranked, so nothing is to be learned of them; and as negatives are candidates, the ranker would take
    what marks the others for a mark of targets.
    """
    found = np.stack([(candidates == column[:, None]).any(axis=1) for column in given.T], axis=1)
    return np.where(found, given, 0)


def _widened(part: NDArray[Any], width: int) -> NDArray[Any]:
    """Return items or their features with padding up to ``width`` lists' items; facts as they are."""
    missing = width - part.shape[1]
    if (part.dtype != np.int32 and part.ndim < 3) or missing == 0:
        return part
    return np.pad(part, ((0, 0), (0, missing), (0, 0))[: part.ndim])


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
    return item


def _block(
    engine: Engine,
    requests: Requests,
    given: NDArray[np.int64],
    page: NDArray[np.int64],
    unfit: Unfit,
    config: RankerStageConfig,
    exclude_seen: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return items (b, L), features (b, L, F), facts (b, G) and the drawn share (b, 1) of a block of lists.

    A list begins with its ``given`` items; negatives follow unless its ``page`` (b,), the number of its request, is -1.
    What was shown is among the candidates, of which only a share is drawn: each candidate that is given as shown stands
    for itself alone, and counts for that share of a drawn one, so that a list is a fair picture of what will be ranked.
    """
    block = engine.prepare(requests, exclude_seen)
    candidates = engine.candidates(block, 0)
    given = _reachable(given, candidates)
    hard = draw(candidates, config.hard, rng)
    uniform = rng.integers(1, engine.features.catalogue.rows, (len(given), config.uniform))
    uniform = np.where(np.take_along_axis(block.blocked, uniform, axis=1), 0, uniform)
    negatives = np.concatenate([hard, uniform], axis=1)
    left_out = unfit.of_user(requests.rows, negatives) | unfit.of_request(page, negatives) | (page < 0)[:, None]
    left_out |= (negatives[:, :, None] == given[:, None, :]).any(axis=2)
    item = np.concatenate([given, np.where(left_out, 0, negatives)], axis=1)
    most = max(config.hard, 1)
    drawn = most / np.maximum((candidates > 0).sum(axis=1, keepdims=True), most)
    return item.astype(np.int32), engine.pairs(block, item), block.contexts.facts.numpy(), drawn.astype(np.float32)
