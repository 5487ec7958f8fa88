from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.ials import Ials

ITEMS = catalogue(*(f"i{n}" for n in range(20)))


def checkerboard() -> pl.DataFrame:
    """Even users engage with even items and odd ones with odd items, but for one item each that is left to find."""
    return events(
        *(
            {"user_id": f"u{user}", "item_id": f"i{item}"}
            for user in range(20)
            for item in range(20)
            if user % 2 == item % 2 and user != item
        )
    )


def fitted(history: pl.DataFrame, **settings: float) -> Ials:
    baseline = Ials(**settings)
    baseline.fit(World(ITEMS, checkerboard(), history))
    return baseline


@pytest.mark.parametrize("settings", Ials.grid)
def test_what_is_missing_on_the_checkerboard_is_found(settings: dict[str, float]) -> None:
    names = [str(user) for user in range(20)]
    ours = fitted(checkerboard(), **settings)
    score = ours.scores(asking(request_id=names, user_id=[f"u{name}" for name in names]))
    other = np.where(np.arange(20)[:, None] % 2 == np.arange(20) % 2, -np.inf, score)
    assert (np.diag(score) > other.max(axis=1)).all()


def test_a_user_who_was_not_fitted_is_served_by_the_history() -> None:
    late = checkerboard().filter(pl.col("user_id") == "u3").with_columns(pl.lit("late").alias("user_id"))
    ours = fitted(pl.concat([checkerboard(), late]))
    score = ours.scores(asking(request_id=["1", "2"], user_id=["u3", "late"]))
    np.testing.assert_allclose(score[0], score[1], rtol=1e-5, atol=1e-6)


def test_two_fits_are_one() -> None:
    asked = asking(request_id=["1"], user_id=["u3"])
    first, second = fitted(checkerboard()), fitted(checkerboard())
    np.testing.assert_array_equal(first.scores(asked), second.scores(asked))
