from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unicorn.model_world import numbers
from unicorn.layers import AttentionPool, Cross, Residual, bag_mean, table


def test_the_first_row_of_a_table_is_zero_and_stays_so() -> None:
    embedding = table(4, 3)
    assert not embedding.weight[0].any() and embedding.weight[1:].all()
    optimiser = torch.optim.Adam(embedding.parameters(), lr=0.1)
    embedding(torch.tensor([0, 1])).sum().backward()
    optimiser.step()
    assert not embedding.weight[0].any()


def test_the_mean_of_a_bag_is_over_what_is_no_padding() -> None:
    embedding = table(4, 3)
    found = bag_mean(embedding, torch.tensor([[1, 2, 0], [3, 0, 0], [0, 0, 0], [2, 2, 1]]))
    one, two, three = embedding.weight[1:]
    expected = torch.stack([(one + two) / 2, three, torch.zeros(3), (2 * two + one) / 3])
    torch.testing.assert_close(found, expected)


def test_a_residual_block_starts_as_the_identity() -> None:
    x = numbers(2, 5, 4)
    torch.testing.assert_close(Residual(4, 8)(x), x)


def test_crossing_by_hand() -> None:
    cross = Cross(2, 1)
    with torch.no_grad():
        cross.down.weight.copy_(torch.tensor([[1.0, 2.0]]))
        cross.up.weight.copy_(torch.tensor([[3.0], [-1.0]]))
        cross.up.bias.copy_(torch.tensor([0.5, 0.25]))
    found = cross(torch.tensor([10.0, 20.0]), torch.tensor([1.0, 1.0]))
    # down: 1·1 + 2·1 = 3; up: 3·3 + 0.5 = 9.5 and -1·3 + 0.25 = -2.75
    torch.testing.assert_close(found, torch.tensor([10 * 9.5 + 1, 20 * -2.75 + 1]))


def make_pool(codes: int = 1) -> AttentionPool:
    torch.manual_seed(0)
    pool = AttentionPool(4, 3, 5, codes)
    torch.nn.init.normal_(pool.key.weight)
    torch.nn.init.normal_(pool.recency)
    torch.nn.init.normal_(pool.age)
    return pool


AGES = torch.tensor([[1, 3, 0]])


@torch.no_grad()
@pytest.mark.parametrize("codes", [1, 3])
def test_attention_by_hand(codes: int) -> None:
    pool, query, items = make_pool(codes), numbers(1, 4, seed=1), numbers(1, 3, 4, seed=2)
    found = pool(query, items, AGES, torch.tensor([[True, True, False]]))
    assert found.shape == (1, codes, 4)
    for code in range(codes):
        asked = pool.key.weight @ query[0] + (0 if pool.codes is None else pool.codes[code])
        logits = [float(items[0, h] @ asked) / math.sqrt(4) for h in (0, 1)]
        logits = [logits[h] + float(pool.recency[h]) + float(pool.age[(1, 3)[h]]) for h in (0, 1)]
        weights = [math.exp(logit) / sum(math.exp(other) for other in logits) for logit in logits]
        torch.testing.assert_close(found[0, code], weights[0] * items[0, 0] + weights[1] * items[0, 1])


@torch.no_grad()
def test_codes_start_apart() -> None:
    pool, items = make_pool(4), numbers(1, 3, 4, seed=2)
    found = pool(torch.zeros(1, 4), items, AGES, torch.ones(1, 3, dtype=torch.bool))[0]
    assert torch.pdist(found).min() > 1e-2


@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4),
    st.floats(-1e6, 1e6),
    st.sampled_from([1, 2]),
)
def test_padding_with_huge_vectors_changes_nothing(masks: list[list[bool]], huge: float, codes: int) -> None:
    pool, mask = make_pool(codes), torch.tensor(masks)
    query, items = numbers(len(masks), 4, seed=1), numbers(len(masks), 3, 4, seed=2)
    padded = torch.where(mask.unsqueeze(-1), items, torch.tensor(huge))
    ages = AGES.expand(len(masks), 3)
    old = torch.where(mask, ages, 4)  # nor does the age of padding
    torch.testing.assert_close(pool(query, padded, old, mask), pool(query, items, ages, mask))


@pytest.mark.parametrize("codes", [1, 2])
def test_an_empty_history_is_zero_and_its_gradients_are_numbers(codes: int) -> None:
    pool = make_pool(codes)
    query = numbers(2, 4, seed=1).requires_grad_()
    mask = torch.tensor([[False] * 3, [True, False, False]])
    found = pool(query, numbers(2, 3, 4, seed=2), AGES.expand(2, 3), mask)
    assert not found[0].any() and found[1].all()
    found.sum().backward()
    assert query.grad is not None and torch.isfinite(query.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in pool.parameters())


@pytest.mark.parametrize("length", [1, 2])
def test_a_shorter_history_is_one_with_padding(length: int) -> None:
    pool, query, items = make_pool(), numbers(2, 4, seed=1), numbers(2, 3, 4, seed=2)
    mask = torch.arange(3).expand(2, 3) < length
    ages = AGES.expand(2, 3)
    short = pool(query, items[:, :length], ages[:, :length], mask[:, :length])
    torch.testing.assert_close(short, pool(query, items, ages, mask))


@torch.no_grad()
def test_ages_that_are_all_alike_say_nothing() -> None:
    pool, query, items = make_pool(), numbers(2, 4, seed=1), numbers(2, 3, 4, seed=2)
    mask = torch.ones(2, 3, dtype=torch.bool)
    one, other = (pool(query, items, torch.full((2, 3), age), mask) for age in (0, 4))
    torch.testing.assert_close(one, other)
