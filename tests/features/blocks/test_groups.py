from __future__ import annotations

from dataclasses import replace
from math import log, log1p

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.blocks.groups import GroupBlock, deepest
from features.blocks.log import Log
from features.evidence import Evidence
from features.history import History
from tests.features.blocks import block_world
from tests.features.blocks.block_world import (
    FULL,
    GROUP,
    NOTHING,
    RESERVED,
    ROWS,
    SIZES,
    TABLE,
    assert_told,
    events,
    features,
    known,
    matrix,
    request,
    telling,
    world,
)

BLOCK = GroupBlock(  # item 1 is of group 2, the others of group 3
    group=GROUP,
    share=np.array([0, 0, 0.75, 0.25], dtype=np.float32),
    by_source=matrix(NOTHING, NOTHING, NOTHING, [0, 0, 1, 3]),
    by_word=matrix([0, 0, 0.5, 0.25], [0, 0, 0, 0.1]),
    by_country=matrix(*RESERVED, [0, 1, 1, 0]),
)
# What the four parts below multiply up to, for items of group 2 and of group 3.
LIFT = (
    (3.25 / 5 / 0.75) * (1.45 / 2.7 / 0.75) * (3.25 / 7 / 0.75) * (0.2875 / 0.475 / 0.75),
    (1.75 / 5 / 0.25) * (1.25 / 2.7 / 0.25) * (3.75 / 7 / 0.25) * (0.1875 / 0.475 / 0.25),
)
EXPECTED = {
    # Twice 1 engagement with items 1 and 2 in the country, and a tenth of twice 4, 1 and 0 engagements anywhere.
    "by_group": [log1p((2 + 0.8) * LIFT[0]), log1p((2 + 0.2) * LIFT[1]), 0],
    # The user has one item of either group, and 3 more by popularity; the latest item counts 1, the one before 0.7.
    "group_affinity": [log((1 + 3 * 0.75) / 5 / 0.75)] + [log((1 + 3 * 0.25) / 5 / 0.25)] * 2,
    "group_recent": [log((0.7 + 0.75) / 2.7 / 0.75)] + [log((1 + 0.25) / 2.7 / 0.25)] * 2,
    "group_source": [log((1 + 3 * 0.75) / 7 / 0.75)] + [log((3 + 3 * 0.25) / 7 / 0.25)] * 2,
    # Means over the two words: 0.25 and 0.175.
    "group_query": [log((0.25 + 0.05 * 0.75) / 0.475 / 0.75)] + [log((0.175 + 0.05 * 0.25) / 0.475 / 0.25)] * 2,
}


def fitted(source: list[int], item: list[int]) -> GroupBlock:
    """Return the groups of engagements in a catalogue whose item 3 is of no group."""
    rows = events(len(item), source=np.array(source, dtype=np.int64), item=np.array(item, dtype=np.int64))
    return GroupBlock.fit(block_world.log(rows), replace(world(), group=np.array([0, 2, 3, 0])))


def engaged(*item: int, ordered: bool = True) -> History:
    return History.build(np.full(len(item), 2), np.array(item, dtype=np.int64), 4, ordered=ordered)


def by_user(block: GroupBlock, history: History, **fields: int) -> dict[str, list[float]]:
    """Return what is told where the user has this history."""
    rows = request(user=2, **fields)._replace(end=history.ends(np.array([2])))
    return features(block, rows, reads=known(history=history))


def test_the_group_is_the_deepest_level() -> None:
    levels = np.array([[0, 0], [2, 5], [2, 0], [0, 0]])
    np.testing.assert_array_equal(deepest(levels), [0, 5, 2, 0])


def test_engagements_are_counted_by_group() -> None:
    found = GroupBlock.fit(block_world.log(), world())
    # Three engagements of group 2 and one of group 3, and one more of each.
    np.testing.assert_allclose(found.share, [0, 0, 4 / 6, 2 / 6], rtol=1e-6)
    by_source = [NOTHING, NOTHING, NOTHING, [0, 0, 1, 1]]  # next to item 3, of group 3
    np.testing.assert_array_equal(found.by_source.toarray(), by_source)
    # Word "a" led to group 2 twice and to group 3 once, word "b" once to each; 5 with nothing come on top.
    np.testing.assert_allclose(found.by_word.toarray(), [[0, 0, 2 / 8, 1 / 8], [0, 0, 1 / 7, 1 / 7]], rtol=1e-6)
    np.testing.assert_array_equal(found.by_country.toarray(), [*RESERVED, [0, 2, 1, 0]])
    np.testing.assert_array_equal(found.group, GROUP)


def test_features_by_hand() -> None:
    assert_told(BLOCK, EXPECTED)


def test_each_field_is_told_of_on_its_own() -> None:
    assert telling(BLOCK, user=2) == {"group_affinity", "group_recent", "by_group"}
    assert telling(BLOCK, source=3) == {"group_source", "by_group"}
    assert telling(BLOCK, query=1) == {"group_query", "by_group"}
    assert not telling(BLOCK, user=1, country=2, query=2)
    for name, fields in (
        ("group_affinity", {"user": 2}),
        ("group_source", {"source": 3}),
        ("group_query", {"query": 1}),
    ):
        np.testing.assert_allclose(features(BLOCK, request(**fields))[name], EXPECTED[name], rtol=1e-4)


