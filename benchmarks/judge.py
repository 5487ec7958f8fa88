"""How long the judge takes on a catalogue as large as Last.fm's, and its metrics beside torchmetrics' on one table.

``python benchmarks/judge.py [--requests 54748 --items 18022 --users 1892]``
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import polars as pl
import torch
from torchmetrics.functional.retrieval import retrieval_normalized_dcg

from features.columns import Col, Split
from training.evaluation.judge import judge
from training.evaluation.judged import Judged, judged_split
from training.evaluation.metrics import ranking_metrics
from training.evaluation.protocol import Contender, Protocol, RankFunction
from training.evaluation.served import serve
from training.evaluation.slices import slice_masks
from training.evaluation.tasks import judge_task

T = TypeVar("T")
WIDTH = 64
"""Components of the ready vectors."""
SECONDS, MEGABYTES = 25.0, 1_500.0
"""Limits of the whole evaluation."""
INTERVAL_SECONDS = 10.0
TIMES_FASTER = 10.0
"""Than torchmetrics, on ``TABLE``."""
TABLE = (20_000, 100)
"""Requests and items of the table on which the metrics alone are timed."""


def main() -> int:
    """Print the tables; the exit code is 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=54_748)
    parser.add_argument("--items", type=int, default=18_022)
    parser.add_argument("--users", type=int, default=1_892)
    sizes = parser.parse_args()
    protocol = Protocol(exclude_seen=())
    judged = world(sizes.requests, sizes.items, sizes.users)
    contender = Contender("vectors", from_vectors(sizes.requests, sizes.items))
    before = _peak()

    whole, _ = timed(lambda: judge([contender], judged, protocol))
    ranked, outcome = timed(lambda: serve(contender, judged, protocol, lambda *_: None))
    judging, _ = timed(
        lambda: [
            judge_task(task, {"vectors": (outcome,)}, judged, slice_masks(judged), protocol) for task in judged.tasks
        ]
    )
    print(f"{sizes.requests:,} requests × {sizes.items:,} items, {sizes.users:,} users")
    kept = [
        row("everything", whole, SECONDS),
        row("  ranking, reading the lists", ranked),
        row("  metrics, slices, intervals", judging, INTERVAL_SECONDS),
        row("peak memory, MB", _peak(), MEGABYTES),
        row("  before anything was ranked", before),
    ]
    ours, theirs = metrics_alone(*TABLE)
    print(f"\nNDCG@10 of {TABLE[0]:,} requests × {TABLE[1]} items")
    kept += [row("ours, with 20 more metrics", ours), row("torchmetrics", theirs)]
    print(f"{theirs / ours:.0f} times as fast; at least {TIMES_FASTER:.0f}")
    return int(not all(kept) or theirs < TIMES_FASTER * ours)


def world(requests: int, items: int, users: int) -> Judged:
    """Return a test split in which every request has a query of its own and one target, and a train split as large."""
    random = np.random.default_rng(0)
    size = 2 * requests
    popularity = 1 / np.arange(1, items + 1)
    names = np.array([f"item {number}" for number in range(items)])
    frame = pl.DataFrame(
        {
            Col.ITEM: names[random.choice(items, size=size, p=popularity / popularity.sum())],
            Col.TASK: np.where(random.random(size) < 1 / 3, "recommendation", "search"),
            Col.LABEL: np.ones(size),
            Col.USER: [f"user {number}" for number in random.integers(users, size=size)],
            Col.QUERY: [f"query {number}" for number in range(size)],
            Col.SPLIT: np.repeat([Split.TRAIN, Split.TEST], requests),
        }
    )
    events = frame.with_columns(
        *(pl.lit(None, dtype=pl.String).alias(name) for name in (Col.COUNTRY, Col.SOURCE_ITEM, Col.REQUEST)),
        pl.lit(None, dtype=pl.Int64).alias(Col.ORDER),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias(Col.TIMESTAMP),
    )
    catalogue = pl.DataFrame({Col.ITEM: names}).with_columns(
        *(pl.lit(None, dtype=pl.String).alias(name) for name in (Col.TITLE, Col.TEXT)),
        pl.lit(None, dtype=pl.List(pl.String)).alias(Col.COUNTRIES),
    )
    return judged_split(catalogue, events, Protocol())


def from_vectors(requests: int, items: int) -> RankFunction:
    """Return a rank function that scores the whole catalogue by ready vectors, in the order of the contexts."""
    generator = torch.Generator().manual_seed(0)
    asked = torch.randn(requests, WIDTH, generator=generator)
    offered = torch.randn(items, WIDTH, generator=generator)
    ids = pl.Series([f"item {number}" for number in range(items)])

    def rank(block: pl.DataFrame, depth: int) -> pl.DataFrame:
        rows = torch.from_numpy(block[Col.REQUEST].cast(pl.Int64).to_numpy(writable=True))
        values, found = [], []
        for part in rows.split(256):
            value, item = (asked[part] @ offered.T).topk(depth, dim=1)
            values.append(value)
            found.append(item)
        item, value = torch.cat(found), torch.cat(values)
        return pl.DataFrame(
            {
                Col.REQUEST: block[Col.REQUEST].gather(np.repeat(np.arange(len(block)), depth)),
                Col.RANK: np.tile(np.arange(1, depth + 1), len(block)),
                Col.ITEM: ids.gather(item.flatten().numpy()),
                Col.SCORE: value.flatten().numpy(),
            }
        )

    return rank


def metrics_alone(requests: int, items: int) -> tuple[float, float]:
    """Return the seconds of our metrics and of torchmetrics' NDCG@10 on the same dense table."""
    random = np.random.default_rng(0)
    target = random.random((requests, items)) < 0.05
    target[:, 0] = True
    score = random.random((requests, items), dtype=np.float32)
    dense_score, dense_target = torch.from_numpy(score), torch.from_numpy(target.astype(np.int64))

    def ours() -> float:
        rank = torch.from_numpy(score).argsort(dim=1, descending=True).argsort(dim=1).numpy() + 1
        row, item = np.nonzero(target)
        found = ranking_metrics(row, np.ones(len(row)), rank[row, item], Protocol().k)
        return float(found.values[:, found.names.index("ndcg_at_10")].mean())

    def theirs() -> float:
        one_by_one = [
            retrieval_normalized_dcg(scores, targets, top_k=10)
            for scores, targets in zip(dense_score, dense_target, strict=True)
        ]
        return float(torch.stack(one_by_one).mean())

    seconds, value = timed(ours)
    slow, reference = timed(theirs)
    if abs(value - reference) > 1e-5:
        raise SystemExit(f"NDCG@10 is {value:.6f}, and {reference:.6f} by torchmetrics")
    return seconds, slow


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that ``work`` takes, and what it returns."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def row(name: str, value: float, limit: float | None = None) -> bool:
    """Print a line, and return whether the value keeps its limit."""
    print(f"{name:<36}{value:10.2f}" + ("" if limit is None else f"   limit {limit:,.0f}"))
    return limit is None or value <= limit


def _peak() -> float:
    """Return the largest memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
