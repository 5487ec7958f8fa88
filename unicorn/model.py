"""UniCoRn: one contextual ranker for search and recommendation, over one space of requests and items.

The idea on one screen:

    request ──▶ context tower ──▶ c ─┐                       space score  s·<c, v> + <w, q>      first stage, all items
    item    ──▶ item tower    ──▶ v ─┤
                quality           q ─┘
    parts of both towers, c*v, q, context × candidate features ──▶ crossing + residual ──▶ one logit     second stage

Every task goes through the same weights: the task is an input, what a task lacks is imputed, and there is one output.

Sources: UniCoRn, Bhattacharya et al. 2024 (the ranker); Jha et al. 2023 (the space with quality vectors).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from unicorn.batch import Contexts, Encoded, Items
from unicorn.config import LEVELS, ModelConfig, ModelSizes
from unicorn.layers import Cross, Residual
from unicorn.towers import ContextTower, ItemTower, SharedTables


class Space(nn.Module):
    """One space for queries, users and items: ``score = s·<c, v> + <w, q>``, a single inner product once indexed."""

    def __init__(self, sizes: ModelSizes, config: ModelConfig) -> None:
        """Make both towers over shared tables."""
        super().__init__()
        width = config.space.width
        shared = SharedTables(sizes, width)
        self.items = ItemTower(sizes, width, shared)
        self.contexts = ContextTower(sizes, width, config.space.codes, shared)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.space.temperature)))
        self.threshold_steps = nn.Parameter(torch.full((LEVELS,), -2.0))  # from one level to the next
        self.register_buffer("quality_weight", torch.zeros(sizes.tasks, sizes.quality))  # w, tuned after training
        self.quality_weight: Tensor

    @property
    def scale(self) -> Tensor:
        """s, the learned inverse temperature."""
        return self.log_scale.exp()

    @property
    def thresholds(self) -> Tensor:
        """The cosine (K,), ascending, from which an item is worth an engagement of each level; learned by the hinge."""
        return torch.cumsum(functional.softplus(self.threshold_steps), dim=0)

    def index_vectors(self, vector: Tensor, quality: Tensor) -> Tensor:
        """Return what is indexed, ``[s·v ; q]`` (M, D + Q)."""
        return torch.cat([self.scale * vector, quality], dim=1)

    def search_vectors(self, vector: Tensor, task: Tensor) -> Tensor:
        """Return what is searched with, ``[c ; w]`` (B, V, D + Q), for ``vector`` (B, V, D)."""
        weight = self.quality_weight[task].unsqueeze(1).expand(-1, vector.shape[1], -1)
        return torch.cat([vector, weight], dim=2)


def best_product(items: Tensor, vectors: Tensor) -> Tensor:
    """Return the best inner product (B, L) of each of ``items`` (B, L, E) with its request's ``vectors`` (B, V, E)."""
    products = [(items @ vector.unsqueeze(-1)).squeeze(-1) for vector in vectors.unbind(dim=1)]  # V of (B, L)
    return torch.stack(products).amax(dim=0)


def _nearest(vectors: Tensor, items: Tensor) -> Tensor:
    """Return which of the request's ``vectors`` (B, V, D) is nearest to each of ``items`` (B, L, D), as (B, L, D)."""
    if vectors.shape[1] == 1:
        return vectors  # (B, 1, D)
    best = (items @ vectors.transpose(1, 2)).argmax(dim=-1)  # (B, L)
    return vectors.gather(1, best.unsqueeze(-1).expand(-1, -1, vectors.shape[2]))


class ItemSide(NamedTuple):
    """What is computed once for a catalogue. N = items; row 0 = padding."""

    vector: Tensor  # (N + 1, D)
    indexed: Tensor  # (N + 1, D + Q)
    hidden: Tensor  # (N + 1, hidden) the ranker's first map of the item alone


class RequestSide(NamedTuple):
    """What is computed once for a request."""

    vector: Tensor  # (B, V, D) of unit norm
    searched: Tensor  # (B, V, D + Q)
    parts: Tensor  # (B, P, D)
    hidden: Tensor  # (B, hidden) the ranker's first map of the request alone

    def take(self, rows: slice) -> RequestSide:
        """Return some of the requests."""
        return RequestSide(*(part[rows] for part in self))


