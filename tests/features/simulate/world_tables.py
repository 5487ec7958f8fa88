"""The tables of a simulated world, read back as a user would."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from features.simulate.knobs import Knobs
from features.simulate.world import simulate

SMALL: dict[str, Any] = {"items": 300, "users": 60, "events": 2_000, "requests": 20}


class Tables(NamedTuple):
    """Everything that a world writes."""

    root: Path
    knobs: Knobs
    items: pl.DataFrame
    users: pl.DataFrame
    events: pl.DataFrame
    requests: pl.DataFrame
    shown: pl.DataFrame
    intents: pl.DataFrame
    oracle: pl.DataFrame
    item_truth: pl.DataFrame
    user_truth: pl.DataFrame

    @property
    def rows(self) -> pl.DataFrame:
        """Events with what is true of them, row by row."""
        return pl.concat([self.events, self.shown.drop("request_id", "item_id")], how="horizontal")

    @property
    def asked(self) -> pl.DataFrame:
        """One row of events per request."""
        return self.events.unique("request_id", keep="first", maintain_order=True)


def write_world(root: Path, **knobs: Any) -> Tables:
    """Write the small world with some other ``knobs`` into ``root``, and read it."""
    chosen = Knobs(**{**SMALL, **knobs})
    simulate(root, chosen)
    return read_world(root, chosen)


def read_world(root: Path, knobs: Knobs) -> Tables:
    truth = root / "truth"
    return Tables(
        root=root,
        knobs=knobs,
        items=pl.read_parquet(root / "items.parquet"),
        users=pl.read_parquet(root / "users.parquet"),
        events=pl.read_parquet(root / "events"),
        requests=pl.read_parquet(root / "requests.parquet"),
        shown=pl.read_parquet(truth / "shown"),
        intents=pl.read_parquet(truth / "requests"),
        oracle=pl.read_parquet(truth / "oracle") if (truth / "oracle").exists() else pl.DataFrame(),
        item_truth=pl.read_parquet(truth / "items.parquet"),
        user_truth=pl.read_parquet(truth / "users.parquet"),
    )
