"""How well and how fast approximate indexes find what the exact one finds, what they weigh, and how long they build.

``python -m benchmarks.ann [--items 1000000 --width 128] [--kinds Flat HNSW32 compressed] [--run RUN]``

The items are a mixture of Gaussian clusters, the requests lie near items. Spectrum, distance of the nearest items and
local dimension of the mixture are about those of spaces that were trained on public data (20,000 items: 1st and 100th
nearest item at a cosine of .84 and .55, local dimension 9); the lengths vary by a tenth. Everything runs on one thread,
and a query counts with the best of three times, so that what else the machine does is no matter of this table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import faiss  # isort: skip (torch first)

from serving.config import COMPRESSED, FLAT, GRAPH, IndexConfig
from serving.index import Index

T = TypeVar("T")
FOUND = 100
"""Items that are asked for."""
TRIES = 3
EXACT = 50
"""Requests that the exact index is timed with, which looks at everything for each of them."""
SHARES = (0.5, 0.02)
"""Shares of the catalogue that pass the filter, in the rows that filter."""
CLUSTER, LOCAL, ROOM = 250, 16, 2.2
"""Items of a cluster on average, components in which its items differ, and how far."""


class Limits(NamedTuple):
    """What a kind of index must reach."""

    recall: float = 0.0
    p99: float = np.inf
    """Milliseconds."""
    width: float = np.inf
    """Bytes of a vector."""


KINDS = {FLAT: Limits(), GRAPH: Limits(recall=0.96, p99=10.0), COMPRESSED: Limits(recall=0.94, p99=20.0, width=96.0)}


@dataclass(frozen=True)
class Space:
    """Items (N + 1, W), row 0 = padding, and requests (B, W)."""

    items: Tensor
    requests: Tensor


def main() -> int:
    """Print the tables; the exit code is 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--run", type=Path, help="A run folder, whose vectors are measured too.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    kept = table(mixture(given.items, given.width, given.requests, seed=0), "mixture", given.kinds)
    if given.run is not None:
        kept &= table(of_run(given.run, given.requests, seed=0), str(given.run), given.kinds)
    return int(not kept)


def mixture(items: int, width: int, requests: int, seed: int) -> Space:
    """Return clusters around the children of a few centres, each spread along components of its own.

    Args:
        items: N.
        width: W.
        requests: B; each is the direction of an item, with noise.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    axes = _unit(np.arange(1.0, width + 1) ** -0.25)
    clusters = max(items // CLUSTER, 8)
    roots = rng.standard_normal((max(int(clusters**0.5), 2), width)) * axes
    share = rng.lognormal(0.0, 1.0, clusters)
    local = _unit(np.arange(1.0, LOCAL + 1) ** -0.5)
    made = np.empty((items, width), dtype=np.float32)
    start = 0
    for size in rng.multinomial(items, share / share.sum()):
        centre = (rng.choice(roots) + 0.7 * rng.standard_normal(width) * axes)[None]
        basis = rng.standard_normal((LOCAL, width)) * axes * local[:, None]
        spread = ROOM * rng.uniform(0.5, 1.0) * rng.standard_normal((size, LOCAL)) @ basis
        made[start : start + size] = centre + spread + 0.3 * rng.standard_normal((size, width)) * axes
        start += size
    turn = np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)
    made = _unit(made) @ turn
    near = made[rng.integers(items, size=requests)] + 0.6 * (rng.standard_normal((requests, width)) * axes) @ turn
    made *= rng.lognormal(0.0, 0.1, (items, 1))
    rng.shuffle(made)
    padded = np.concatenate([np.zeros((1, width), dtype=np.float32), made])
    return Space(torch.from_numpy(padded), torch.from_numpy(_unit(near)).float())


def of_run(run: Path, requests: int, seed: int) -> Space:
    """Return the item vectors of a trained run, and its users' requests in all tasks in turn."""
    from serving.engine import Requests
    from serving.ranker import Ranker
    from serving.requests import as_requests

    ranker = Ranker.load(run)
    rng = np.random.default_rng(seed)
    users = rng.choice(ranker.engine.features.known.users.values.to_numpy(), requests)
    asked = [{"task": ranker.tasks[at % len(ranker.tasks)], "user_id": user} for at, user in enumerate(users)]
    engine = ranker.engine
    block = Requests(*engine.features.read_requests(as_requests(asked, ranker.tasks)))
    return Space(engine.side.indexed, engine.encode(engine.contexts(block)[0]).searched)


