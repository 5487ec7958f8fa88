"""Tables in view to fitted features, with a tiny encoder and small hash tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from features.config import CountConfig, FeatureConfig, TextConfig
from features.encoder import StaticEncoder
from features.schema import SCHEMAS
from features.store import Features, FittedEvents, fit_features
from features.tables import conform

TASKS = ("search", "recommendation", "similar")


def table(name: str, **columns: Any) -> pl.DataFrame:
    """Return a table of the contract from some of its columns."""
    return conform(pl.DataFrame(columns).lazy(), SCHEMAS[name], name).collect(engine="in-memory")


def items(*ids: str, **columns: Any) -> pl.DataFrame:
    return table("items", item_id=pl.Series(ids, dtype=pl.String), **columns)


def events(**columns: Any) -> pl.DataFrame:
    """Return events, engagements in recommendation unless the columns say otherwise."""
    count = len(columns["item_id"])
    return table("events", **({"task": ["recommendation"] * count, "label": [1.0] * count} | columns))


def config(encoder: str, **changes: Any) -> FeatureConfig:
    """Return small settings; ``changes`` are fields of ``FeatureConfig``."""
    small = {
        "text": TextConfig(model=encoder, buckets=512, item_tokens=16, query_tokens=16),
        "counts": CountConfig(affinity_l2=1.0, word_buckets=256),
        "history": 3,
    }
    return FeatureConfig(**(small | changes))


def fit(
    catalogue: pl.DataFrame, rows: pl.DataFrame, encoder: str, users: pl.DataFrame | None = None, **changes: Any
) -> tuple[Features, FittedEvents]:
    return fit_features(catalogue, users, rows, TASKS, config(encoder, **changes), seed=0)


def arrays(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield everything comparable in fitted objects, by its path."""
    if isinstance(value, StaticEncoder):
        yield f"{name}.static", value.vectors
        yield f"{name}.tokenizer", value.tokenizer
    elif sparse.issparse(value):
        yield name, value.toarray()
    elif isinstance(value, pl.Series | pl.DataFrame):
        yield name, value.to_numpy() if isinstance(value, pl.Series) else value.to_dicts()
    elif is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, FeatureConfig):
            yield name, asdict(value)
            return
        for field in fields(value):
            yield from arrays(getattr(value, field.name), f"{name}.{field.name}")
    elif hasattr(value, "_asdict"):
        yield from arrays(value._asdict(), name)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from arrays(part, f"{name}.{key}")
    else:
        yield name, value


def assert_same(a: Any, b: Any) -> None:
    """Compare fitted objects array by array, bit by bit."""
    left, right = dict(arrays(a)), dict(arrays(b))
    assert left.keys() == right.keys()
    for name, value in left.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == right[name].dtype, name
            np.testing.assert_array_equal(value, right[name], err_msg=name)
        else:
            assert value == right[name], name
