"""One phase of a fit: features, space, ranker, on the rows of one or two splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from features.store import Features, FittedEvents, fit_features
from serving.assemble import model_sizes
from serving.engine import Engine
from training.config import FitConfig
from training.evaluation.judged import Judged
from training.holdout import ranker_rows
from training.lists import build_lists
from training.ranker_stage import RankerStage
from training.space_stage import SpaceData, SpaceStage
from training.stage import Outcome, run_stage, schedule
from training.validation import Validation
from unicorn.model import UniCoRn


@dataclass(frozen=True)
class Tables:
    """What a phase reads.

    Attributes:
        items: the catalogue.
        users: the users table, if there is one.
        events: the rows that may be fitted, and no other.
        judged: the valid split, where steps are chosen on it; None in a refit, or without valid rows.
    """

    items: pl.DataFrame
    users: pl.DataFrame | None
    events: pl.DataFrame
    judged: Judged | None


@dataclass(frozen=True)
class Fitted:
    """What a phase leaves.

    Attributes:
        features: everything fitted before the model.
        model: the weights.
        space: what was chosen in the first stage.
        ranker: what was chosen in the second.
    """

    features: Features
    model: UniCoRn
    space: Outcome
    ranker: Outcome


@dataclass(frozen=True)
class Watch:
    """Who follows a phase: a logger, a progress bar, callbacks."""

    logger: Logger | None = None
    progress: bool = False
    callbacks: tuple[Callback, ...] = ()


def run_phase(
    tables: Tables, config: FitConfig, folder: Path, watch: Watch, chosen: tuple[int, int] | None = None
) -> Fitted:
    """Fit features, space and ranker.

    Args:
        tables: what may be read.
        config: settings.
        folder: of the checkpoints.
        watch: who follows.
        chosen: rounds of (space, ranker) that an earlier phase chose; None = choose them on the valid split.
    """
    training = config.training
    features, fitted = fit_features(
        tables.items, tables.users, tables.events, config.tasks, config.features, training.seed, quiet=not watch.progress
    )
    own = ranker_rows(fitted.rows, training.ranker_share, training.seed)
    base = fitted.statistics(~own, training.seed)
    torch.manual_seed(training.seed)
    model = UniCoRn(model_sizes(features), config.model)
    exclude = np.array([task in excluded_tasks(config) for task in config.tasks])
    validation = None
    if tables.judged is not None:
        validation = Validation.build(features, tables.judged, exclude, training.valid_requests, training.seed)
    space_rounds, ranker_rounds = chosen or (None, None)

    data = SpaceData.build(features, fitted, ~own, training.space, training.dropout, training.seed)
    plan = schedule(training.space, len(data.chosen))
    space = SpaceStage(model, data, base, features.statistics, config.serving, plan, validation)
    found = run_stage(
        space, folder / "space", watch.logger, rounds=space_rounds, progress=watch.progress, callbacks=watch.callbacks
    )
    blind = Engine.build(features, base, model, config.serving)
    lists = build_lists(blind, fitted, own, training.ranker, training.dropout, exclude, training.seed)
    plan = schedule(training.ranker, len(lists))
    ranker = RankerStage(
        model,
        features,
        lists,
        training.dropout.user_id,
        base,
        features.statistics,
        config.serving,
        training.ranker,
        plan,
        validation,
        training.seed,
    )
    ranked = run_stage(
        ranker, folder / "ranker", watch.logger, rounds=ranker_rounds, progress=watch.progress, callbacks=watch.callbacks
    )
    model.requires_grad_(True)
    return Fitted(features, model.eval(), found, ranked)


def excluded_tasks(config: FitConfig) -> tuple[str, ...]:
    """Return the tasks in which seen items are no candidates."""
    from features.columns import SEARCH

    named = config.serving.exclude_seen
    return tuple(task for task in config.tasks if task != SEARCH) if named is None else named