def test_items_without_a_group_count_for_none() -> None:
    block = fitted([1, 3, 1], [2, 2, 3])
    np.testing.assert_allclose(block.share, [0, 0, 1 / 4, 3 / 4])  # two engagements of group 3, one more of each
    assert block.by_source.toarray()[2].tolist() == [0, 0, 0, 1]
    assert block.by_source.sum() == 1
    found = by_user(block, engaged(1, 3, 3))
    assert [found[name][2] for name in block.columns[1:]] == [0, 0, 0, 0]
    assert found["by_group"][0] > 0 == found["by_group"][2]  # nobody engaged with item 3


def test_a_context_that_says_nothing_lifts_nothing() -> None:
    rows = request(country=2)
    evidence = Evidence.gather(rows, rows, TABLE, known(), {"groups": BLOCK})
    np.testing.assert_array_equal(BLOCK.likely(evidence.whole), np.ones((1, 4)))
    assert not any(map(any, features(BLOCK, rows).values()))


def test_lifts_multiply_up() -> None:
    block = fitted([1, 1], [1, 2])
    history = engaged(1, 1, 1)
    # Shares 1/2 and 1/2: three engagements of the user, the same fading, and one of two next to the source item.
    recent = 1 + 0.7 + 0.7**2
    expected = [log((3 + 1.5) / 6 / 0.5), log((recent + 0.5) / (recent + 1) / 0.5), log((1 + 1.5) / 5 / 0.5), 0]
    found = by_user(block, history, source=1)
    np.testing.assert_allclose([found[name][0] for name in block.columns[1:]], expected, atol=1e-6)
    rows = request(user=2, source=1)._replace(end=history.ends(np.array([2])))
    evidence = Evidence.gather(rows, rows, TABLE, known(history=history), {"groups": block})
    np.testing.assert_allclose(block.likely(evidence.whole)[0, 2], np.exp(sum(expected)), rtol=1e-5)


def test_the_latest_ten_engagements_are_recent() -> None:
    history = engaged(1, 1, *[2] * 10)
    none = 0 + 0.75  # of group 2, and its share of the one engagement that popularity counts for
    total = sum(0.7**age for age in range(10)) + 1
    np.testing.assert_allclose(by_user(BLOCK, history)["group_recent"][0], log(none / total / 0.75), rtol=1e-4)


def test_without_order_nothing_is_recent_and_a_hidden_item_is_out() -> None:
    rows = request(**FULL)._replace(hide=np.array([[2]]))
    found = features(BLOCK, rows, reads=known(ordered=False))
    assert found["group_recent"] == [0, 0, 0]
    expected = [log((1 + 3 * 0.75) / 4 / 0.75)] + [log((0 + 3 * 0.25) / 4 / 0.25)] * 2  # item 1 alone
    np.testing.assert_allclose(found["group_affinity"], expected, rtol=1e-4)


def test_knowledge_ends_where_the_row_says() -> None:
    found = features(BLOCK, request(**FULL)._replace(end=np.array([1])))  # item 1 alone
    np.testing.assert_allclose(found["group_affinity"][0], log((1 + 3 * 0.75) / 4 / 0.75), rtol=1e-4)
    np.testing.assert_allclose(found["group_recent"][0], log((1 + 0.75) / 2 / 0.75), rtol=1e-4)


def test_a_catalogue_without_categories() -> None:
    none, sizes = np.zeros(4, dtype=np.int64), SIZES._replace(categories=2)
    log = Log.of(ROWS, np.ones(6, dtype=bool), world().home, sizes, ordered=True)
    block = GroupBlock.fit(log, replace(world(), group=none))
    assert not block.share.any() and block.by_source.nnz == block.by_word.nnz == 0
    assert not any(map(any, features(block).values()))


@given(st.lists(st.integers(1, 3), max_size=20), st.randoms())
def test_the_order_of_rows_does_not_matter(items: list[int], random) -> None:
    shuffled = random.sample(items, len(items))
    one, other = fitted([1] * len(items), items), fitted([1] * len(items), shuffled)
    np.testing.assert_array_equal(one.share, other.share)
    np.testing.assert_array_equal(one.by_source.toarray(), other.by_source.toarray())


def test_a_request_may_have_every_group_at_once() -> None:
    assert_told(
        replace(BLOCK, by_source=matrix(*[[0.0] * 4] * 3, [0, 0, 3, 1])),
        EXPECTED
        | {
            "group_source": [log((3 + 3 * 0.75) / 7 / 0.75)] + [log((1 + 3 * 0.25) / 7 / 0.25)] * 2,
            "by_group": [
                log1p((2 + 0.8) * LIFT[0] * 5.25 / 3.25),
                log1p((2 + 0.2) * LIFT[1] * 1.75 / 3.75),
                0,
            ],
        },
    )
