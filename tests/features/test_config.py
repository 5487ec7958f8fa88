from __future__ import annotations

import pytest

from features.config import CountConfig, FeatureConfig, TextConfig
from features.errors import DataError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextConfig(buckets=1), "features.text.buckets is 1, it must be at least 2."),
        (lambda: TextConfig(max_tokens=0), "features.text.max_tokens is 0, it must be at least 1."),
        (lambda: CountConfig(affinity_l2=0.0), "features.counts.affinity_l2 is 0.0, it must be at least 0.01."),
        (
            lambda: CountConfig(affinity_l2=float("nan")),
            "features.counts.affinity_l2 is nan, it must be at least 0.01.",
        ),
        (lambda: FeatureConfig(graph_width=0), "features.graph_width is 0, it must be at least 1."),
        (
            lambda: FeatureConfig(history_window="oldest"),
            "features.history_window is 'oldest'. Choose one of latest, random.",
        ),
        (lambda: FeatureConfig(history=0), "features.history is 0, it must be at least 1."),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_where_it_is_made(make: object, message: str) -> None:
    with pytest.raises(DataError) as error:
        make()  # type: ignore[operator]
    assert str(error.value) == message


def test_the_defaults_stand() -> None:
    assert FeatureConfig().text.model == "packaged"