class Ranker(nn.Module):
    """(request, candidate) to one logit: low-rank crossing beside residual blocks, and a linear path for the features.

    The first map over ``[request ; item ; mixed]`` is three maps added up, so that the item's is computed once for a
    catalogue, the request's once for a request, and only the rest for every pair.
    """

    def __init__(self, sizes: ModelSizes, config: ModelConfig) -> None:
        """Make the maps."""
        super().__init__()
        width, hidden = config.space.width, config.ranker.hidden
        context_parts, item_parts = len(ContextTower.PARTS), len(ItemTower.PARTS)
        self.request = nn.Linear(context_parts * width + sizes.flags + sizes.facts + sizes.tasks, hidden)
        self.item = nn.Linear(item_parts * width + 2 * sizes.quality, hidden, bias=False)
        mixed = width + context_parts + 1 + sizes.pairs  # c*v, each part's product with v, the space score, features
        self.mixed = nn.Linear(mixed, hidden, bias=False)
        self.cross = nn.ModuleList(Cross(hidden, config.ranker.cross_rank) for _ in range(config.ranker.cross_layers))
        self.blocks = nn.ModuleList(Residual(hidden, hidden) for _ in range(config.ranker.blocks))
        self.out = nn.Linear(2 * hidden, 1)
        self.linear = nn.Linear(sizes.tasks, sizes.pairs + 1, bias=False)  # by task: a weight for each feature
        for layer in (self.out, self.linear):  # starts with all candidates equal, and finds the plain features first
            nn.init.zeros_(layer.weight)
        self.register_buffer("mean", torch.zeros(sizes.pairs + 1))  # of the space score and the features, in training
        self.register_buffer("deviation", torch.ones(sizes.pairs + 1))
        self.mean: Tensor
        self.deviation: Tensor

    def first(
        self, request: RequestSide, item_vector: Tensor, item_hidden: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the first map (B, L, hidden) of each pair, and its standardised features (B, L, F + 1)."""
        numbers = (raw - self.mean) / self.deviation  # (B, L, F + 1)
        products = item_vector * _nearest(request.vector, item_vector)  # (B, L, D)
        by_part = item_vector @ request.parts.transpose(1, 2)  # (B, L, P)
        mixed = self.mixed(torch.cat([products, by_part, numbers], dim=-1))  # (B, L, hidden)
        return request.hidden.unsqueeze(1) + item_hidden + mixed, numbers

    def forward(
        self, request: RequestSide, task: Tensor, item_vector: Tensor, item_hidden: Tensor, raw: Tensor
    ) -> Tensor:
        """Return logits (B, L).

        Args:
            request: B requests.
            task: (B, T) float32, one-hot.
            item_vector: (B, L, D) of the candidates.
            item_hidden: (B, L, hidden) the first map of the candidates.
            raw: (B, L, F + 1) the space score and the context × candidate features.
        """
        x0, numbers = self.first(request, item_vector, item_hidden, raw)
        crossed, deep = x0, x0
        for layer in self.cross:
            crossed = layer(x0, crossed)
        for block in self.blocks:
            deep = block(deep)
        logit: Tensor = self.out(torch.cat([crossed, torch.relu(deep)], dim=-1)).squeeze(-1)  # (B, L)
        weights: Tensor = self.linear(task)  # (B, F + 1)
        return logit + (numbers @ weights.unsqueeze(-1)).squeeze(-1)


class UniCoRn(nn.Module):
    """The whole model: a space that finds candidates and a ranker that orders them, for all tasks at once."""

    def __init__(self, sizes: ModelSizes, config: ModelConfig) -> None:
        """Make the model with random weights from torch's generator."""
        super().__init__()
        self.sizes, self.config = sizes, config
        self.space = Space(sizes, config)
        self.ranker = Ranker(sizes, config)

    def encode_items(self, items: Items) -> ItemSide:
        """Return the item side of a catalogue, (N + 1) rows."""
        encoded: Encoded = self.space.items(items)
        indexed = self.space.index_vectors(encoded.vector, items.quality)
        described = torch.cat([encoded.parts.flatten(1), items.quality, items.quality_missing], dim=1)
        return ItemSide(encoded.vector, indexed, self.ranker.item(described))

    def encode_requests(self, contexts: Contexts, item_vectors: Tensor) -> RequestSide:
        """Return the request side of ``contexts``, given the vectors (N + 1, D) of the catalogue."""
        source = item_vectors[contexts.source] * (contexts.source != 0).unsqueeze(-1)
        encoded: Encoded = self.space.contexts(contexts, source, item_vectors)
        described = [encoded.parts.flatten(1), contexts.flags, contexts.facts, self.one_hot(contexts.task)]
        searched = self.space.search_vectors(encoded.vector, contexts.task)
        return RequestSide(encoded.vector, searched, encoded.parts, self.ranker.request(torch.cat(described, dim=1)))

    def one_hot(self, task: Tensor) -> Tensor:
        """Return tasks (B,) as (B, T) float32."""
        return functional.one_hot(task, self.sizes.tasks).float()

    def features(self, request: RequestSide, items: ItemSide, candidates: Tensor, pairs: Tensor) -> Tensor:
        """Return the numbers (B, L, F + 1) of ``candidates`` (B, L): ``s·<c, v>``, then ``pairs`` (B, L, F).

        Without ``<w, q>``, which is tuned after the ranker was trained: it decides what is found, not what is learned.
        """
        width = request.vector.shape[2]
        score = best_product(items.indexed[candidates, :width], request.vector)  # (B, L)
        return torch.cat([score.unsqueeze(-1), pairs], dim=-1)

    def score(self, request: RequestSide, task: Tensor, items: ItemSide, candidates: Tensor, pairs: Tensor) -> Tensor:
        """Return logits (B, L) of ``candidates`` (B, L) item rows, with their features ``pairs`` (B, L, F)."""
        raw = self.features(request, items, candidates, pairs)
        vector, hidden = items.vector[candidates], items.hidden[candidates]  # (B, L, D), (B, L, hidden)
        logits: Tensor = self.ranker(request, self.one_hot(task), vector, hidden, raw)
        return logits
