"""The one path from requests to scores: impute, encode, retrieve, gather evidence, rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.catalogue import Catalogue
from features.columns import Col
from features.evidence import Evidence
from features.imputation import RequestRows
from features.new_items import with_items
from features.queries import QueryTable
from features.store import Features
from serving.assemble import context_tensors, item_tensors
from serving.candidates import EVERYTHING, SPACE, Brought, all_items, blocked_items, from_evidence, merge
from serving.config import ServingConfig
from serving.further import Further, continued
from serving.index import Index
from serving.index_approximate import check_factory
from serving.order import tie_ranks, top_k
from unicorn.batch import Contexts
from unicorn.model import ItemSide, RequestSide, UniCoRn, best_product


class Block(NamedTuple):
    """A block of requests, read, imputed and encoded. B = requests."""

    rows: RequestRows
    filled: RequestRows
    contexts: Contexts
    request: RequestSide
    evidence: Evidence
    blocked: NDArray[np.bool_]


class Candidates(NamedTuple):
    """What the first stage finds for a block of requests. B = requests, L = candidates."""

    items: NDArray[np.int64]  # (B, L) ascending item rows, 0 = padding in front; the same however long a list is
    brought: Brought  # by source
    further: Further | None  # what a list goes on with; None = there are as many candidates as are asked for


class Listed(NamedTuple):
    """Requests with their candidates, and all that the ranker reads of them but its own weights. L = candidates."""

    contexts: Contexts
    candidates: NDArray[np.int64]  # (B, L) item rows, 0 = padding
    pairs: NDArray[np.float32]  # (B, L, F)
    further: Further | None = None  # what follows when all of them are served


class Requests(NamedTuple):
    """Requests as rows, with the texts that they point into."""

    rows: RequestRows
    table: QueryTable
    title_row: NDArray[np.int64]

    def take(self, at: NDArray[np.int64] | slice) -> Requests:
        """Return the requests at positions ``at``."""
        return self._replace(rows=RequestRows(*(column[at] for column in self.rows)))


_CACHED_PAIRS = 8192
"""Pairs that are scored at once: what the ranker makes of so many stays in the processor's cache."""