def table(space: Space, name: str, kinds: Iterable[str]) -> bool:
    """Print a line for each kind of index, and return whether all limits are kept."""
    rows, width = space.items.shape
    print(f"\n{name}: {rows - 1:,} items, {width} components, {len(space.requests):,} requests, the best {FOUND}")
    print(f"every kind keeps the vectors for exact scores: {4 * width} bytes each")
    heads = f"{'kind':<34}{'built, s':>10}{'bytes a vector':>16}{'in all, MB':>12}"
    print(f"{heads}{'recall':>9}{'p50, ms':>9}{'p99, ms':>9}")
    exact = Index(space.items)
    allowed = [filters(rows, share) for share in (1.0, *SHARES)]
    oracle = [best(exact, space.requests, blocked) for blocked in allowed]
    kept = [kind(space, factory, KINDS[factory], allowed, oracle) for factory in kinds]
    return all(kept)


def kind(
    space: Space,
    factory: str,
    limits: Limits,
    allowed: list[NDArray[np.bool_]],
    oracle: list[NDArray[np.int64]],
) -> bool:
    """Print the lines of one kind of index, and return whether its limits are kept."""
    seconds, index = timed(lambda: Index.build(space.items, IndexConfig(factory=factory)))
    weight = index.bytes / (len(space.items) - 1)
    asked = space.requests if factory != FLAT else space.requests[:EXACT]
    found, times = answers(index, asked, allowed[0])
    recall, p99 = hits(found, oracle[0]), float(np.percentile(times, 99))
    measured = f"{recall:>9.4f}{np.median(times):>9.2f}{p99:>9.2f}"
    built = f"{index.factory:<34}{seconds:>10.1f}{weight:>16.1f}{index.bytes / 1e6:>12.1f}"
    print(f"{built}{measured}{said(limits)}", flush=True)
    for share, blocked, wanted in zip(SHARES, allowed[1:], oracle[1:], strict=True):
        found, times = answers(index, asked, blocked)
        measured = f"{hits(found, wanted):>9.4f}{np.median(times):>9.2f}{np.percentile(times, 99):>9.2f}"
        print(f"{f'  {share:.0%} of the items pass a filter':<72}{measured}", flush=True)
    return recall >= limits.recall and p99 <= limits.p99 and weight <= limits.width


def filters(rows: int, share: float) -> NDArray[np.bool_]:
    """Return what is blocked, (1, N + 1), so that about ``share`` of the items pass."""
    blocked = np.random.default_rng(1).random((1, rows)) >= share
    blocked[0, 0] = True
    return blocked


def best(index: Index, requests: Tensor, blocked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rows (B, K) that are found for requests, many at a time."""
    parts = [index.search(part, blocked.repeat(len(part), axis=0), FOUND) for part in requests.split(64)]
    return np.concatenate(parts)


def answers(
    index: Index, requests: Tensor, blocked: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows (B, K) that are found for requests one by one, and the best milliseconds (B,) of each."""
    found, fastest = [], []
    for request in requests.split(1):
        tries = [timed(partial(index.search, request, blocked, FOUND)) for _ in range(TRIES)]
        found.append(tries[0][1])
        fastest.append(1e3 * min(seconds for seconds, _ in tries))
    return np.concatenate(found), np.array(fastest)


def hits(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Return the share of the ``wanted`` (≥ B, K) that are ``found`` (B, K), over the first B requests."""
    return float(np.mean([np.isin(right, answer).mean() for answer, right in zip(found, wanted, strict=False)]))


def said(limits: Limits) -> str:
    """Return the limits in words."""
    if limits == Limits():
        return ""
    words = f"   recall at least {limits.recall:.2f}, p99 at most {limits.p99:.0f} ms"
    return words if np.isinf(limits.width) else f"{words}, at most {limits.width:.0f} bytes"


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that ``work`` takes, and its result."""
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    made: NDArray[Any] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return made


if __name__ == "__main__":
    sys.exit(main())
