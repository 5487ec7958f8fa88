from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.blocks.external import ExternalBlock
from features.blocks.log import Log
from tests.features import feature_world
from tests.features.blocks import block_world
from tests.features.blocks.block_world import SIZES, assert_told, events, features, request, telling, vocabulary, world


def scores(*rows: tuple[str | None, str | None, float | None]) -> pl.DataFrame:
    names = {"user_id": pl.String, "item_id": pl.String, "score": pl.Float32}
    return pl.DataFrame(rows, schema=names, orient="row")


def fitted(*rows: tuple[str | None, str | None, float | None]) -> ExternalBlock:
    return ExternalBlock.fit(block_world.log(), world(scores(*rows)))


THREE = (("u2", "i1", 1.0), ("u2", "i2", 3.0), ("u3", "i1", 5.0))
UNIT = 2 / math.sqrt(8 / 3)  # the mean is 3, and the deviation that of -2, 0 and 2


def test_scores_are_standardised_over_the_table() -> None:
    block = fitted(*THREE)
    assert_told(block, {"external": [-UNIT, 0, 0], "external_known": [1, 1, 0]})
    assert_told(block, {"external": [UNIT, 0, 0], "external_known": [1, 0, 0]}, rows=request(user=3))


def test_pairs_that_come_twice_count_with_their_mean() -> None:
    twice = (("u2", "i1", 0.0), ("u2", "i1", 2.0), *THREE[1:])
    np.testing.assert_allclose(fitted(*twice).scores.toarray(), fitted(*THREE).scores.toarray(), rtol=1e-6)


@pytest.mark.parametrize(
    "row",
    [
        ("u9", "i1", 100.0),
        ("u2", "i9", 100.0),
        (None, "i1", 100.0),
        ("u2", None, 100.0),
        ("u3", "i3", math.nan),
        ("u3", "i3", math.inf),
        ("u3", "i3", None),
    ],
    ids=["new user", "new item", "no user", "no item", "nan", "inf", "null"],
)
def test_what_cannot_be_placed_is_no_score_and_moves_no_other(row: tuple[str | None, str | None, float | None]) -> None:
    np.testing.assert_array_equal(fitted(*THREE, row).scores.toarray(), fitted(*THREE).scores.toarray())


def test_the_order_of_the_rows_does_not_matter() -> None:
    np.testing.assert_array_equal(fitted(*THREE[::-1]).scores.toarray(), fitted(*THREE).scores.toarray())


def test_far_scores_are_cut_at_three_deviations() -> None:
    users = [f"u{n:02}" for n in range(20)]
    table = scores(("u00", "i1", 100.0), *((user, "i1", 0.0) for user in users[1:]))
    log = Log.of(events(0), np.zeros(0, dtype=bool), world().home, SIZES._replace(users=22), ordered=False)
    many = replace(world(table), known=world().known._replace(users=vocabulary(*users)))
    block = ExternalBlock.fit(log, many)
    assert features(block, request(user=2))["external"] == [3, 0, 0]  # 95 over a deviation of 21.8
    np.testing.assert_allclose(features(block, request(user=3))["external"][0], -5 / 21.7945, rtol=1e-4)


def test_scores_that_are_all_alike_say_no_more_than_that_there_are_some() -> None:
    block = fitted(("u2", "i1", 7.0), ("u3", "i1", 7.0))
    assert_told(block, {"external": [0, 0, 0], "external_known": [1, 0, 0]})


@pytest.mark.parametrize("table", [None, scores()])
def test_without_scores_there_is_nothing_to_say(table: pl.DataFrame | None) -> None:
    block = ExternalBlock.fit(block_world.log(), world(table))
    assert block.scores.shape == (4, 4) and block.scores.dtype == np.float32
    assert not telling(block, user=2)


def test_only_a_user_of_the_table_is_told_of() -> None:
    block = fitted(*THREE[:2])
    assert telling(block, user=2) == set(block.columns)
    assert not telling(block, user=3, country=2, query=1, source=3)
    assert not telling(block, user=1) and not telling(block)


def test_a_user_that_stands_in_for_none_has_no_scores() -> None:
    block, rows = fitted(*THREE), request()
    found = features(block, rows, filled=rows._replace(user=np.array([2])))
    assert not any(map(any, found.values()))


def test_from_the_table_of_a_data_folder_to_what_is_told(tiny_encoder: str) -> None:
    """A user whom no event names is told of, too; what was fitted without the table says nothing."""
    rows: dict[str, Any] = {"item_id": ["i1", "i2"], "user_id": ["a", "b"]}
    table = feature_world.table("scores", user_id=["a", "new", "a"], item_id=["i1", "i2", "i3"], score=[1.0, 5.0, 3.0])
    for given, expected in ((table, [-UNIT, 0, 0, 0, UNIT, 0]), (None, [0] * 6)):
        catalogue, frame = feature_world.items("i1", "i2", "i3"), feature_world.events(**rows)
        fitted, _ = feature_world.fit(catalogue, frame, tiny_encoder, scores=given)
        asked = feature_world.requests({"user_id": "a"}, {"user_id": "new"})
        pairs, _ = feature_world.told(fitted, *fitted.read_requests(asked))
        place = feature_world.columns().index("external")
        np.testing.assert_allclose(pairs[:, 1:, place].ravel(), expected, rtol=1e-5)
        assert (pairs[:, 1:, place + 1].sum() == 3) == (given is not None)
