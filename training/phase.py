"""One phase of a fit: features, space, ranker, on the rows of one or two splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray

from features.events import build_past
from features.fitting import FittedEvents, fit_features
from features.store import Features
from serving import exclusion
from serving.assemble import model_sizes
from serving.engine import Engine
from training.columns import map_events, map_lists
from training.config import FitConfig
from training.evaluation.judged import Judged
from training.holdout import Manner, ranker_rows
from training.lists import Lists, build_lists
from training.ranker_stage import RankerStage
from training.schedule import Outcome, schedule
from training.space_data import SpaceData
from training.space_stage import SpaceStage
from training.stage import run_stage
from training.validation import Validation
from unicorn.model import UniCoRn


@dataclass(frozen=True)
class Tables:
    """What a phase reads.

    Attributes:
        items: the catalogue.
        users: the users table, if there is one.
        scores: the table of another ranker's scores, if there is one.
        events: the rows that may be fitted, and no other.
        manner: how what is judged lies beside what is known.
        judged: the valid split, where steps are chosen on it; None in a refit, or without valid rows.
    """

    items: pl.DataFrame
    users: pl.DataFrame | None
    scores: pl.DataFrame | None
    events: pl.DataFrame
    manner: Manner
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


@dataclass(frozen=True)
class Prepared:
    """Features of a phase, and the same as if the ranker's rows had not happened yet.

    Attributes:
        features: fitted on all rows.
        own: which rows (E,) are the ranker's.
        blind: the features that the space and the ranker learn with.
        seen: the events, knowing no more than ``blind`` does.
    """

    features: Features
    own: NDArray[np.bool_]
    blind: Features
    seen: FittedEvents


def prepare(tables: Tables, config: FitConfig, *, quiet: bool) -> Prepared:
    """Fit the features of a phase, and set the ranker's rows aside."""
    training = config.training
    features, fitted = fit_features(
        tables.items,
        tables.users,
        tables.events,
        config.task_names,
        config.features,
        training.seed,
        scores=tables.scores,
        quiet=quiet,
    )
    own = ranker_rows(fitted.rows, tables.manner, training.ranker_share, training.seed)
    features = replace(features, seen_users=_users_of(fitted, ~own))
    blind, seen = blind_to(own, features, fitted)
    served = replace(features, statistics=features.statistics.turned_to(blind.statistics))
    return Prepared(served, own, blind, seen)


def ranker_lists(prepared: Prepared, engine: Engine, manner: Manner, config: FitConfig) -> Lists:
    """Return the lists that a ranker learns from, whose candidates ``engine`` finds with the blind features."""
    own, training = prepared.own, config.training
    return build_lists(
        engine,
        prepared.features.history,
        prepared.seen,
        own if own.any() else ~own,  # with a single request there is nothing to set aside
        training.ranker,
        training.dropout,
        excluded(config),
        training.seed,
        repeats=manner == "rows",
    )


def run_phase(
    tables: Tables, config: FitConfig, folder: Path, watch: Watch, chosen: tuple[Outcome, Outcome] | None = None
) -> Fitted:
    """Fit features, space and ranker.

    Args:
        tables: what may be read.
        config: settings.
        folder: of the checkpoints.
        watch: who follows.
        chosen: how long an earlier phase trained (space, ranker); None = choose on the valid split.
    """
    training = config.training
    prepared = prepare(tables, config, quiet=not watch.progress)
    prepared = replace(prepared, seen=map_events(prepared.seen, folder / "columns"))
    features = prepared.features
    torch.manual_seed(training.seed)
    model = UniCoRn(model_sizes(features), config.model)
    validation = None
    if tables.judged is not None:
        validation = Validation.build(features, tables.judged, excluded(config), training.valid_requests, training.seed)
    for_space, for_ranker = chosen or (None, None)
    space = space_stage(prepared, model, tables.manner, validation, config, for_space)
    found = run_stage(space, folder / "space", watch.logger, progress=watch.progress, callbacks=watch.callbacks)
    lists = ranker_lists(prepared, Engine.build(prepared.blind, model, config.serving), tables.manner, config)
    ranker = ranker_stage(prepared, model, map_lists(lists, folder / "lists"), validation, config, for_ranker)
    ranked = run_stage(ranker, folder / "ranker", watch.logger, progress=watch.progress, callbacks=watch.callbacks)
    model.requires_grad_(True)
    return Fitted(features, model.eval(), found, ranked)


def space_stage(
    prepared: Prepared,
    model: UniCoRn,
    manner: Manner,
    validation: Validation | None,
    config: FitConfig,
    chosen: Outcome | None = None,
) -> SpaceStage:
    """Return the stage that trains the space of ``model``, for as long as ``chosen`` says or as validation finds."""
    training = config.training
    data = SpaceData.build(
        prepared.blind, prepared.seen, ~prepared.own, training.space, training.dropout, training.seed
    )
    plan = schedule(training.space, len(data.chosen), chosen)
    return SpaceStage(model, data, prepared.features, config.serving, plan, _of_new_items(validation, manner))


def ranker_stage(
    prepared: Prepared,
    model: UniCoRn,
    lists: Lists,
    validation: Validation | None,
    config: FitConfig,
    chosen: Outcome | None = None,
    kind: type[RankerStage] = RankerStage,
) -> RankerStage:
    """Return the stage that trains the ranker of ``model``, as ``space_stage`` does for the space."""
    training = config.training
    return kind(
        model,
        prepared.blind,
        lists,
        training.dropout.user_id,
        prepared.features,
        config.serving,
        training.ranker,
        schedule(training.ranker, len(lists), chosen),
        validation,
        training.seed,
    )


def _of_new_items(validation: Validation | None, manner: Manner) -> Validation | None:
    """Return the validation of the space, without seen items where nobody engages with an item again.

    The space cannot tell what is seen, the ranker can; left in, they would drown what the space is there to find.
    """
    if validation is None or manner != "pairs":
        return validation
    return replace(validation, exclude_seen=np.ones_like(validation.exclude_seen))


def _users_of(fitted: FittedEvents, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (U,) the users whose id the space learns from the ``kept`` rows; to it, all others are new."""
    users = np.zeros(fitted.world.sizes.users, dtype=bool)
    users[fitted.rows.user[kept & fitted.rows.engaged]] = True
    return users


def blind_to(own: NDArray[np.bool_], features: Features, fitted: FittedEvents) -> tuple[Features, FittedEvents]:
    """Return features and events as if the rows ``own`` (E,) had not happened yet.

    With an order, a row's history ends before it anyway; without one, histories are built of the other rows alone.
    """
    past = fitted.past
    if not past.history.ordered:
        others = fitted.rows._replace(label=np.where(own, 0, fitted.rows.label).astype(np.float32))
        past = build_past(others, features.known.users.size, features.known.queries.size, ordered=False)
    blind = replace(
        features,
        statistics=fitted.statistics(~own),
        history=past.history,
        query_history=past.query_history,
        query_keys=past.query_keys,
    )
    return blind, replace(fitted, past=past)


def excluded(config: FitConfig) -> NDArray[np.bool_]:
    """Return (T,) whether seen items are no candidates in each task."""
    return np.array([task in excluded_tasks(config) for task in config.task_names])


def excluded_tasks(config: FitConfig) -> tuple[str, ...]:
    """Return the tasks in which seen items are no candidates."""
    named = config.serving.exclude_seen
    return exclusion.default(config.task_names) if named is None else exclusion.check(named, config.task_names)