@dataclass(frozen=True)
class Engine:
    """A model over features, with everything that is computed once for its catalogue.

    Attributes:
        features: what is fitted, with the histories that may be known.
        model: the weights.
        config: how requests are answered.
        side: the item side of the catalogue.
        index: of the space.
        ties: (N + 1,) places of the items among equal scores.
    """

    features: Features
    model: UniCoRn
    config: ServingConfig
    side: ItemSide
    index: Index
    ties: Tensor

    @classmethod
    def build(cls, features: Features, model: UniCoRn, config: ServingConfig, index: Index | None = None) -> Engine:
        """Encode the catalogue with ``model``; without its ``index``, what is encoded is searched exactly."""
        model.eval()
        with torch.inference_mode():
            side = model.encode_items(item_tensors(features))
        check_factory(config.index, side.indexed.shape[1])
        return cls(features, model, config, side, index or Index(side.indexed), _ties(features.catalogue))

    @property
    def block_size(self) -> int:
        """Requests whose dense blocks stay within the configured memory."""
        return int(np.clip(self.config.block_mb * 2**20 // (4 * self.features.catalogue.rows), 1, 1024))

    def excluded(self, tasks: tuple[str, ...]) -> NDArray[np.bool_]:
        """Return (T,) whether seen items are left out in each task, given the names of such ``tasks``."""
        return np.array([task in tasks for task in self.features.tasks])

    @torch.inference_mode()
    def contexts(self, requests: Requests) -> tuple[Contexts, RequestRows]:
        """Return requests imputed, as the context tower reads them."""
        return context_tensors(self.features, self.features.history, *requests)

    @torch.inference_mode()
    def encode(self, contexts: Contexts) -> RequestSide:
        """Return the request side of ``contexts``."""
        return self.model.encode_requests(contexts, self.side.vector)

    def blocked(self, rows: RequestRows, exclude_seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return what may not be shown, (B, N + 1)."""
        seen = self.features.seen
        if seen is None:
            blocked = blocked_items(rows, self.features.history, self.features.catalogue, exclude_seen)
        else:
            rows = rows._replace(end=seen.ends(rows.owner))
            blocked = blocked_items(rows, seen, self.features.catalogue, exclude_seen)
        if self.index.removed.any():
            blocked |= self.index.removed
        return blocked

    def with_items(self, items: pl.DataFrame) -> Engine:
        """Return an engine that also finds ``items``, which came after the fit; this one stays what it is.

        Raises:
            DataError: as ``features.new_items.with_items`` does.
        """
        features = with_items(self.features, items)
        with torch.inference_mode():
            more = self.model.encode_items(item_tensors(features, slice(self.features.catalogue.rows, None)))
            side = ItemSide(*(torch.cat(both) for both in zip(self.side, more, strict=True)))
        index = self.index.copy()
        index.add(more.indexed)
        return replace(self, features=features, side=side, index=index, ties=_ties(features.catalogue))

    def prepare(self, requests: Requests, exclude_seen: NDArray[np.bool_]) -> Block:
        """Read, impute and encode a block of requests, and gather its evidence."""
        contexts, filled = self.contexts(requests)
        evidence = self.features.evidence(requests.rows, filled, requests.table)
        contexts = contexts._replace(facts=torch.from_numpy(evidence.facts()))
        blocked = self.blocked(requests.rows, exclude_seen)
        return Block(requests.rows, filled, contexts, self.encode(contexts), evidence, blocked)

    @torch.inference_mode()
    def brought(self, block: Block) -> Brought:
        """Return by source what it brings for a block of requests."""
        sizes = self.config.candidates
        if self.features.catalogue.rows - 1 <= sizes.everything:
            return {EVERYTHING: self._pruned(all_items(block.blocked), block.request)}
        near = np.zeros((len(block.blocked), 1), dtype=np.int64)
        if sizes.space:
            near = self._pruned(self.index.search(block.request.searched, block.blocked, sizes.space), block.request)
        return {SPACE: near} | from_evidence(block.evidence, block.blocked, sizes)

    def _pruned(self, near: NDArray[np.int64], request: RequestSide) -> NDArray[np.int64]:
        """Return item rows ``near`` (B, n) without those below the threshold of the configured level."""
        if not self.config.prune_level:
            return near
        cosine = best_product(self.side.vector[torch.from_numpy(near)], request.vector)
        reached = cosine >= self.model.space.thresholds[self.config.prune_level - 1]
        return np.where(reached.numpy(), near, 0)

    def find(self, block: Block, at_least: int) -> Candidates:
        """Return the candidates of a block, and what follows them where that makes ``at_least`` so many items."""
        brought = self.brought(block)
        if EVERYTHING in brought:
            return Candidates(brought[EVERYTHING], brought, None)
        items = merge(brought.values(), self.config.candidates.total, self.ties)
        found = (items > 0).sum(axis=1, keepdims=True)  # (B, 1)
        most = at_least - int(found.min(initial=at_least))
        if most <= 0 or self.config.prune_level:
            return Candidates(items, brought, None)
        taken = block.blocked.copy()
        np.put_along_axis(taken, items, True, axis=1)
        near, scores = self.nearest(block.request.searched, taken, most)
        near = np.where(found + np.arange(near.shape[1]) < at_least, near, 0)
        return Candidates(items, brought, Further(near, scores))

    def candidates(self, block: Block, at_least: int) -> NDArray[np.int64]:
        """Return the item rows (B, L) that ``find`` finds, 0 = padding."""
        found = self.find(block, at_least)
        return found.items if found.further is None else np.concatenate([found.items, found.further.items], axis=1)

    def pairs(self, block: Block, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the context × candidate features (B, L, F)."""
        return block.evidence.pairs(candidates)

    def list_candidates(self, requests: Requests, exclude_seen: NDArray[np.bool_], count: int) -> Listed:
        """Return requests with their candidates, enough of them for ``count`` answers."""
        block = self.prepare(requests, exclude_seen)
        found = self.find(block, count)
        return Listed(block.contexts, found.items, self.pairs(block, found.items), found.further)

    def score(self, block: Block, candidates: NDArray[np.int64]) -> Tensor:
        """Return logits (B, L) of ``candidates`` (B, L), ``-inf`` for padding."""
        return self.score_listed(Listed(block.contexts, candidates, self.pairs(block, candidates)))

    @torch.inference_mode()
    def score_listed(self, listed: Listed) -> Tensor:
        """Return logits (B, L) of listed candidates, ``-inf`` for padding."""
        at, pairs = torch.from_numpy(listed.candidates), torch.from_numpy(listed.pairs)
        request, task = self.encode(listed.contexts), listed.contexts.task
        size = max(1, _CACHED_PAIRS // max(at.shape[1], 1))
        parts = [slice(start, start + size) for start in range(0, len(at), size)]
        logits = [self.model.score(request.take(part), task[part], self.side, at[part], pairs[part]) for part in parts]
        return torch.cat(logits).masked_fill(at == 0, -torch.inf) if logits else torch.zeros(at.shape)

    def rank(
        self, requests: Requests, exclude_seen: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the best item rows (B, K) of each request in served order, 0 = no more, and their logits."""
        return self.rank_listed(self.list_candidates(requests, exclude_seen, count), count)

    def rank_listed(self, listed: Listed, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the best of listed candidates, as ``rank`` does."""
        items, scores = self._order(listed.candidates, self.score_listed(listed), count)
        return (items, scores) if listed.further is None else continued(items, scores, listed.further, count)

    @torch.inference_mode()
    def retrieve(
        self, requests: Requests, exclude_seen: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what the space alone finds, as ``rank`` does."""
        contexts, _ = self.contexts(requests)
        return self.nearest(self.encode(contexts).searched, self.blocked(requests.rows, exclude_seen), count)

    @torch.inference_mode()
    def nearest(
        self, searched: Tensor, blocked: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what the space alone finds, as ``retrieve`` does, of requests that are encoded as ``[c ; w]``."""
        found = self.index.search(searched, blocked, count)
        at = torch.from_numpy(found)
        scores = best_product(self.side.indexed[at], searched)
        return self._order(found, scores.masked_fill(at == 0, -torch.inf), count)

    def _order(
        self, candidates: NDArray[np.int64], scores: Tensor, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        at = torch.from_numpy(candidates)
        best = top_k(scores, self.ties[at], count)
        item = torch.where(torch.isfinite(scores.gather(1, best)), at.gather(1, best), 0)
        return item.numpy(), scores.gather(1, best).numpy()


def _ties(catalogue: Catalogue) -> Tensor:
    """Return the places (N + 1,) of the items among equal scores, padding last."""
    ids = catalogue.frame.get_column(Col.ITEM)
    return torch.from_numpy(np.concatenate([[len(ids)], tie_ranks(ids)]))
