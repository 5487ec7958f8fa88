"""Data folders of two tasks whose gain from each other is known beforehand."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

START = datetime(2024, 1, 1)
SIDE = 20
"""Items of each side; the items of a side are ``a0`` … and ``b0`` …"""
USERS = 160


def items() -> pl.DataFrame:
    return pl.DataFrame({"item_id": [f"{side}{n}" for side in "ab" for n in range(SIDE)]})


def event(task: str, user: int | None, item: str, at: float, split: str, label: float = 1.0) -> dict[str, Any]:
    return {
        "task": task,
        "user_id": None if user is None else f"u{user}",
        "item_id": item,
        "label": label,
        "timestamp": START + timedelta(hours=at),
        "split": split,
        "query": None,
    }


def told_elsewhere(seed: int = 0) -> list[dict[str, Any]]:
    """Return events in which a user's side shows in recommendation alone, and decides what is engaged in search.

    A user engages in search twice, in the second half of train and in valid, and in recommendation six times before.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        side = "ab"[user % 2]
        for _ in range(6):
            rows.append(event("recommendation", user, f"{side}{rng.integers(SIDE)}", rng.uniform(0, 100), "train"))
        rows.append(event("search", user, f"{side}{rng.integers(SIDE)}", rng.uniform(100, 200), "train"))
        rows.append(event("search", user, f"{side}{rng.integers(SIDE)}", rng.uniform(200, 300), "valid"))
        rows.append(event("recommendation", user, f"{side}{rng.integers(SIDE)}", rng.uniform(200, 300), "valid"))
    return rows


def strangers(seed: int = 0) -> list[dict[str, Any]]:
    """Return events of two tasks that share neither users nor items nor anything else."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        task, side = (("recommendation", "a"), ("search", "b"))[user % 2]
        for part, (first, last) in {"train": (0, 200), "valid": (200, 300)}.items():
            for _ in range(6 if part == "train" else 2):
                popular = int(SIDE * rng.random() ** 3)
                rows.append(event(task, user, f"{side}{popular}", rng.uniform(first, last), part))
    return rows


def opposed(seed: int = 0) -> list[dict[str, Any]]:
    """Return anonymous events in which search wants side a alone, and recommendation, with twice the rows, b."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(1200):
        task, side = ("search", "a") if number % 3 == 0 else ("recommendation", "b")
        popular = int(SIDE * rng.random() ** 3)
        at = number / 4
        rows.append(event(task, None, f"{side}{popular}", at, "train" if at < 200 else "valid"))
    return rows


def write(folder: Path, rows: list[dict[str, Any]], catalogue: pl.DataFrame | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (items() if catalogue is None else catalogue).write_parquet(folder / "items.parquet")
    texts = {"user_id": pl.String, "query": pl.String}
    pl.DataFrame(rows, infer_schema_length=None, schema_overrides=texts).write_parquet(folder / "events.parquet")
    return folder
