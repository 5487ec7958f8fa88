from __future__ import annotations

import numpy as np
import pytest

from tests.features.feature_world import file_of
from tests.training.prepared import Prepared
from training.columns import map_events, map_lists


@pytest.fixture(scope="module")
def prepared(tiny_encoder):
    return Prepared(tiny_encoder, ordered=True)


def test_mapped_events_are_the_same_and_on_disk(prepared, tmp_path):
    mapped = map_events(prepared.seen, tmp_path)
    assert file_of(mapped.rows.item) is not None and file_of(mapped.table.tokens) is not None
    for name, column in prepared.seen.rows._asdict().items():
        np.testing.assert_array_equal(getattr(mapped.rows, name), column)
    np.testing.assert_array_equal(mapped.past.end, prepared.seen.past.end)
    np.testing.assert_array_equal(mapped.past.query_end, prepared.seen.past.query_end)
    np.testing.assert_array_equal(mapped.table.static, prepared.seen.table.static)


def test_mapped_lists_are_the_same_and_on_disk(prepared, tmp_path):
    lists = prepared.lists()
    mapped = map_lists(lists, tmp_path)
    assert file_of(mapped.pairs) is not None and len(mapped) == len(lists)
    for name in ("item", "label", "weight", "pairs", "facts"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(lists, name))
