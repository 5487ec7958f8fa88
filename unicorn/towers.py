"""The two towers: a request and an item, as unit vectors of one space."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from unicorn.batch import Contexts, Encoded, Items
from unicorn.config import ModelSizes
from unicorn.layers import AttentionPool, Residual, bag_mean, table


class SharedTables(nn.Module):
    """Embeddings that both towers read, so that a word or a country means the same on either side."""

    def __init__(self, sizes: ModelSizes, width: int) -> None:
        """Make the tables."""
        super().__init__()
        self.token = table(sizes.tokens, width)
        self.country = table(sizes.countries, width)
        self.item = table(sizes.items, width, scale=0.0)  # an id that training never met says nothing, and is no noise


class Merge(nn.Module):
    """Parts to one unit vector: a linear map of all of them, then a residual block."""

    def __init__(self, parts: int, width: int) -> None:
        """Merge ``parts`` vectors of ``width``."""
        super().__init__()
        self.linear = nn.Linear(parts * width, width)
        self.block = Residual(width, 2 * width)
        with torch.no_grad():  # starts near the sum of the parts, so that tokens of both sides meet from the first step
            self.linear.weight.mul_(0.1).add_(torch.eye(width).repeat(1, parts))

    def forward(self, parts: Tensor) -> Tensor:
        """Return (…, D) of unit norm from ``parts`` (…, P, D)."""
        return functional.normalize(self.block(self.linear(parts.flatten(-2))), dim=-1)


class ItemTower(nn.Module):
    """Item to vector, from its id as far as it is known, and from content that needs no id."""

    PARTS = ("id", "text", "tokens", "category", "countries", "vectors", "graph")

    def __init__(self, sizes: ModelSizes, width: int, shared: SharedTables) -> None:
        """Make the parts; ``shared`` belongs to both towers."""
        super().__init__()
        self.shared = shared
        self.text = nn.Linear(sizes.text, width, bias=False)
        self.category = table(sizes.categories, width)
        self.vectors = nn.Linear(sizes.vectors, width, bias=False) if sizes.vectors else None
        self.graph = nn.Linear(sizes.graph, width, bias=False) if sizes.graph else None
        self.gate = nn.Parameter(torch.tensor([-1.0, 1.0]))  # offset, and slope over log1p(exposure) kept positive
        self.merge = Merge(len(self.PARTS), width)

    def id_part(self, items: Items) -> Tensor:
        """Return the id embeddings (M, D) behind the exposure gate: 0 for a new item, whole for a much-seen one."""
        open_ = torch.sigmoid(self.gate[0] + functional.softplus(self.gate[1]) * torch.log1p(items.exposure))
        known = (items.exposure > 0).to(open_.dtype)
        ids: Tensor = self.shared.item(items.row)  # (M, D)
        return ids * (open_ * known).unsqueeze(-1)

    def forward(self, items: Items) -> Encoded:
        """Return the vectors of ``items``."""
        text = self.text(items.text)  # (M, D)
        parts = torch.stack(
            (
                self.id_part(items),
                text,
                bag_mean(self.shared.token, items.tokens),
                bag_mean(self.category, items.category),
                bag_mean(self.shared.country, items.countries),
                torch.zeros_like(text) if self.vectors is None else self.vectors(items.vectors),
                torch.zeros_like(text) if self.graph is None else self.graph(items.graph),
            ),
            dim=1,
        )  # (M, P, D)
        return Encoded(self.merge(parts), parts)


class ContextTower(nn.Module):
    """Request to vector. Light: tables, one linear map per text vector, one attention over the history."""

    PARTS = ("user", "history", "query", "query_tokens", "country", "source", "task")

    def __init__(self, sizes: ModelSizes, width: int, codes: int, shared: SharedTables) -> None:
        """Make the parts, with as many ``codes`` over the history; ``shared`` belongs to both towers."""
        super().__init__()
        self.shared = shared
        self.task = nn.Embedding(sizes.tasks, width)
        self.user = nn.Embedding(sizes.users, width)  # row 0 = anonymous, row 1 = a user who was never seen
        self.static = nn.Linear(sizes.text, width, bias=False)
        self.none = nn.Embedding(4, width)  # learned "none" of query, source, country and history
        self.flags = nn.Linear(sizes.flags, width, bias=False)
        self.history = AttentionPool(width, sizes.history, sizes.ages, codes)
        self.remembered = nn.Linear(width, width, bias=False)
        self.importance = nn.Parameter(torch.ones(sizes.tasks, len(self.PARTS)))
        self.merge = Merge(len(self.PARTS), width)
        for embedding in (self.task, self.user, self.none):
            nn.init.normal_(embedding.weight, std=0.05)

    def forward(self, contexts: Contexts, source: Tensor, memory: Tensor) -> Encoded:
        """Return the vectors (B, V, D) of ``contexts``, one for each code, and the parts (B, P, D), mean over codes.

        Args:
            contexts: B requests.
            source: (B, D) the item tower's vectors of the source items, zeros where there is none.
            memory: (N + 1, D) the item tower's vectors of the whole catalogue, as of a while ago in training.
        """
        task = self.task(contexts.task)  # (B, D)
        static = self.static(contexts.static)
        tokens = bag_mean(self.shared.token, contexts.tokens)
        known = contexts.history * (contexts.history < self.shared.item.num_embeddings)  # a later item has no id here
        items = self.shared.item(known) + self.remembered(memory[contexts.history])  # (B, H, D)
        history = self.history(task + static + tokens, items, contexts.ages, contexts.history != 0)
        flags = contexts.flags
        no_query = (contexts.static == 0).all(dim=1) & (contexts.tokens == 0).all(dim=1)
        empty = (contexts.history == 0).all(dim=1)
        parts = torch.stack(
            (
                self.user(contexts.user),
                self._or_none(history.mean(dim=1), 3, empty),
                self._or_none(static, 0, no_query),
                tokens,
                self._or_none(self.shared.country(contexts.country), 2, contexts.country == 0),
                self._or_none(source, 1, contexts.source == 0),
                task + self.flags(flags),
            ),
            dim=1,
        )  # (B, P, D)
        by_code = parts.unsqueeze(1).repeat(1, history.shape[1], 1, 1)  # (B, V, P, D)
        by_code[:, :, self.PARTS.index("history")] = torch.where(empty[:, None, None], self.none.weight[3], history)
        importance = self.importance[contexts.task].unsqueeze(-1)  # (B, P, 1)
        return Encoded(self.merge(by_code * importance.unsqueeze(1)), parts * importance)

    def _or_none(self, part: Tensor, kind: int, missing: Tensor) -> Tensor:
        return torch.where(missing.unsqueeze(-1), self.none.weight[kind], part)
