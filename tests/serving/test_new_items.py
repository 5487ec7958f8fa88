"""Items that come and go after the fit, without another one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from features.errors import DataError
from features.schema import SCHEMAS
from features.tables import conform
from serving.assemble import item_tensors
from serving.config import IndexConfig
from serving.engine import Engine
from serving.index import Index
from serving.ranker import Ranker
from tests.training.worlds import REQUESTS, events, items

NEW = pl.DataFrame({"item_id": ["n2", "n1"], "title": ["black lamp", "red chair"], "category": ["Home > lamp", None]})


@pytest.fixture
def fresh(fitted):
    return Ranker.load(fitted)


def listed(ranker, requests=REQUESTS, top_k=60):
    """Return the items of each request with their scores."""
    answer = ranker.rank(requests, top_k, exclude_seen=())
    return {
        request: dict(zip(rows["item_id"], rows["score"], strict=True))
        for (request,), rows in answer.group_by("request_id", maintain_order=True)
    }


def test_a_new_item_is_found_and_the_others_score_as_before(fresh):
    named = [{**request, "candidates": ["i1", "i2", "i30"]} for request in REQUESTS]
    before, count = fresh.score(named), fresh.items.height
    fresh.add_items(NEW)
    assert fresh.items.height == count + 2
    assert fresh.items.tail(2)["item_id"].to_list() == ["n1", "n2"]
    after = listed(fresh)
    assert all({"n1", "n2"} <= set(found) for found in after.values())  # there are fewer items than are asked for
    scores = fresh.score(named)
    assert scores.drop("score").equals(before.drop("score"))
    np.testing.assert_allclose(scores["score"], before["score"], rtol=1e-4, atol=1e-4)


def test_what_is_found_is_what_is_scored(fresh):
    fresh.add_items(NEW)
    named = [{**request, "candidates": ["n2", "i1", "n1"]} for request in REQUESTS]
    found, scored = listed(fresh), fresh.score(named)
    ranked = set(
        fresh.candidates(REQUESTS, 1)
        .filter(pl.col("item_id").is_in(["n1", "n2"]))
        .select("request_id", "item_id")
        .rows()
    )
    assert ranked
    for request, item in ranked:
        (score,) = scored.filter(request_id=request, item_id=item)["score"]
        assert found[request][item] == pytest.approx(score, rel=1e-4, abs=1e-4)


@torch.inference_mode()
def test_its_vector_is_that_of_its_content(fresh):
    """An item without its id: the vector of a new one with the same content."""
    engine, (row,) = fresh.engine, fresh.engine.features.catalogue.ids.rows(pl.Series(["i5"]))
    content = items().filter(item_id="i5").with_columns(item_id=pl.lit("twin"))
    fresh.add_items(content)
    twin = item_tensors(fresh.engine.features).take(torch.tensor([-1]))
    known = item_tensors(engine.features).take(torch.tensor([int(row)]))
    for part in ("text", "tokens", "category", "countries", "vectors"):
        assert torch.equal(getattr(twin, part), getattr(known, part))
    assert (twin.row, twin.exposure) == (0, 0) and known.exposure > 0
    quality = known._replace(quality=twin.quality, graph=twin.graph, quality_missing=twin.quality_missing)
    without_id = engine.model.encode_items(quality._replace(exposure=torch.zeros(1)))
    for part, expected in zip(fresh.engine.side, without_id, strict=True):
        torch.testing.assert_close(part[-1:], expected)


def test_it_can_be_a_source_and_an_answer_goes_without_it(fresh):
    fresh.add_items(NEW)
    answer = listed(fresh, [{"request_id": "a", "task": "similar", "source_item_id": "n1"}])
    assert len(answer["a"]) == 40 + 2 - 1 and "n1" not in answer["a"]


def test_a_removed_item_is_gone_at_once_and_comes_back_as_it_was(fresh):
    before = listed(fresh)
    gone = ["i3", "i8"]
    fresh.remove_items(gone)
    after = listed(fresh)
    for request, found in before.items():
        assert after[request].keys() == found.keys() - set(gone)
    assert not set(fresh.items["item_id"]) & set(gone)
    assert not set(fresh.candidates(REQUESTS, 60, exclude_seen=())["item_id"]) & set(gone)
    with pytest.raises(DataError, match=r"1 candidates are not in the catalogue of the run, e\.g\. 'i3'"):
        fresh.score([{"task": "search", "candidates": ["i1", "i3"]}])
    fresh.add_items(pl.DataFrame({"item_id": gone}))
    assert listed(fresh) == before


def test_new_and_removed_together(fresh):
    fresh.add_items(NEW)
    fresh.remove_items(["n1", "i2"])
    fresh.add_items(pl.DataFrame({"item_id": ["n3", "n1"], "title": ["green lamp", "nothing of this is read"]}))
    found = listed(fresh)
    for ranked in found.values():
        assert {"n1", "n2", "n3"} <= ranked.keys() and "i2" not in ranked
    assert fresh.items.filter(item_id="n1")["title"].item() == "red chair"


def test_the_run_itself_stays_what_it_is(fresh, fitted):
    before = listed(Ranker.load(fitted))
    fresh.add_items(NEW)
    fresh.remove_items(["i1"])
    assert listed(Ranker.load(fitted)) == before


def test_the_engine_that_items_are_added_to_stays_what_it_is(fresh):
    engine = fresh.engine
    before = listed(fresh)
    fresh.add_items(NEW)
    fresh.remove_items(["i1"])
    assert listed(Ranker(engine, fresh.facts)) == before


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF2,PQ4x4"])
def test_every_kind_of_index_takes_them(fresh, factory):
    engine = fresh.engine
    index = Index.build(engine.side.indexed, IndexConfig(factory=factory, nprobe=2))
    ranker = Ranker(Engine(engine.features, engine.model, engine.config, engine.side, index, engine.ties), fresh.facts)
    ranker.add_items(NEW)
    ranker.remove_items(["i7", "n2"])
    found = listed(ranker)
    assert all("n1" in ranked and not {"i7", "n2"} & ranked.keys() for ranked in found.values())
    vectors = ranker.engine.side.indexed.numpy()
    assert len(vectors) == len(ranker.engine.index.vectors) == 40 + 1 + 2
    np.testing.assert_array_equal(vectors, ranker.engine.index.vectors.numpy())


def test_what_is_not_there_cannot_be_removed(fresh):
    with pytest.raises(DataError) as error:
        fresh.remove_items(["i1", "nowhere"])
    assert str(error.value) == "items to remove: 'nowhere' is not in the catalogue. Leave it out."
    assert "i1" in fresh.items["item_id"]


def test_what_is_there_cannot_be_added(fresh):
    before = listed(fresh)
    with pytest.raises(DataError) as error:
        fresh.add_items(pl.DataFrame({"item_id": ["n1", "i1"]}))
    assert str(error.value) == "new items: 1 are in the catalogue already, e.g. 'i1'. Leave them out."
    assert listed(fresh) == before


def test_nothing_to_add_changes_nothing(fresh):
    before = listed(fresh)
    fresh.add_items(NEW.clear())
    assert listed(fresh) == before


def test_an_item_without_an_id_is_refused(fresh):
    for ids in (["q1", None], [None]):
        with pytest.raises(DataError, match="have no item_id"):
            fresh.add_items(pl.DataFrame({"item_id": pl.Series(ids, dtype=pl.String)}))
    with pytest.raises(DataError, match="item_id"):
        fresh.add_items(pl.DataFrame({"item_id": [1, 2]}))
    with pytest.raises(DataError, match="is int, it must be a string"):
        fresh.remove_items([1])


def test_what_is_removed_from_one_ranker_stays_with_another(fresh):
    known = conform(events().head(10).lazy(), SCHEMAS["events"], "events").collect()
    other = fresh.knowing(known)
    before = listed(fresh)
    other.remove_items(["i8"])
    assert listed(fresh) == before and "i8" not in other.items["item_id"]


def test_an_id_that_is_there_twice_is_refused_also_where_it_comes_back(fresh):
    fresh.remove_items(["i3"])
    for ids in (["i3", "i3"], ["n1", "n1"]):
        with pytest.raises(DataError, match="is there twice"):
            fresh.add_items(pl.DataFrame({"item_id": ids}))
    assert not {"i3", "n1"} & set(fresh.items["item_id"])
