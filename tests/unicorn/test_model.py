from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.unicorn.model_world import SIZES, blank, make_contexts, make_items, make_model, numbers, rows
from unicorn.batch import Contexts
from unicorn.config import ModelConfig, RankerConfig, SpaceConfig
from unicorn.model import ItemSide, RequestSide, UniCoRn, best_product

B, L = 5, 6


def both_sides(model: UniCoRn, contexts: Contexts) -> tuple[RequestSide, ItemSide]:
    side = model.encode_items(make_items(model.sizes))
    return model.encode_requests(contexts, side.vector), side


def candidates() -> tuple[Tensor, Tensor]:
    return rows(SIZES.items, B, L, seed=30, low=1), numbers(B, L, SIZES.pairs, seed=31)


def spread_codes(model: UniCoRn) -> None:
    """Make the vectors of a request differ, as training does."""
    with torch.no_grad():
        codes = model.space.contexts.history.codes
        assert codes is not None
        codes.mul_(20.0)


def score(model: UniCoRn, contexts: Contexts, items: Tensor, pairs: Tensor) -> Tensor:
    request, side = both_sides(model, contexts)
    return model.score(request, contexts.task, side, items, pairs)


def test_shapes() -> None:
    model, contexts = make_model(), make_contexts()
    request, side = both_sides(model, contexts)
    assert [tuple(part.shape) for part in side] == [(9, 8), (9, 10), (9, 10)]
    assert [tuple(part.shape) for part in request] == [(B, 1, 8), (B, 1, 10), (B, 7, 8), (B, 10)]
    assert score(model, contexts, *candidates()).shape == (B, L)


def test_the_index_holds_the_score_of_the_space() -> None:
    """score = s·<c, v> + <w, q>, as one inner product."""
    model, contexts = make_model(), make_contexts()
    request, side = both_sides(model, contexts)
    cosine = request.vector[:, 0] @ side.vector.T
    quality = model.space.quality_weight[contexts.task] @ make_items().quality.T
    expected = model.space.scale * cosine + quality
    torch.testing.assert_close(request.searched[:, 0] @ side.indexed.T, expected)


def test_of_several_vectors_of_a_request_the_nearest_scores_an_item() -> None:
    model, contexts, (at, pairs) = make_model(codes=3), make_contexts(), candidates()
    spread_codes(model)
    request, side = both_sides(model, contexts)
    assert [tuple(part.shape) for part in request] == [(B, 3, 8), (B, 3, 10), (B, 7, 8), (B, 10)]
    cosine = torch.stack([request.vector[:, code] @ side.vector.T for code in range(3)])  # (V, B, N + 1)
    best = cosine.amax(dim=0)
    assert len({int(code) for code in cosine.argmax(dim=0).flatten()}) == 3  # each is the nearest of some item
    raw = model.features(request, side, at, pairs)
    torch.testing.assert_close(raw[..., 0], (model.space.scale * best).gather(1, at))
    quality = model.space.quality_weight[contexts.task] @ make_items().quality.T
    torch.testing.assert_close(
        best_product(side.indexed.expand(B, -1, -1), request.searched), model.space.scale * best + quality
    )
    nearest = request.vector[torch.arange(B).unsqueeze(1), cosine.argmax(dim=0).gather(1, at)]  # (B, L, D)
    one_each = RequestSide(nearest.flatten(0, 1).unsqueeze(1), *(part.repeat_interleave(L, 0) for part in request[1:]))
    found, _ = model.ranker.first(request, side.vector[at], side.hidden[at], raw)
    alone = [part[at].flatten(0, 1).unsqueeze(1) for part in (side.vector, side.hidden)]
    each, _ = model.ranker.first(one_each, *alone, raw.flatten(0, 1).unsqueeze(1))
    torch.testing.assert_close(found.flatten(0, 1), each[:, 0])


def test_without_a_history_all_vectors_of_a_request_are_one() -> None:
    model = make_model(codes=3)
    spread_codes(model)
    vector = both_sides(model, blank(2))[0].vector
    torch.testing.assert_close(vector, vector[:, :1].expand(-1, 3, -1))


def test_the_scale_starts_as_the_inverse_temperature() -> None:
    model = UniCoRn(SIZES, ModelConfig(space=SpaceConfig(width=4, temperature=0.1)))
    torch.testing.assert_close(model.space.scale, torch.tensor(1 / 0.1))
    assert not model.space.quality_weight.any()


def test_the_first_map_in_three_parts_is_the_map_of_them_side_by_side() -> None:
    model, contexts = make_model(), make_contexts()
    items, (at, pairs) = make_items(), candidates()
    request, side = both_sides(model, contexts)
    raw = model.features(request, side, at, pairs)
    found, _ = model.ranker.first(request, side.vector[at], side.hidden[at], raw)

    item_parts = model.space.items(items).parts.flatten(1)
    of_item = torch.cat([item_parts, items.quality, items.quality_missing], dim=1)[at]  # (B, L, …)
    of_request = torch.cat(
        [request.parts.flatten(1), contexts.flags, contexts.facts, torch.eye(SIZES.tasks)[contexts.task]], dim=1
    )
    vector = side.vector[at]
    products = vector * request.vector
    by_part = torch.einsum("bld,bpd->blp", vector, request.parts)
    numbers = (raw - model.ranker.mean) / model.ranker.deviation
    whole = torch.cat([of_request.unsqueeze(1).expand(B, L, -1), of_item, products, by_part, numbers], dim=2)
    weight = torch.cat([model.ranker.request.weight, model.ranker.item.weight, model.ranker.mixed.weight], dim=1)
    torch.testing.assert_close(found, whole @ weight.T + model.ranker.request.bias)


