from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from features.encoder import TextEncoder
from tests.training.evaluation.small_world import asking, catalogue, events
from training.evaluation.baselines.base import World
from training.evaluation.baselines.vectors import Vectors

TITLES = ["red chair", "blue chair", "piano lamp", None, "rock jazz"]
ITEMS = catalogue(*"abcde", title=TITLES, text=[None, None, None, " ", None])
HISTORY = events(
    *(
        {"user_id": user, "item_id": item, "order": order, "split": "train"}
        for user, items in {"u": "ab", "v": "d", "w": "ba"}.items()
        for order, item in enumerate(items)
    )
)
COUNTS = [2.0, 2.0, 0.0, 1.0, 0.0]


def fitted(model: str, rows: pl.DataFrame = HISTORY, recency: float = 0.0) -> Vectors:
    baseline = Vectors(recency=recency, model=model)
    baseline.fit(World(ITEMS, rows, rows))
    return baseline


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


@pytest.fixture
def raw(tiny_encoder: str) -> NDArray[np.float32]:
    """Vectors of the items that have a text: a, b, c and e."""
    return TextEncoder(tiny_encoder).encode(["red chair", "blue chair", "piano lamp", "rock jazz"])


def test_a_query_is_compared_with_title_and_text(tiny_encoder: str, raw: NDArray[np.float32]) -> None:
    requests = asking(request_id=["1", "2"], query=[" blue chair ", "jazz"], source_item_id=["a", None])
    found = fitted(tiny_encoder).scores(requests)
    assert found[0, 1] == pytest.approx(1)
    assert found[:, 3].tolist() == [0, 0]  # no text
    jazz = TextEncoder(tiny_encoder).encode(["jazz"])[0]
    assert found[1, [0, 1, 2, 4]] == pytest.approx(raw @ jazz, abs=1e-5)


def test_items_are_compared_with_items_around_their_mean(tiny_encoder: str, raw: NDArray[np.float32]) -> None:
    centred = unit(raw - raw.mean(axis=0))
    requests = asking(request_id=["1", "2"], query=[None, ""], source_item_id=["c", "c"], user_id=["u", None])
    found = fitted(tiny_encoder).scores(requests)
    assert found[0, [0, 1, 2, 4]] == pytest.approx(centred @ centred[2], abs=1e-5)
    assert found[1].tolist() == pytest.approx(found[0].tolist(), abs=1e-6)
    assert found[0, 3] == 0


@pytest.mark.parametrize(("recency", "older"), [(0.0, 1.0), (1.0, 1 / 2), (2.0, 1 / 4)])
def test_a_history_is_the_mean_of_its_items(
    tiny_encoder: str, raw: NDArray[np.float32], recency: float, older: float
) -> None:
    centred = unit(raw - raw.mean(axis=0))
    requests = asking(request_id=["1", "2"], task=["recommendation"] * 2, user_id=["u", "w"])
    found = fitted(tiny_encoder, recency=recency).scores(requests)
    newest_b, newest_a = unit(older * centred[0] + centred[1]), unit(centred[0] + older * centred[1])
    assert found[0, [0, 1, 2, 4]] == pytest.approx(centred @ newest_b, abs=1e-5)
    assert found[1, [0, 1, 2, 4]] == pytest.approx(centred @ newest_a, abs=1e-5)


def test_popularity_is_served_where_no_text_speaks_for_a_request(tiny_encoder: str) -> None:
    requests = asking(
        request_id=list("12345"),
        query=["lamp", None, None, " ", None],
        source_item_id=[None, "d", "ghost", None, "d"],
        user_id=[None, None, "nobody", "v", "u"],
    )
    found = fitted(tiny_encoder).scores(requests)
    assert found[0].max() < 1.01
    assert found[1:4].tolist() == [COUNTS] * 3
    history = fitted(tiny_encoder).scores(asking(request_id=["5"], user_id=["u"]))[0]
    assert found[4].tolist() == pytest.approx(history.tolist(), abs=1e-6)


def test_a_catalogue_without_a_text_needs_no_encoder() -> None:
    baseline = Vectors(model="of-no-such-name")
    baseline.fit(World(catalogue("a", "b"), HISTORY[:1], HISTORY[:1]))
    assert baseline.scores(asking(request_id=["1"], query=["red"])).tolist() == [[1, 0]]


def test_recency_is_tried_only_where_histories_have_an_order() -> None:
    assert len(Vectors.choices(World(ITEMS, HISTORY, HISTORY))) == 3
    timeless = HISTORY.with_columns(pl.lit(None, dtype=pl.Int64).alias("order"))
    assert Vectors.choices(World(ITEMS, timeless, timeless)) == ({},)
