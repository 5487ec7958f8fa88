"""LightGBM's lambdarank over the features of our own ranker: the same candidates and evidence, trees in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import lightgbm
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.columns import Col, Split
from features.events import is_ordered
from features.tables import DataFolder
from serving.assemble import context_tensors, item_tensors
from serving.engine import Engine, Listed
from serving.ranker import Ranker
from training.config import FitConfig
from training.evaluation.judged import Judged
from training.evaluation.protocol import Contender, Protocol
from training.fit import SELECTION, read_events
from training.holdout import manner_of
from training.judging import Run, read_tuning, require_own
from training.lists import Lists
from training.phase import Tables, prepare, ranker_lists
from training.validation import Validation
from unicorn.batch import Items

NAME: Final = "lambdarank"
GRID: Final = tuple({"num_leaves": leaves} for leaves in (15, 31, 63))
"""What is tried on valid: the budget. The number of trees is chosen there as well."""
MOST_TREES: Final = 500
PATIENCE: Final = 30
"""Trees without a better NDCG@20 on valid after which no more are made."""
VALID_REQUESTS: Final = 500
"""Requests of each task at most that it is chosen by; a seeded sample beyond."""
_BLOCK: Final = 256


class Rows(NamedTuple):
    """Pairs of requests and candidates. n = pairs, G = lists."""

    columns: NDArray[np.float32]  # (n, C)
    label: NDArray[np.float32]  # (n,)
    group: NDArray[np.int64]  # (G,) pairs of each list


def lambdarank(run: Run, folder: DataFolder, known: pl.DataFrame, judged: Judged, protocol: Protocol) -> Contender:
    """Return lambdarank (Burges 2010, as LightGBM has it), trained on the lists that ``run``'s ranker learned from.

    It reads the space's score, the context × candidate features, the item's quality, the request's numbers and the
    task. Number of trees and leaves are chosen on valid with what was fitted on train alone; for a refitted run, so
    many trees are then made from the lists of train and valid.

    Raises:
        DataError: the run was fitted on other data, or on some tasks alone.
    """
    require_own(run, folder, NAME)
    chooser = Ranker.load(run.folder / SELECTION) if run.refitted else run.ranker
    settings, trees = _choose(chooser.engine, run.config, folder, read_tuning(folder, judged, protocol), protocol)
    if run.refitted:
        trees = _train(_lists(run.ranker.engine, run.config, folder, (Split.TRAIN, Split.VALID)), settings, run.config)
    engine = TreeEngine(**vars(run.ranker.engine), trees=trees)
    ranker = Ranker(engine, run.ranker.facts).knowing(known)
    return Contender(
        NAME,
        rank=lambda requests, depth: ranker.rank(requests, depth, protocol.exclude_seen),
        score=ranker.score,
        logits=False,
        settings=dict.fromkeys(judged.tasks, settings),
    )


@dataclass(frozen=True)
class TreeEngine(Engine):
    """The served path with trees in place of the ranker's network.

    Attributes:
        trees: LightGBM's.
    """

    trees: lightgbm.Booster

    @torch.inference_mode()
    def score_listed(self, listed: Listed) -> Tensor:
        """Return scores (B, L) of listed candidates, ``-inf`` for padding."""
        scores = np.full(listed.candidates.shape, -np.inf, dtype=np.float32)
        real = listed.candidates > 0
        if real.any():
            scores[real] = self.trees.predict(columns(self, self.items, listed))
        return torch.from_numpy(scores)

    @cached_property
    def items(self) -> Items:
        """The catalogue, read once for all blocks."""
        return item_tensors(self.features)


@torch.inference_mode()
def columns(engine: Engine, items: Items, listed: Listed) -> NDArray[np.float32]:
    """Return what the ranker reads of each listed pair (n, C), without the vectors of its towers."""
    at = torch.from_numpy(listed.candidates)
    request = engine.encode(listed.contexts)
    numbers = engine.model.features(request, engine.side, at, torch.from_numpy(listed.pairs))  # (B, L, F + 1)
    contexts = listed.contexts
    told = torch.cat([contexts.flags, contexts.facts, engine.model.one_hot(contexts.task)], dim=1)  # (B, K)
    row, place = torch.where(at > 0)
    item = at[row, place]
    parts = [numbers[row, place], items.quality[item], items.quality_missing[item], told[row]]
    return torch.cat(parts, dim=1).numpy()


def _choose(
    engine: Engine, config: FitConfig, folder: DataFolder, tuning: Judged | None, protocol: Protocol
) -> tuple[dict[str, Any], lightgbm.Booster]:
    """Return the settings with which it does best on valid, trees included, and the trees of train."""
    train = _lists(engine, config, folder, (Split.TRAIN,))
    valid = None if tuning is None else valid_rows(engine, config, tuning, protocol)
    if valid is None:
        settings = {**GRID[0], "trees": 100}
        return settings, _train(train, settings, config)
    best: tuple[float, dict[str, Any], lightgbm.Booster] | None = None
    for tried in GRID:
        trees = _train(train, {**tried, "trees": MOST_TREES}, config, valid)
        reached = float(trees.best_score["valid"]["ndcg@20"])
        if best is None or reached > best[0]:
            best = reached, {**tried, "trees": trees.best_iteration}, trees
    if best is None:
        raise ValueError("the grid is empty")
    return best[1:]


def _train(rows: Rows, settings: dict[str, Any], config: FitConfig, valid: Rows | None = None) -> lightgbm.Booster:
    """Return trees with the best NDCG@20 on ``valid``, or as many as the settings say without it."""
    training = config.training
    parameters = {
        "objective": "lambdarank",
        "num_leaves": settings["num_leaves"],
        "learning_rate": 0.1,
        "metric": "ndcg",
        "eval_at": [20],
        "seed": training.seed,
        "deterministic": True,
        "num_threads": training.threads,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows.columns, rows.label, group=rows.group, free_raw_data=False)
    watched = [] if valid is None else [data.create_valid(valid.columns, valid.label, group=valid.group)]
    stop: list[Callable[..., Any]] = []
    if valid is not None:
        stop.append(lightgbm.early_stopping(PATIENCE, verbose=False))
    return lightgbm.train(
        parameters, data, settings["trees"], valid_sets=watched, valid_names=["valid"] * len(watched), callbacks=stop
    )


def _lists(engine: Engine, config: FitConfig, folder: DataFolder, splits: tuple[str, ...]) -> Rows:
    """Return the lists from which the ranker of ``engine`` learned, which was fitted on ``splits``."""
    everything = read_events(folder)
    users, scores = (None if table is None else table.collect() for table in (folder.users, folder.scores))
    fitted = everything.filter(pl.col(Col.SPLIT).is_in(splits))
    manner = manner_of(everything, ordered=is_ordered(everything))
    prepared = prepare(Tables(folder.items.collect(), users, scores, fitted, manner, None), config, quiet=True)
    blind = Engine.build(prepared.blind, engine.model, config.serving)
    lists = ranker_lists(prepared, blind, manner, config)
    parts = list(_parts(blind, lists))
    return Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _parts(engine: Engine, lists: Lists) -> Iterator[Rows]:
    features, items = engine.features, item_tensors(engine.features)
    for start in range(0, len(lists), _BLOCK):
        part = lists.take(np.arange(start, min(start + _BLOCK, len(lists))))
        contexts, _ = context_tensors(features, features.history, *part.requests)
        contexts = contexts._replace(facts=torch.from_numpy(np.array(part.facts)))
        item = np.where(part.weight > 0, part.item, 0).astype(np.int64)
        listed = Listed(contexts, item, np.array(part.pairs))
        yield Rows(columns(engine, items, listed), part.label[item > 0], _sizes(item))


def valid_rows(engine: Engine, config: FitConfig, tuning: Judged, protocol: Protocol) -> Rows | None:
    """Return the candidates of a sample of valid requests; None where no list holds a target.

    A list without one says nothing, and is left out.
    """
    excluded = engine.excluded(protocol.exclude_seen)
    validation = Validation.build(engine.features, tuning, excluded, VALID_REQUESTS, config.training.seed)
    rows, items = engine.features.catalogue.rows, item_tensors(engine.features)
    wanted = np.unique(validation.context * rows + validation.item)
    parts = []
    for block in validation.blocks(engine.block_size):
        listed = validation.listed(engine, block)
        context = np.arange(block.start, block.stop)[:, None]
        label = np.isin(context * rows + listed.candidates, wanted) & (listed.candidates > 0)
        item = np.where(label.any(axis=1, keepdims=True), listed.candidates, 0)
        if item.any():
            kept = listed._replace(candidates=item)
            parts.append(Rows(columns(engine, items, kept), label[item > 0].astype(np.float32), _sizes(item)))
    if not parts:
        return None
    return Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _sizes(item: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of each list that has any."""
    size: NDArray[np.int64] = (item > 0).sum(axis=1)
    return size[size > 0]
