from __future__ import annotations

from math import log

import numpy as np

from features.blocks.country import CountryBlock
from tests.features.blocks import block_world
from tests.features.blocks.block_world import RESERVED, assert_told, matrix, telling, world

BLOCK = CountryBlock(matrix(*RESERVED, [0, 1, 1, 0]))


def test_engagements_are_counted_by_country() -> None:
    # Item 1 in country 2, and by user 2, who is at home there and does not say; one row is of an unknown country.
    found = CountryBlock.fit(block_world.log(), world()).by_country
    np.testing.assert_array_equal(found.toarray(), [*RESERVED, [0, 2, 1, 0]])


def test_features_by_hand() -> None:
    # On twice the scale: 2, 2 and 0 of 4 in the country, and half more than 8, 2 and 0 of 10 anywhere; 5 of these count
    # beside those of the country.
    expected = [
        log((2 + 5 * 0.85) / (4 + 5) / 0.85),
        log((2 + 5 * 0.25) / (4 + 5) / 0.25),
        log((0 + 5 * 0.05) / (4 + 5) / 0.05),
    ]
    assert_told(BLOCK, {"country_lift": expected})


def test_only_a_country_with_engagements_is_told_of() -> None:
    assert telling(BLOCK, country=2) == {"country_lift"}
    assert not telling(BLOCK, country=1)
    assert not telling(BLOCK, user=2, query=1, source=3)
