from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.evidence import REQUEST_FEATURES
from tests.training.prepared import EXCLUDED, STAGE, Prepared
from training.config import DropoutConfig


@pytest.fixture(scope="module", params=[True, False], ids=["ordered", "set"])
def prepared(request, tiny_encoder):
    return Prepared(tiny_encoder, ordered=request.param)


@pytest.fixture(scope="module")
def lists(prepared):
    return prepared.lists()


def test_targets_come_first_and_nothing_else_is_one(prepared, lists):
    assert (lists.label[:, 2:] == 0).all()
    assert set(lists.label.ravel()) == {0.0, 1.0}
    assert (lists.item[lists.label == 1] > 0).all()
    told = prepared.fitted.rows.take(prepared.told(prepared.engine))
    assert lists.label.sum() == len(told.item)  # every engaged row that can be served is a target once
    assert np.bincount(lists.item[lists.label == 1]).tolist() == np.bincount(told.item).tolist()


def test_a_target_that_is_no_candidate_is_left_out(prepared):
    """Were it kept, what marks items that are no candidates would look like a mark of targets."""
    few = replace_engine(prepared, prepared.narrow)
    told, all_told = prepared.told(prepared.narrow), prepared.told(prepared.engine)
    assert len(told) < len(all_told)
    assert few.label.sum() == len(told)
    assert ((few.weight > 0) & (few.item > 0)).any(axis=1).all()  # and no list is left with nothing to tell


def replace_engine(prepared, engine):
    wide, prepared.engine = prepared.engine, engine
    try:
        return prepared.lists()
    finally:
        prepared.engine = wide


def test_logged_zeros_come_after_the_targets(prepared, lists):
    rows = prepared.fitted.rows
    for place, pages in enumerate(prepared.pages(lists)):
        listed = {int(item) for item in lists.item[place, 2:4] if item}
        if lists.label[place, 0]:
            shown = [{int(rows.item[row]) for row in page if not rows.engaged[row]} for page in pages]
            assert any(listed <= zeros for zeros in shown)  # those that are no candidates are left out
    assert (lists.item[:, 2:4] > 0).any()


def test_a_request_without_a_target_brings_its_zeros_alone(lists):
    idle = lists.label.sum(axis=1) == 0
    assert idle.any()
    assert (lists.item[idle][:, :2] == 0).all() and (lists.item[idle][:, 4:] == 0).all()
    zeros = lists.item[idle][:, 2:4]
    assert (zeros > 0).any(axis=1).all()
    assert (lists.weight[idle][:, 2:4][zeros > 0] < 1).all()  # what they are among the candidates
    assert (lists.weight[idle][:, 2:4][zeros > 0] > 0).all()


def test_no_target_of_a_request_is_its_negative(prepared, lists):
    rows = prepared.fitted.rows
    for place, pages in enumerate(prepared.pages(lists)):
        negatives = set(lists.item[place, 4:]) - {0}
        assert any(negatives.isdisjoint(rows.item[page][rows.engaged[page]]) for page in pages)


def test_nothing_that_the_user_likes_is_a_negative_where_seen_items_are_left_out(prepared, lists):
    history = prepared.features.history
    checked = 0
    for place in np.flatnonzero(EXCLUDED[lists.rows.task] & (lists.rows.owner > 1)):
        owner = lists.rows.owner[place]
        liked = history.item[history.start[owner] : history.start[owner + 1]]
        assert not set(lists.item[place, 4:]) & set(liked.tolist())
        checked += 1
    assert checked > 10


def test_where_seen_items_stay_candidates_they_may_be_negatives(prepared, lists):
    history = prepared.features.history
    known = 0
    for place in np.flatnonzero((lists.rows.task == 0) & (lists.rows.owner > 1)):
        owner = lists.rows.owner[place]
        liked = history.item[history.start[owner] : history.start[owner + 1]]
        known += len(set(lists.item[place, 4:]) & set(liked.tolist()))
    assert known > 0


def test_the_source_item_and_items_of_other_countries_are_no_negatives(prepared, lists):
    source = lists.rows.source[:, None]
    assert not ((lists.item[:, 4:] == source) & (source > 0)).any()
    shown = prepared.features.catalogue.shown_in
    for place in np.flatnonzero(lists.rows.country > 0):
        negatives = lists.item[place, 4:]
        assert shown(int(lists.rows.country[place]))[negatives[negatives > 0]].all()


