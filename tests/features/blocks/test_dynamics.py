from __future__ import annotations

from math import log, log1p

import numpy as np

from features.blocks.dynamics import DynamicsBlock
from features.evidence import Evidence
from tests.features.blocks import block_world
from tests.features.blocks.block_world import (
    FULL,
    NOTHING,
    RESERVED,
    TABLE,
    assert_told,
    events,
    features,
    known,
    matrix,
    request,
    telling,
    vectors,
    world,
)

BLOCK = DynamicsBlock(  # decayed, and in the latest fourth, sixteenth and sixty-fourth of the engagements
    counts=vectors(NOTHING, [3, 2, 1, 0], [1, 0, 0, 0], NOTHING),
    percentiles=vectors(NOTHING, [0.75, 0.5, 0.5, 0], [0.25, 0, 0, 0], NOTHING),
    by_country=matrix(*RESERVED, [0, 1, 1, 0]),
)
ANYWHERE = {
    "decayed": [log1p(6), log1p(2), 0],  # counts are on twice their scale, percentiles have none
    "latest_4": [log1p(4), 0, 0],
    "latest_16": [log1p(2), 0, 0],
    "latest_64": [0, 0, 0],
    "percentile": [0.75, 0.25, 0],
    "percentile_4": [0.5, 0, 0],
    "percentile_16": [0.5, 0, 0],
    "percentile_64": [0, 0, 0],
}


def test_features_by_hand() -> None:
    # 2, 2 and 0 of 4 in the country, and half more than 6, 2 and 0 of 8 anywhere, of which 5 count beside those.
    lift = [
        log((2 + 5 * 6.5 / 8) / (4 + 5) / (6.5 / 8)),
        log((2 + 5 * 2.5 / 8) / (4 + 5) / (2.5 / 8)),
        log((0 + 5 * 0.5 / 8) / (4 + 5) / (0.5 / 8)),
    ]
    assert_told(BLOCK, ANYWHERE | {"country_recent": lift})


def test_only_a_country_with_engagements_is_told_of() -> None:
    everywhere = {name for name, values in ANYWHERE.items() if any(values)}
    assert telling(BLOCK, country=2) == everywhere | {"country_recent"}
    assert telling(BLOCK, user=2, query=1, source=3) == telling(BLOCK, country=1) == everywhere


def test_candidates_are_what_is_engaged_with_lately_in_the_country_and_a_little_what_is_anywhere() -> None:
    rows = request(**FULL)
    found = Evidence.gather(rows, rows, TABLE, known(), {"dynamics": BLOCK}).sources()
    assert found.keys() == {"recent"}
    np.testing.assert_allclose(found["recent"][1], [[0, 2 + 0.1 * 6, 2 + 0.1 * 2, 0]], rtol=1e-6)


def test_engagements_are_counted_by_how_late_they_came() -> None:
    """Item 1 came long before item 2; what was shown and not engaged with does not count, nor does an unknown time."""
    rows = events(
        5,
        item=[1, 2, 3, 3, 1],
        label=[1.0, 1.0, 0.0, 1.0, 1.0],
        time=[1.0, 100.0, 101.0, np.nan, 1.5],
        country=[2, 2, 2, 2, 1],
    )
    found = DynamicsBlock.fit(block_world.log(rows), world())
    assert found.counts[2, 0] > found.counts[1, 0] > 0 and not found.counts[[0, 3]].any()
    np.testing.assert_array_equal(found.counts[:, 1:], [[0] * 3, [0] * 3, [1] * 3, [0] * 3])  # the last of three
    np.testing.assert_array_equal(found.percentiles, [[0] * 4, [1, 0, 0, 0], [0.5, 1, 1, 1], [0] * 4])
    by_country = found.by_country.toarray()
    assert by_country[2, 2] > by_country[2, 1] > 0 and not by_country[:2].any() and not by_country[2, 3]


def test_without_times_there_is_nothing_to_say() -> None:
    block = DynamicsBlock.fit(block_world.log(), world())
    assert not any(map(any, features(block).values()))