def test_the_first_number_of_a_pair_is_its_score_in_the_space_without_quality() -> None:
    model, contexts = make_model(), make_contexts()
    at, pairs = candidates()
    request, side = both_sides(model, contexts)
    raw = model.features(request, side, at, pairs)
    cosine = request.vector[:, 0] @ side.vector.T
    torch.testing.assert_close(raw[..., 0], (model.space.scale * cosine).gather(1, at))
    torch.testing.assert_close(raw[..., 1:], pairs)


def test_the_weights_of_quality_change_what_is_found_and_not_what_the_ranker_says() -> None:
    model, contexts, (at, pairs) = make_model(), make_contexts(), candidates()
    request, side = both_sides(model, contexts)
    found, logits = request.searched @ side.indexed.T, score(model, contexts, at, pairs)
    model.space.quality_weight += 3.0
    request, side = both_sides(model, contexts)
    assert not torch.allclose(request.searched @ side.indexed.T, found)
    torch.testing.assert_close(score(model, contexts, at, pairs), logits, rtol=0, atol=0)


def test_reordering_candidates_reorders_scores() -> None:
    model, contexts, (at, pairs) = make_model(), make_contexts(), candidates()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(
        score(model, contexts, at[:, order], pairs[:, order]), score(model, contexts, at, pairs)[:, order]
    )


def test_other_candidates_and_other_requests_change_no_score() -> None:
    model, contexts, (at, pairs) = make_model(), make_contexts(), candidates()
    every = score(model, contexts, at, pairs)
    for row in range(B):
        alone = Contexts(*(column[row : row + 1] for column in contexts))
        found = score(model, alone, at[row : row + 1, :2], pairs[row : row + 1, :2])
        torch.testing.assert_close(found[0], every[row, :2])


def test_padding_with_huge_features_changes_no_score() -> None:
    model, contexts, (at, pairs) = make_model(), make_contexts(), candidates()
    padded = torch.cat([at, torch.zeros(B, 2, dtype=torch.long)], dim=1)
    huge = torch.cat([pairs, torch.full((B, 2, SIZES.pairs), 1e9)], dim=1)
    torch.testing.assert_close(score(model, contexts, padded, huge)[:, :L], score(model, contexts, at, pairs))


def test_without_a_source_its_vector_is_not_read() -> None:
    model, contexts = make_model(), blank(2)
    side = model.encode_items(make_items())
    before = model.encode_requests(contexts, side.vector)
    vectors = side.vector.clone()
    vectors[0] = 1e6
    for one, two in zip(model.encode_requests(contexts, vectors), before, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("vectors", "graph", "codes"), [(2, 3, 1), (0, 0, 1), (2, 3, 3)])
def test_every_parameter_learns(vectors: int, graph: int, codes: int) -> None:
    sizes = replace(SIZES, vectors=vectors, graph=graph)
    model = make_model(sizes, codes).train()
    contexts, (at, pairs) = make_contexts(12, sizes), candidates()
    missing = [torch.zeros_like(column[:4]) for column in contexts]  # some requests lack everything
    contexts = Contexts(*(torch.cat([empty, column[4:]]) for empty, column in zip(missing, contexts, strict=True)))
    at, pairs = at.repeat(3, 1)[:12], pairs.repeat(3, 1, 1)[:12]
    thresholds = model.space.thresholds.sum()  # which the hinge alone reads
    (score(model, contexts, at, pairs).square().sum() + thresholds).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_feature_that_never_varied_in_training_is_not_read() -> None:
    model, contexts, (at, pairs) = make_model(), make_contexts(), candidates()
    model.ranker.deviation[2] = torch.inf
    before = score(model, contexts, at, pairs)
    pairs[..., 1] = 1e6  # number 2, after the space score
    torch.testing.assert_close(score(model, contexts, at, pairs), before)


def test_the_ranker_without_crossing_and_blocks_still_ranks() -> None:
    model = make_model(cross_layers=0, blocks=0)
    assert score(model, make_contexts(), *candidates()).shape == (B, L)


def test_tasks_weigh_features_apart() -> None:
    model, (at, pairs) = make_model(), candidates()
    with torch.no_grad():
        model.ranker.linear.weight.zero_()
        model.ranker.linear.weight[3, 1] = 2.0  # the feature before the last, in task 1
    contexts = make_contexts()
    before = score(model, contexts, at, pairs)
    model.ranker.linear.weight.data.zero_()
    without = score(model, contexts, at, pairs)
    numbers = (pairs[..., 2] - model.ranker.mean[3]) / model.ranker.deviation[3]
    torch.testing.assert_close(
        before - without, 2.0 * numbers * (contexts.task == 1).unsqueeze(1), atol=1e-5, rtol=1e-4
    )


def test_weights_are_the_same_for_the_same_seed() -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return UniCoRn(SIZES, ModelConfig()).state_dict()

    one, two, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpaceConfig(width=0), "model.space.width is 0, it must be at least 1."),
        (lambda: SpaceConfig(temperature=0.0), "model.space.temperature is 0.0, it must be at least 0.001."),
        (lambda: SpaceConfig(codes=0), "model.space.codes is 0, it must be at least 1."),
        (lambda: RankerConfig(blocks=-1), "model.ranker.blocks is -1, it must be at least 0."),
    ],
)
def test_a_size_that_makes_no_sense_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError) as error:
        make()  # type: ignore[operator]
    assert str(error.value) == message
