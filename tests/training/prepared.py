"""The tiny world, split between space and ranker, with a model that was never trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from features.events import request_rows
from features.fitting import FittedEvents, fit_features
from features.schema import SCHEMAS
from features.store import Features
from features.tables import conform
from serving.assemble import model_sizes
from serving.engine import Engine, Requests
from tests.training.worlds import config, world
from training.config import DropoutConfig, RankerStageConfig
from training.holdout import ranker_rows
from training.lists import Lists, build_lists
from training.phase import blind_to
from unicorn.model import UniCoRn

NO_DROPOUT = DropoutConfig(**dict.fromkeys(DropoutConfig.__dataclass_fields__, 0.0))
STAGE = RankerStageConfig(hard=8, uniform=4, zeros=2, targets=2, task_balance=0.0)
TASKS = ("search", "recommendation", "similar")
EXCLUDED = np.array([False, True, True])


def typed(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return a table with every column of the contract."""
    return conform(frame.lazy(), SCHEMAS[name], name).collect(engine="in-memory")


class Prepared:
    """What a phase has when the space is trained, in the order of its steps."""

    def __init__(self, encoder: str, *, ordered: bool, history: int = 5) -> None:
        self.settings = config(encoder)
        self.settings = replace(self.settings, features=replace(self.settings.features, history=history))
        raw = world()
        if not ordered:
            raw["events"] = raw["events"].drop("timestamp")
        self.tables = {name: typed(frame, name) for name, frame in raw.items()}
        self.features, self.fitted = self.fit(self.tables["events"])
        self.own = ranker_rows(self.fitted.rows, "time" if ordered else "pairs", 0.3, 0)
        self.blind, self.seen = blind_to(self.own, self.features, self.fitted)
        torch.manual_seed(0)
        self.model = UniCoRn(model_sizes(self.blind), self.settings.model)
        serving = self.settings.serving
        everything = replace(serving, candidates=replace(serving.candidates, everything=1000))
        self.engine = Engine.build(self.blind, self.model, everything)  # all that may be shown is a candidate
        self.narrow = Engine.build(self.blind, self.model, serving)

    def fit(self, events: pl.DataFrame) -> tuple[Features, FittedEvents]:
        return fit_features(self.tables["items"], self.tables["users"], events, TASKS, self.settings.features, 0)

    def lists(self, dropout: DropoutConfig = NO_DROPOUT, seed: int = 0, **changes: Any) -> Lists:
        settings = replace(STAGE, **changes)
        arguments = (self.engine, self.features.history, self.seen, self.own, settings, dropout, EXCLUDED, seed)
        return build_lists(*arguments)

    def told(self, engine: Engine) -> NDArray[np.int64]:
        """Return the ranker's engaged rows that it learns from: those whose item is a candidate of their request."""
        rows, past = self.seen.rows, self.seen.past
        at = np.flatnonzero(self.own & rows.engaged)
        own = past._replace(end=past.end[at], query_end=past.query_end[at])
        requests = Requests(request_rows(rows.take(at), own), self.seen.table, self.seen.title_row)
        candidates = engine.candidates(engine.prepare(requests, EXCLUDED), 0)
        return at[(candidates == rows.item[at][:, None]).any(axis=1)]

    def pages(self, lists: Lists) -> list[list[NDArray[np.int64]]]:
        """Return for each list the rows of its request, found by its first item and its context."""
        rows, found = self.fitted.rows, []
        for place in range(len(lists)):
            first = next(item for item in lists.item[place] if item)
            same = self.own & (rows.item == first)
            for name in ("task", "user", "country", "source"):
                same &= getattr(rows, name) == getattr(lists.rows, name)[place]
            same &= rows.text == lists.rows.query[place]
            found.append([np.flatnonzero(rows.request == request) for request in np.unique(rows.request[same])])
        return found
