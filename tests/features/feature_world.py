"""Tables in view to fitted features, with a tiny encoder and small hash tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.registry import BLOCKS, pair_columns
from features.columns import Col
from features.config import CountConfig, FeatureConfig, TextConfig, UseConfig
from features.encoder import StaticEncoder
from features.fitting import FittedEvents, fit_features
from features.imputation import RequestRows
from features.queries import QueryTable
from features.schema import SCHEMAS
from features.store import Features
from features.tables import conform

TASKS = ("search", "recommendation", "similar")
EVERYTHING = UseConfig(**dict.fromkeys(UseConfig.__dataclass_fields__, True))
"""With every group of features switched on, whatever is by default."""


ABOUT_ORDER = {"group_recent", *BLOCKS["transitions"].columns, *BLOCKS["dynamics"].columns}
"""Features that say nothing where events have no order."""


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
        "use": EVERYTHING,
    }
    return FeatureConfig(**(small | changes))


def fit(
    catalogue: pl.DataFrame,
    rows: pl.DataFrame | pl.LazyFrame,
    encoder: str,
    users: pl.DataFrame | None = None,
    scores: pl.DataFrame | None = None,
    **changes: Any,
) -> tuple[Features, FittedEvents]:
    return fit_features(catalogue, users, rows, TASKS, config(encoder, **changes), seed=0, scores=scores)


def requests(*rows: Mapping[str, str]) -> pl.DataFrame:
    """Return requests for ``Features.read_requests``, searches unless the rows say otherwise."""
    names = (Col.TASK, Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM)
    values = [{"task": "search"} | dict(row) for row in rows]
    return pl.DataFrame({name: pl.Series([row.get(name) for row in values], dtype=pl.String) for name in names})


def told(
    features: Features,
    rows: RequestRows,
    query: QueryTable,
    title_row: NDArray[np.int64],
    candidates: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Impute requests, and return what is told of ``candidates`` (by default all items) and of the requests."""
    filled, _ = features.imputer.apply(rows, features.history, title_row)
    evidence = features.evidence(rows, filled, query)
    if candidates is None:
        candidates = np.tile(np.arange(features.catalogue.rows), (len(rows.task), 1))
    return evidence.pairs(candidates), evidence.facts()


def file_of(array: Any) -> np.memmap[Any, Any] | None:
    """Return the file that an array is a view of, None where it is in memory."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array


def columns() -> tuple[str, ...]:
    """Return the names of what ``told`` tells of a candidate."""
    return pair_columns(EVERYTHING)


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
            assert value == right[name] or (value != value and right[name] != right[name]), name
