from __future__ import annotations

from math import log1p
from typing import Any

import numpy as np
import pytest

from features.blocks.affinity import AffinityBlock
from features.blocks.popularity import PopularityBlock
from features.blocks.query import QueryBlock
from features.blocks.reading import Known
from features.evidence import REQUEST_FEATURES, Evidence
from features.imputation import RequestRows
from tests.features.blocks.block_world import FULL, NOTHING, RESERVED, TABLE, features, known, matrix, request

BLOCKS = {
    block.name: block
    for block in (AffinityBlock(), QueryBlock(matrix(*RESERVED, [0, 3, 0, 0], NOTHING)), PopularityBlock())
}
FACTS = {
    "query_engagements": log1p(6),
    "query_length": log1p(2),
    "history_length": log1p(2),
    "query_history_length": log1p(1),
    "query_known": 1,
}


def gathered(rows: RequestRows, reads: Known | None = None, blocks: dict[str, Any] = BLOCKS) -> Evidence:
    return Evidence.gather(rows, rows, TABLE, reads or known(), blocks)


def facts(rows: RequestRows, reads: Known | None = None, blocks: dict[str, Any] = BLOCKS) -> dict[str, float]:
    found = gathered(rows, reads, blocks).facts()
    assert found.shape == (1, len(REQUEST_FEATURES)) and found.dtype == np.float32
    return dict(zip(REQUEST_FEATURES, found[0].tolist(), strict=True))


def test_facts_by_hand() -> None:
    assert facts(request(**FULL)) == pytest.approx(FACTS)
    assert not any(facts(request(task=1)).values())


def test_facts_end_where_knowledge_ends() -> None:
    early = request(**FULL)._replace(end=np.array([1]), query_end=np.array([0]))
    assert facts(early) == pytest.approx(FACTS | {"history_length": log1p(1), "query_history_length": 0})


def test_without_order_the_hidden_item_is_out_of_the_facts() -> None:
    rows = request(**FULL)._replace(hide=np.array([[2]]))
    expected = FACTS | {"history_length": log1p(1), "query_history_length": 0}
    assert facts(rows, known(ordered=False)) == pytest.approx(expected)


def test_a_query_is_known_by_its_engagements_and_not_by_the_vocabulary() -> None:
    """Which knows the rows that are not to be known, too."""
    unseen = {"query": QueryBlock(matrix(*RESERVED, NOTHING, [0, 1, 0, 0]))}
    unknown = FACTS | {"query_engagements": 0, "query_known": 0}
    assert facts(request(**FULL), blocks=unseen) == pytest.approx(unknown)
    assert facts(request(**FULL), blocks={}) == pytest.approx(unknown)  # nor where the block is switched off
    new = facts(request(query=2))
    assert new == pytest.approx(dict.fromkeys(FACTS, 0.0) | {"query_length": log1p(1)})


def test_the_features_of_blocks_stand_side_by_side() -> None:
    pairs = gathered(request(**FULL)).pairs(np.array([[1, 2, 3]]))
    alone = [features(block)[name] for block in BLOCKS.values() for name in block.columns]
    assert pairs.shape == (1, 3, 2 + 3 + 2) and pairs.dtype == np.float32
    np.testing.assert_array_equal(pairs[0].T, alone)


def test_padding_is_zero_and_candidates_are_read_where_they_stand() -> None:
    evidence = gathered(request(**FULL))
    straight, mixed = evidence.pairs(np.array([[1, 2, 3]])), evidence.pairs(np.array([[0, 3, 0, 1]]))
    nothing = np.zeros(7)
    np.testing.assert_array_equal(mixed[0], [nothing, straight[0, 2], nothing, straight[0, 0]])
    assert straight[0, :, 5:].any()  # popularity, that padding would have without a mask


def test_without_blocks_there_are_no_features() -> None:
    evidence = gathered(request(**FULL), blocks={})
    assert evidence.pairs(np.array([[1, 2]])).shape == (1, 2, 0)
    assert evidence.sources() == {}


def test_sources_of_candidates_come_with_the_setting_of_their_size() -> None:
    found = gathered(request(**FULL)).sources()
    assert {name: size for name, (size, _) in found.items()} == {
        "affinity": "affinity",
        "query": "query",
        "task_popularity": "popularity",
    }
    np.testing.assert_allclose(found["query"][1], [[0, 6, 0, 0]])
    np.testing.assert_allclose(found["affinity"][1], [[0, 0.2, 0.5, -0.1]])
    np.testing.assert_allclose(found["task_popularity"][1], [[0, 8, 2, 0]])
