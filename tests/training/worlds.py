"""A tiny world, as tables and as a data folder, and settings with which a fit of it takes a second or two."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from features.config import CountConfig, FeatureConfig, TextConfig
from serving.config import CandidateConfig, ServingConfig
from training.config import (
    FitConfig,
    RankerStageConfig,
    SpaceStageConfig,
    TrackingConfig,
    TrainingConfig,
)
from training.fit import fit
from training.settings import show_config
from unicorn.config import ModelConfig, RankerConfig, SpaceConfig

COLOURS = ("red", "blue", "green", "black")
KINDS = ("chair", "lamp")
START = datetime(2024, 1, 1)
GERMAN = "i7"
"""The one item that may be shown in DE alone."""
SILENT = "i39"
"""An item that no event names."""
ROWS = 600


def items(count: int = 40) -> pl.DataFrame:
    """Return items of two kinds in four colours; some without text, one for one country alone."""
    rows = [
        {
            "item_id": f"i{n}",
            "title": f"{COLOURS[n % 4]} {KINDS[n % 2]} {n}",
            "text": None if n % 9 == 0 else f"a {COLOURS[n % 4]} thing",
            "category": f"Home > {KINDS[n % 2]}",
            "countries": ["DE"] if f"i{n}" == GERMAN else None,
            "created_at": START - timedelta(days=n),
        }
        for n in range(count)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def users(count: int = 30) -> pl.DataFrame:
    return pl.DataFrame([{"user_id": f"u{n}", "country": ["DE", "KR"][n % 2]} for n in range(count)])


def events(seed: int = 0, rows: int = ROWS) -> pl.DataFrame:
    """Return events of three tasks: users like one kind of item, and in search what has the colour of the query.

    A page of recommendations or similar items holds two rows, a search has one and no request id.
    """
    rng = random.Random(seed)
    pages = (_page(n, rng) for n in itertools.count())
    flat = itertools.chain.from_iterable(pages)
    return pl.DataFrame(list(itertools.islice(flat, rows)), infer_schema_length=None)


def _page(n: int, rng: random.Random) -> list[dict[str, Any]]:
    user, colour = rng.randrange(30), rng.randrange(4)
    task = rng.choice(["search", "recommendation", "similar"])
    search = task == "search"
    liked = [item for item in range(39) if item % 2 == user % 2]
    coloured = [item for item in range(39) if item % 4 == colour]
    asked = {
        "task": task,
        "user_id": None if rng.random() < 0.05 else f"u{user}",
        "query": COLOURS[colour] if search else None,
        "country": rng.choice(["DE", "KR", None]),
        "source_item_id": f"i{rng.choice(liked)}" if task == "similar" else None,
        "timestamp": START + timedelta(minutes=10 * n),
        "request_id": None if search else f"r{n}",
    }
    shown = rng.sample(coloured if search else liked, 1 if search else 2)
    return [
        asked | {"item_id": f"i{item}", "label": 1.0 if rng.random() < 0.8 else 0.0, "position": place}
        for place, item in enumerate(shown, start=1)
    ]


def world(seed: int = 0) -> dict[str, pl.DataFrame]:
    return {"items": items(), "users": users(), "events": events(seed)}


def write(folder: Path, tables: dict[str, pl.DataFrame]) -> Path:
    """Write a data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


def config(encoder: str, **changes: Any) -> FitConfig:
    """Return small settings; ``changes`` are fields of ``FitConfig``."""
    small = FitConfig(
        features=FeatureConfig(
            text=TextConfig(model=encoder, buckets=512, item_tokens=16, query_tokens=8),
            counts=CountConfig(affinity_l2=5.0, word_buckets=256),
            history=5,
        ),
        model=ModelConfig(
            space=SpaceConfig(width=16), ranker=RankerConfig(hidden=16, cross_rank=4, cross_layers=1, blocks=1)
        ),
        training=TrainingConfig(
            threads=1,
            valid_requests=30,
            space=SpaceStageConfig(batch=64, min_round=5, max_steps=20, uniform=16, learning_rate=0.01),
            ranker=RankerStageConfig(batch=32, min_round=5, max_steps=20, hard=8, uniform=3, zeros=2),
        ),
        serving=ServingConfig(candidates=candidates()),
        tracking=TrackingConfig(enabled=False),
    )
    return replace(small, **changes)


def candidates(**changes: int) -> CandidateConfig:
    """Return few candidates of each source, so that a tiny catalogue is not ranked whole."""
    few = CandidateConfig(**dict.fromkeys(CandidateConfig.__dataclass_fields__, 4))
    return replace(few, everything=0, total=0, **changes)


def with_training(settings: FitConfig, **changes: Any) -> FitConfig:
    """Return ``settings`` with other fields of ``TrainingConfig``."""
    return replace(settings, training=replace(settings.training, **changes))


def write_config(file: Path, settings: FitConfig) -> Path:
    """Write settings as the YAML that ``--config`` reads."""
    file.write_text(show_config(settings))
    return file


def read_yaml(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def fitted_run(folder: Path, encoder: str) -> Path:
    """Return ``folder/run``, fitted on ``folder/data``; made by whoever asks first."""
    out = folder / "run"
    if not out.exists():
        fit(write(folder / "data", world()), out, config(encoder), quiet=True)
    return out


REQUESTS = (
    {"request_id": "whole", "task": "similar", "user_id": "u1", "country": "DE", "source_item_id": "i4"},
    {"request_id": "search", "task": "search", "user_id": "u1", "query": "red", "country": "KR"},
    {"request_id": "no user", "task": "search", "query": "blue", "country": "DE"},
    {"request_id": "no country", "task": "recommendation", "user_id": "u2"},
    {"request_id": "nobody", "task": "recommendation"},
    {"request_id": "new user", "task": "recommendation", "user_id": "never seen", "country": "KR"},
    {"request_id": "new query", "task": "search", "user_id": "u3", "query": "purple piano"},
    {"request_id": "prefix", "task": "search", "user_id": "u4", "query": "bl"},
    {"request_id": "new country", "task": "similar", "source_item_id": "i9", "country": "BR"},
    {"request_id": "silent source", "task": "similar", "user_id": "u5", "source_item_id": SILENT},
    {"request_id": "all at once", "task": "search", "user_id": "u6", "query": "green lamp", "source_item_id": "i2"},
    {"request_id": "no rows of the task", "task": "presearch", "user_id": "u7", "country": "DE"},
)
"""Requests of every task with every kind of gap."""
