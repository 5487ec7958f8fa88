from __future__ import annotations

from dataclasses import fields, replace

import pytest

from features.blocks.registry import BLOCKS, pair_columns, switched_on
from features.config import UseConfig
from features.evidence import REQUEST_FEATURES
from serving.config import CandidateConfig
from tests.features.feature_world import EVERYTHING

TOWERS = {"ngrams", "graph_part", "category", "countries", "history", "user", "quality"}
"""Switches of what the model reads without a block."""


def names(config: type) -> set[str]:
    return {field.name for field in fields(config)}


def test_every_block_has_a_switch_and_every_switch_something_to_switch() -> None:
    assert all(name == block.name for name, block in BLOCKS.items())
    assert names(UseConfig) == BLOCKS.keys() | TOWERS


def test_columns_have_names_of_their_own() -> None:
    found = [*pair_columns(EVERYTHING), *REQUEST_FEATURES]
    assert len(found) == len(set(found))
    assert [name for block in BLOCKS.values() for name in block.columns] == list(pair_columns(EVERYTHING))


def test_every_source_of_candidates_has_a_size_and_every_size_a_source() -> None:
    found = [source for block in BLOCKS.values() for source, _ in block.sources]
    assert len(found) == len(set(found))
    sizes = {size for block in BLOCKS.values() for _, size in block.sources}
    assert names(CandidateConfig) == sizes | {"space", "total", "everything"}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_is_off_has_no_columns_and_the_others_keep_their_order(name: str) -> None:
    off = replace(EVERYTHING, **{name: False})
    left = [other for other in BLOCKS if other != name]
    assert [block.name for block in switched_on(off)] == left
    assert pair_columns(off) == tuple(column for other in left for column in BLOCKS[other].columns)


def test_everything_may_be_off() -> None:
    off = UseConfig(**dict.fromkeys(names(UseConfig), False))
    assert switched_on(off) == () and pair_columns(off) == ()
