from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from features.fitting import fit_features
from serving.assemble import model_sizes
from serving.config import ServingConfig
from tests.features.feature_world import TASKS, events, items
from tests.training.worlds import config
from training.config import DropoutConfig, SpaceStageConfig
from training.schedule import Schedule
from training.space_data import ByRequest, SpaceData, engagement_levels, task_weights
from training.space_stage import SpaceStage
from unicorn.model import UniCoRn

NO_DROPOUT = DropoutConfig(**dict.fromkeys(DropoutConfig.__dataclass_fields__, 0.0))
PLAN = Schedule(batch=6, round=1, rounds=1, fixed=True)


@pytest.fixture(scope="module")
def fitted(tiny_encoder):
    """Six items and ten rows: the last is not engaged, pages p and q have two rows, i1 and i2 come often."""
    table = events(
        user_id=["a", "b", "c", "a", "b", "c", "a", "b", "c", "a"],
        item_id=["i1", "i1", "i2", "i3", "i2", "i4", "i1", "i5", "i2", "i6"],
        task=["search"] * 4 + ["recommendation"] * 6,
        query=["red", "blue", "red", None] + [None] * 6,
        label=[1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        order=list(range(10)),
        request_id=["p", "p", None, "q", "q", None, None, None, None, "s"],
    )
    catalogue = items("i1", "i2", "i3", "i4", "i5", "i6", title=["red chair", "lamp", "chair", None, "blue lamp", "x"])
    settings = config(tiny_encoder).features
    settings = replace(settings, use=replace(settings.use, graph_part=True))
    return fit_features(catalogue, None, table, TASKS, settings, 0)


def stage(fitted, dropout=NO_DROPOUT, **changes):
    features, past = fitted
    settings = SpaceStageConfig(**({"uniform": 4, "task_balance": 0.0} | changes))
    data = SpaceData.build(features, past, np.ones(10, dtype=bool), settings, dropout, seed=0)
    torch.manual_seed(0)
    small = config("unused").model
    made = SpaceStage(UniCoRn(model_sizes(features), small), data, features, ServingConfig(), PLAN, None)
    torch.nn.init.normal_(made.model.space.items.shared.item.weight)  # ids start at zero; here they must differ
    made.on_train_epoch_start()
    return made


def naive_loss(stage, batch):
    """Sampled softmax, one row and one column at a time, as the formula says it."""
    features, space = stage.data.features, stage.model.space
    with torch.no_grad():
        vector = space.items(stage.items).vector
        source = vector[batch.contexts.source] * (batch.contexts.source != 0).unsqueeze(-1)
        context = space.contexts(batch.contexts, source, vector).vector[:, 0]
    hard = stage.data.config.hard_weight(batch.step)
    targets = batch.target.tolist()
    mined = stage.mined[batch.step].tolist() if hard else []
    engaged = [int(features.catalogue.ids.rows(pl.Series([i]))[0]) for i in ENGAGED]
    of_request = {}
    for item, request in zip(engaged, PAGES, strict=True):
        of_request.setdefault(request, set()).add(item)
    asked = stage.data.fitted.rows.request.tolist()[: len(PAGES)]
    page_of = dict(zip(asked, PAGES, strict=True))
    total = 0.0
    for row, target in enumerate(targets):
        own = of_request[page_of[int(batch.request[row])]]
        assert target in own

        def score(item, row=row):
            return space.scale.item() * float(context[row] @ vector[item])

        def expected(item):
            return len(targets) * engaged.count(item) / len(engaged) + (1 - hard) * len(batch.uniform) / 6

        terms = [math.exp(score(target)) / expected(target)]
        terms += [math.exp(score(item)) / expected(item) for item in targets if item not in own]
        uniform = [item for item in batch.uniform.tolist() if hard < 1 and item not in own]
        terms += [(1 - hard) * math.exp(score(item)) / expected(item) for item in uniform]
        terms += [hard * math.exp(score(item)) for item in mined if item and item not in own]
        zeros = zip(batch.zero.tolist(), batch.zero_of.tolist(), strict=True)
        terms += [math.exp(score(i)) for i, page in zeros if page == int(batch.request[row]) and i not in own]
        total += float(batch.weight[row]) * (math.log(sum(terms)) - math.log(terms[0]))
    return total / len(targets)


ENGAGED = ["i1", "i1", "i2", "i3", "i2", "i4", "i1", "i5", "i2"]
PAGES = ["p", "p", 2, "q", "q", 5, 6, 7, 8]  # of the engaged rows; a row without a page is one of its own


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("kinds", [{}, {"hard": 5, "hard_first": 0.25, "hard_last": 1.0, "hard_ramp": 3}])
def test_the_loss_is_the_corrected_softmax(fitted, step, kinds):
    """Uniform and mined columns share a weight of 1: at step 3 mined ones have all of it."""
    made = stage(fitted, **kinds)
    made.mined = torch.tensor([[1, 2, 3, 0, 6], [6, 6, 5, 4, 1], [2, 2, 2, 5, 0], [4, 3, 6, 1, 2]])
    made.plan = made.plan._replace(round=4)
    batch = made.make(step)
    assert made.loss(batch).item() == pytest.approx(naive_loss(made, batch), rel=1e-4)


def test_batches_hold_what_the_loss_has_to_leave_out(fitted):
    """Else the test above would test nothing."""
    made = stage(fitted)
    batches = [made.make(step) for step in range(4)]
    assert any(len(set(batch.target.tolist())) < 6 for batch in batches)
    assert any(len(set(batch.request.tolist())) < 6 for batch in batches)
    assert any(set(batch.target.tolist()) & set(batch.uniform.tolist()) for batch in batches)


def with_zeros(tiny_encoder):
    """Two pages that showed more than was engaged with, and one request of its own; four items are never engaged."""
    table = events(
        user_id=["a"] * 4 + ["b"] * 3 + ["c"],
        item_id=["i1", "i2", "i3", "i4", "i2", "i5", "i1", "i6"],
        label=[1.0, 0.0, 0.0, 4.0, 2.0, 0.0, 0.0, 1.0],
        order=list(range(8)),
        request_id=["p"] * 4 + ["q"] * 3 + ["r"],
    )
    catalogue = items("i1", "i2", "i3", "i4", "i5", "i6")
    return fit_features(catalogue, None, table, TASKS, config(tiny_encoder).features, 0)


def test_logged_zeros_are_negatives_of_their_own_request_alone(tiny_encoder):
    features, past = with_zeros(tiny_encoder)
    settings = SpaceStageConfig(uniform=1, zeros=3, task_balance=0.0)
    data = SpaceData.build(features, past, np.ones(8, dtype=bool), settings, NO_DROPOUT, 0)
    torch.manual_seed(0)
    plan = Schedule(batch=4, round=1, rounds=1, fixed=True)
    model = UniCoRn(model_sizes(features), config("unused").model)
    made = SpaceStage(model, data, features, ServingConfig(), plan, None)
    page = {0: {1, 4}, 1: {2}, 2: {6}}
    shown = {0: {2, 3}, 1: {5, 1}, 2: set()}
    drawn = {0: set(), 1: set(), 2: set()}
    for step in range(20):
        batch = made.make(step)
        columns = made.columns(batch)
        assert len(batch.zero) == 3  # one for each row of a page with zeros, of four rows
        for place, (item, request) in enumerate(zip(batch.zero.tolist(), batch.zero_of.tolist(), strict=True)):
            drawn[request].add(item)
            negative = ~columns.left_out[:, 5 + place]
            assert columns.item[5 + place] == item
            assert columns.log_weight[5 + place] == 0
            assert negative.tolist() == [own == request for own in batch.request.tolist()]
        for row, (target, request) in enumerate(zip(batch.target.tolist(), batch.request.tolist(), strict=True)):
            assert target in page[request]
            others = [column for column in range(4) if column != row and not columns.left_out[row, column]]
            assert not page[request] & set(columns.item[others].tolist())
    assert drawn == shown


def test_zeros_are_switched_off_by_none(tiny_encoder):
    features, past = with_zeros(tiny_encoder)
    settings = SpaceStageConfig(uniform=1, zeros=0)
    data = SpaceData.build(features, past, np.ones(8, dtype=bool), settings, NO_DROPOUT, 0)
    assert len(data.batches(Schedule(4, 1, 1, fixed=True))(0).zero) == 0


def test_levels_are_the_distinct_labels_or_as_many_of_them_each():
    assert engagement_levels(np.array([2.0, 1.0, 1.0, 5.0], dtype=np.float32)).tolist() == [2, 1, 1, 3]
    assert engagement_levels(np.array([3.0, 3.0], dtype=np.float32)).tolist() == [1, 1]
    graded = np.arange(1, 9, dtype=np.float32)
    assert engagement_levels(graded).tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_lists_of_requests():
    lists = ByRequest(np.array([0, 2, 2, 5]), np.array([7, 8, 4, 4, 9]))
    place, item = lists.lists(np.array([2, 1, 0]))
    assert place.tolist() == [0, 0, 0, 2, 2]
    assert item.tolist() == [4, 4, 9, 7, 8]
    drawn = np.array([lists.one_of(np.array([2, 1, 0]), np.random.default_rng(seed)) for seed in range(50)])
    assert [set(column) for column in drawn.T.tolist()] == [{4, 9}, {0}, {7, 8}]


def test_the_weight_of_mined_negatives_rises_in_a_line():
    ramp = SpaceStageConfig(hard=8, hard_first=0.25, hard_last=0.75, hard_ramp=100)
    assert [ramp.hard_weight(step) for step in (0, 50, 100, 1000)] == [0.25, 0.5, 0.75, 0.75]
    assert SpaceStageConfig(hard=0, hard_first=0.25).hard_weight(10) == 0


def test_only_engaged_rows_are_targets(fitted):
    made = stage(fitted)
    assert made.data.chosen.tolist() == list(range(9))
    assert made.data.weight.mean() == pytest.approx(1)
    assert made.data.weight[1] == pytest.approx(2 * made.data.weight[0])  # its label is 2


def test_rows_that_are_not_kept_are_no_targets(fitted):
    features, past = fitted
    kept = np.array([True] * 5 + [False] * 5)
    data = SpaceData.build(features, past, kept, SpaceStageConfig(), NO_DROPOUT, 0)
    assert data.chosen.tolist() == [0, 1, 2, 3, 4]
    assert data.frequency()[1:].tolist() == pytest.approx([2 / 5, 2 / 5, 1 / 5, 0, 0, 0])


def test_there_are_no_more_negatives_than_items(fitted):
    assert len(stage(fitted, uniform=1000).make(0).uniform) == 6
    negatives = torch.cat([stage(fitted).make(step).uniform for step in range(50)])
    assert set(negatives.tolist()) == {1, 2, 3, 4, 5, 6}  # uniform over the catalogue, without padding


def test_a_batch_is_a_function_of_its_step(fitted):
    dropout = DropoutConfig()
    one, other = stage(fitted, dropout).make(3), stage(fitted, dropout).make(3)
    for left, right in zip([*one.contexts, *one[2:]], [*other.contexts, *other[2:]], strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(one.uniform, stage(fitted, dropout).make(4).uniform)


def test_a_row_does_not_know_what_comes_after_it(fitted):
    """Rows 0 to 9 by order: user a engages with i1, i3, i1; rows of the pages p and q do not see each other."""
    made = stage(fitted)
    history = {}
    for step in range(3):
        batch = made.make(step)
        place = made.make.epochs.rows(step)
        history |= {
            int(row): [item for item in past.tolist() if item]
            for row, past in zip(place, batch.contexts.history, strict=True)
        }
    expected = {0: [], 1: [], 2: [], 3: [1], 4: [1], 5: [2], 6: [3, 1], 7: [2, 1], 8: [4, 2]}
    assert history == {row: expected[row] for row in history}
    assert len(history) == 9


@pytest.fixture(scope="module")
def long(tiny_encoder):
    """Users a and b engage with forty items in turn, one a minute, and twice with two on one page."""
    count = 80
    page = [f"p{row // 4}" if row in (40, 42, 60, 62) else None for row in range(count)]
    table = events(
        user_id=["ab"[row % 2] for row in range(count)],
        item_id=[f"i{row // 2:02}" for row in range(count)],
        request_id=page,
        timestamp=[datetime(2024, 1, 1, 0, row % 60, 0) + timedelta(hours=row // 60) for row in range(count)],
    )
    catalogue = items(*(f"i{n:02}" for n in range(40)))
    settings = replace(config(tiny_encoder).features, history=5, history_window="random")
    return fit_features(catalogue, None, table, TASKS, settings, 0)


def windows(fitted, window="random", steps=40, dropout=NO_DROPOUT, seed=0):
    """Return for each pass over the rows, and each row, its history and the ages in it, latest first."""
    features, past = fitted
    features = replace(features, config=replace(features.config, history_window=window))
    data = SpaceData.build(features, past, np.ones(80, dtype=bool), SpaceStageConfig(uniform=4), dropout, seed)
    make = data.batches(Schedule(batch=16, round=1, rounds=1, fixed=True))
    found = {}
    for step in range(steps):
        contexts = make(step).contexts
        for number, row, *read in zip(
            make.epochs.passes(step), make.epochs.rows(step), contexts.history, contexts.ages, strict=True
        ):
            found.setdefault(int(number), {})[int(row)] = [part.tolist() for part in read]
    return found


def known(row):
    """How many engagements a row of ``long`` knows of: those before its page."""
    return {42: 20, 62: 30}.get(row, row // 2)


def test_the_latest_window_is_read_unless_a_random_one_is_asked_for(long):
    for found in windows(long, "latest").values():
        for row, (history, _) in found.items():
            assert history == [max(known(row) - place, 0) for place in range(5)]


def test_a_random_window_lies_anywhere_before_the_row_and_never_past_its_own_end(long):
    found = windows(long)
    assert len(found) == 8
    latest = {number: {row: history[0] for row, (history, _) in rows.items()} for number, rows in found.items()}
    for number, rows in found.items():
        for row, (history, ages) in rows.items():
            assert min(known(row), 5) <= history[0] <= known(row)
            assert history == [max(latest[number][row] - place, 0) for place in range(5)]  # and it has no holes
            steps = [1 + int(math.log2(1 + 2 * place / 60)) for place in range(5)]  # two minutes apart
            assert ages == [step if item else 0 for step, item in zip(steps, history, strict=True)]
    ends = {latest[number][79] for number in found}
    assert len(ends) > 4  # anywhere in 39 engagements


def test_all_rows_of_a_user_read_the_same_place_of_their_histories_in_a_pass_and_another_in_the_next(long):
    """The place is a share of what a row knows; rows that know the same read the same window."""
    found = windows(long)
    shares = {}
    for number, rows in found.items():
        for user in (0, 1):
            low, high = 0.0, 1.0
            for row, (history, _) in rows.items():
                if row % 2 == user and known(row) > 5:
                    places = known(row) - 5 + 1
                    low = max(low, (known(row) - history[0]) / places)
                    high = min(high, (known(row) - history[0] + 1) / places)
            assert low < high  # one number in [0, 1) explains every row
            shares[number, user] = (low + high) / 2
        assert rows[40] == rows[42] and rows[60] == rows[62]
    assert len({round(share, 2) for share in shares.values()}) > 10  # of 16


def test_a_random_window_is_a_function_of_seed_and_step(long):
    one, again, other = windows(long), windows(long), windows(long, seed=1)
    assert one == again
    assert [rows[79] for rows in one.values()] != [rows[79] for rows in other.values()]


def test_a_hidden_history_stays_hidden_where_windows_are_random(long):
    hidden = windows(long, dropout=DropoutConfig(user=0.0, history=1.0, user_id=0.0), steps=5)
    assert not any(any(history) or any(ages) for rows in hidden.values() for history, ages in rows.values())


def test_hidden_users_are_anonymous_and_new_users_keep_their_history(fitted):
    anonymous = stage(fitted, DropoutConfig(user=1.0, user_id=0.0)).make(0)
    assert (anonymous.contexts.user == 0).all()
    assert (anonymous.contexts.history == 0).all()
    new = stage(fitted, DropoutConfig(user=0.0, history=0.0, user_id=1.0)).make(0)
    assert (new.contexts.user == 1).all()
    assert (new.contexts.history != 0).any()


def test_hidden_ids_leave_an_item_its_content(fitted):
    made = stage(fitted, DropoutConfig(item_id=1.0))
    batch = made.make(0)
    assert batch.hidden_id.all()
    made.loss(batch).backward()
    gradient = made.model.space.items.shared.item.weight.grad
    read = batch.contexts.history.unique()
    assert not gradient[[row for row in range(1, 7) if row not in read.tolist()]].any()


def test_tasks_are_balanced_by_a_power_of_their_rows():
    task = np.array([0, 0, 0, 0, 2])
    assert task_weights(task, 0.0).tolist() == [1, 1, 1, 1, 1]
    assert task_weights(task, 1.0).tolist() == [1, 1, 1, 1, 4]
    assert task_weights(task, 0.5).tolist() == [1, 1, 1, 1, 2]


def graph_gradient(made):
    """Return the largest gradient of what reads graph vectors, over a step."""
    made.model.zero_grad()
    made.loss(made.make(0)).backward()
    return made.model.space.items.graph.weight.grad.abs().max().item()


def test_hidden_graph_vectors_teach_nothing(fitted):
    """A graph vector holds the very edges that are learned from; what histories read of it is not trained here."""
    assert graph_gradient(stage(fitted)) > 0
    assert graph_gradient(stage(fitted, DropoutConfig(graph=1.0))) == 0


def test_graph_vectors_are_hidden_by_item_and_step(fitted):
    """Targets, uniform, mined and logged negatives alike: else what is hidden would tell which of them an item is."""
    made = stage(fitted, DropoutConfig(graph=0.5), hard=5, hard_first=0.25)
    made.mined = torch.tensor([[1, 2, 3, 4, 5]])
    found = {}
    for step in range(200):
        columns = made.columns(made.make(step))
        assert len(columns.hidden_graph) == len(columns.item) == 6 + 4 + 5
        for item, hidden in zip(columns.item.tolist(), columns.hidden_graph.tolist(), strict=True):
            assert found.setdefault((step, item), hidden) == hidden
    for item in range(1, 7):
        shares = [hidden for (_, other), hidden in found.items() if other == item]
        assert 0.35 < sum(shares) / len(shares) < 0.65
