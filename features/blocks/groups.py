"""Evidence by product group, the deepest level of an item's category: it has counts where single items have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, Ints, dense, log_lift
from features.blocks.reading import Found, Reading
from features.blocks.words import word_shares
from features.catalogue import Catalogue
from features.vocabulary import MISSING, UNKNOWN

_PRIOR = 3.0
"""Engagements that the popularity of the groups counts for when the shares of a context are smoothed."""
_PARTS: Final[Mapping[str, float]] = {
    "group_user": _PRIOR,
    "group_recent": _PRIOR / 3,
    "group_source": _PRIOR,
    "group_query": 0.05,
}
"""Evidence (B, G) for each group, with what the popularity of the groups counts for beside it."""
_LATEST = 10
"""Last items of an ordered history that say what a user is after now."""
_FADING = 0.7
"""What each of them counts for beside the one after it."""
_ANYWHERE = 0.1
"""What an engagement in another country counts for."""


def deepest(category: Ints) -> Ints:
    """Return the group (N + 1,) of items by the levels of their categories (N + 1, P), 0 where there is none."""
    levels = (category != MISSING).sum(axis=1)
    return np.where(levels > 0, category[np.arange(len(category)), np.maximum(levels - 1, 0)], MISSING)


@dataclass(frozen=True)
class GroupBlock(Block):
    """How much likelier the candidate's group is in this context than anywhere. G = category rows; 0 = no category."""

    name = "groups"
    columns = ("by_group", "group_affinity", "group_recent", "group_source", "group_query")
    sources = (("by_group", "groups"),)
    by_item = (("by_country", (1,)),)

    group: Ints  # (N + 1,) of each item
    share: Dense  # (G,) smoothed share of the engagements
    by_source: sparse.csr_matrix  # (G, G) engagements of a group next to a source item of another
    by_word: sparse.csr_matrix  # (W, G) share of the engagements for a query word that went to the group
    by_country: sparse.csr_matrix  # (C, N + 1) engagements of the item in the country

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count engagements by group."""
        group, groups = world.group, log.sizes.categories
        engaged = np.bincount(group[log.engaged.item], minlength=groups).astype(np.float64)
        engaged[MISSING] = 0.0
        known = np.zeros(groups)
        known[group[group != MISSING]] = 1.0
        share = (engaged + known) / max(float((engaged + known).sum()), 1.0)
        source, item = group[log.engaged.source], group[log.engaged.item]
        kept = (source != MISSING) & (item != MISSING)
        ones = np.ones(int(kept.sum()), dtype=np.float32)
        by_source = sparse.csr_matrix((ones, (source[kept], item[kept])), shape=(groups, groups))
        by_source.sum_duplicates()
        by_word = _by_group(word_shares(log, world), group, groups)
        return cls(group, share.astype(np.float32), by_source, by_word, log.country_items)

    def extended(self, catalogue: Catalogue) -> Self:
        """Give items that came later the deepest group that is known, as well."""
        known = np.where(
            catalogue.category[len(self.group) :] == UNKNOWN, MISSING, catalogue.category[len(self.group) :]
        )
        return replace(super().extended(catalogue), group=np.concatenate([self.group, deepest(known)]))

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return engagements of the groups by user, by the latest items, by source and by query (B, G each).

        And, as ``by_group`` (B, N + 1), engagements of the items in the country, as many times as their groups are
        likelier in this context than anywhere; those anywhere count a little, as a country may have too few.
        """
        groups, latest = len(self.share), reading.latest(_LATEST)
        fading = (_FADING ** np.arange(latest.shape[1])).astype(np.float32)
        recent = np.zeros((len(latest), groups), dtype=np.float32)
        np.add.at(recent, (np.arange(len(latest))[:, None], self.group[latest]), fading[None, :])
        recent[:, MISSING] = 0.0
        found = {
            "group_user": dense(_by_group(reading.past, self.group, groups)),
            "group_recent": recent,
            "group_source": dense(self.by_source[self.group[reading.filled.source]]),
            "group_query": dense(reading.words @ self.by_word),
        }
        return found | {"by_group": self._likely_items(found, reading)}

    def _likely_items(self, found: Mapping[str, Dense], reading: Reading) -> Dense:
        lift = self.likely(found)  # (B, G)
        country = dense(self.by_country[reading.filled.country]) * reading.known.scale
        items = np.zeros_like(country)
        told = np.flatnonzero((lift != 1.0).any(axis=1))
        common = country[told] + np.float32(_ANYWHERE) * reading.known.popularity
        items[told] = common * lift[told][:, self.group]
        return items

    def likely(self, found: Mapping[str, Dense]) -> Dense:
        """Return how much likelier each group (B, G) is in the context than anywhere, by all that the context says.

        The parts count as if they were independent; 1 in a row where there is nothing to say, and for what has no
        group.
        """
        every = np.broadcast_to(np.arange(len(self.share)), found["group_user"].shape)
        total = np.sum(self._log_lifts(found, every), axis=0)
        return np.asarray(np.exp(np.clip(total, -20.0, 20.0)), dtype=np.float32)

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the logarithm of ``by_group``, and those of how much likelier the candidate's group is by each part.

        The latter are 0 where the context says nothing, or the candidate has no group.
        """
        return np.log1p(found.at("by_group")), *self._log_lifts(found.whole, self.group[found.candidates])

    def _log_lifts(self, found: Mapping[str, Dense], group: Ints) -> list[Dense]:
        share = np.maximum(self.share[group], 1e-9)  # that of padding is 0
        return [_lift(found[name], group, share, prior) for name, prior in _PARTS.items()]


def _lift(part: Dense, group: Ints, share: Dense, prior: float) -> Dense:
    """Return the lift (B, L) of each group by one part (B, G) of the evidence; 0 where there is no group."""
    counted = np.take_along_axis(part, group, axis=1)
    lift = log_lift(counted, part.sum(axis=1, keepdims=True), share, prior)
    return np.where(group == MISSING, np.float32(0), lift)


def _by_group(by_item: sparse.csr_matrix, group: Ints, groups: int) -> sparse.csr_matrix:
    """Return (R, G) the rows of ``by_item`` (R, N + 1) added up by group; items without one are left out.

    Columns are renamed, so that the work is that of the entries and not of the catalogue.
    """
    entries = (by_item.data, group[by_item.indices], by_item.indptr)
    named = sparse.csr_matrix(entries, shape=(by_item.shape[0], groups), copy=True)  # adding up works in place
    named.sum_duplicates()
    if named.nnz and named.indices.min() == MISSING:
        named.data[named.indices == MISSING] = 0
        named.eliminate_zeros()
    return named