def test_padding_has_no_label_and_no_features(lists):
    padding = lists.item == 0
    assert padding.any()
    assert (lists.label[padding] == 0).all()
    assert (lists.pairs[padding] == 0).all()
    assert np.isfinite(lists.pairs).all()


def test_lists_are_a_function_of_the_seed(prepared, lists):
    again, other = prepared.lists(), prepared.lists(seed=1)
    for name in ("item", "label", "weight", "pairs", "facts"):
        np.testing.assert_array_equal(getattr(again, name), getattr(lists, name))
    assert not np.array_equal(other.item, lists.item)


def test_there_are_no_more_lists_than_configured(prepared):
    few = prepared.lists(max_lists=7)
    assert 0 < len(few) == len(few.label) == len(few.pairs) == len(few.facts) == len(few.rows.task) <= 7


def test_weights_are_those_of_the_rows(prepared):
    lists = prepared.lists()
    targets = lists.label[:, :2] == 1
    assert lists.weight[:, :2][targets] == pytest.approx(1.0)  # every label and weight of this world is 1
    several = targets.all(axis=1)
    assert several.any()
    shown = slice(2, 2 + STAGE.zeros)
    drawn = slice(2 + STAGE.zeros, None)
    assert lists.weight[several][:, drawn] == pytest.approx(2.0)
    assert lists.weight[~several & targets[:, 0]][:, drawn] == pytest.approx(1.0)
    # What was shown counts for the share of the candidates that is drawn: 8 of those that the request has.
    ratio = lists.weight[:, shown] / lists.weight[:, drawn][:, :1]
    assert (ratio < 1).all() and (ratio >= STAGE.hard / (prepared.features.catalogue.rows - 1) - 1e-6).all()


def test_hidden_users_have_no_history(prepared):
    lists = prepared.lists(DropoutConfig(user=1.0))
    assert (lists.rows.user == 0).all()
    assert (lists.rows.owner == 0).all()
    assert (lists.facts[:, REQUEST_FEATURES.index("history_length")] == 0).all()


def test_a_list_is_described_as_it_will_be_served(prepared, lists):
    """The features of a list are those that the engine gives the same request with the same candidates."""
    requests = lists.requests.take(slice(0, 20))
    block = prepared.engine.prepare(requests, prepared.engine.excluded(()))
    pairs = prepared.engine.pairs(block, lists.item[:20].astype(np.int64))
    np.testing.assert_allclose(pairs, lists.pairs[:20], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(block.contexts.facts.numpy(), lists.facts[:20], rtol=1e-6)


def test_a_world_without_zeros_has_none_in_its_lists(tiny_encoder):
    one = Prepared(tiny_encoder, ordered=True)
    rows = one.seen.rows._replace(label=np.ones_like(one.seen.rows.label))
    one.seen = replace(one.seen, rows=rows)
    lists = one.lists()
    assert (lists.item[:, 2:4] == 0).all()
    assert (lists.label[:, :2] == 1).any(axis=1).all()


def test_pages_of_many_targets_are_cut_and_still_no_target_is_a_negative(tiny_encoder):
    one = Prepared(tiny_encoder, ordered=True)
    rows, past = one.seen.rows, one.seen.past
    page = np.flatnonzero(one.own & (rows.task == 1))[:12]

    def alike(column):
        changed = column.copy()
        changed[page] = column[page[0]]
        return changed

    label = rows.label.copy()
    label[page] = 1
    context = {name: alike(getattr(rows, name)) for name in ("request", "user", "country")}
    past = past._replace(end=alike(past.end), query_end=alike(past.query_end))
    one.seen = replace(one.seen, rows=rows._replace(label=label, **context), past=past)
    lists = one.lists()
    targets = set(rows.item[page].tolist())
    of_page = [n for n in range(len(lists)) if lists.label[n, 1] and set(lists.item[n, :2].tolist()) <= targets]
    assert len(of_page) >= 4  # twelve targets, two a list, but for those that the user has seen
    of_user = [n for n in of_page if lists.rows.user[n] == context["user"][page[0]]]
    assert len(of_user) >= 4
    assert not any(targets & set(lists.item[n, 4:].tolist()) for n in of_user)
