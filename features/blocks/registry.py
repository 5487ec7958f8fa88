"""The blocks in the order of their columns, and which of them are switched on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from features.blocks.affinity import AffinityBlock
from features.blocks.base import Block
from features.blocks.country import CountryBlock
from features.blocks.dynamics import DynamicsBlock
from features.blocks.external import ExternalBlock
from features.blocks.graph import GraphBlock
from features.blocks.groups import GroupBlock
from features.blocks.lexical import LexicalBlock
from features.blocks.own_query import OwnQueryBlock
from features.blocks.popularity import PopularityBlock
from features.blocks.query import QueryBlock
from features.blocks.repeat import RepeatBlock
from features.blocks.shown import ShownBlock
from features.blocks.similar_queries import SimilarQueryBlock
from features.blocks.source import SourceBlock
from features.blocks.text import TextBlock
from features.blocks.transitions import TransitionBlock
from features.blocks.words import WordBlock
from features.config import UseConfig

BLOCKS: Final[Mapping[str, type[Block]]] = {
    block.name: block
    for block in (
        QueryBlock,
        WordBlock,
        SimilarQueryBlock,
        OwnQueryBlock,
        LexicalBlock,
        TextBlock,
        AffinityBlock,
        GraphBlock,
        SourceBlock,
        TransitionBlock,
        RepeatBlock,
        CountryBlock,
        PopularityBlock,
        DynamicsBlock,
        GroupBlock,
        ShownBlock,
        ExternalBlock,
    )
}


def switched_on(use: UseConfig) -> tuple[type[Block], ...]:
    """Return the blocks that ``use`` has switched on, in the order of their columns."""
    return tuple(block for name, block in BLOCKS.items() if getattr(use, name))


def pair_columns(use: UseConfig) -> tuple[str, ...]:
    """Return the names of the context × candidate features (F)."""
    return tuple(column for block in switched_on(use) for column in block.columns)
