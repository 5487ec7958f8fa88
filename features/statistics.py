"""What is fitted on events, as one object that knows which rows it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.affinity import fit_affinity
from features.arrays import load_arrays, map_columns, save_arrays, save_columns
from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense
from features.blocks.registry import switched_on
from features.config import UseConfig
from features.events import EventRows
from features.graph import align, fit_graph
from features.quality import RECENT, ItemEvents, Quality, scale, signals


@dataclass(frozen=True)
class Statistics:
    """Counts, maps, quality and exposure, fitted on the same rows.

    Attributes:
        blocks: by name, the feature blocks that are switched on, in the order of their columns.
        item_map: (N + 1, N + 1) linear item-item map; rows are what is known, columns candidates.
        graph: (N + 1, G) graph vectors, G = 0 where the switch is off.
        by_task: (T, N + 1) engagements of each item in each task.
        scale: what a count is multiplied by, so that counts of a part of the rows are comparable to those of all.
        quality: the quality vectors.
        exposure: (N + 1,) rows that showed the item; 0 means that nothing was learned of its id.
    """

    blocks: Mapping[str, Block]
    item_map: sparse.csr_matrix
    graph: Dense
    by_task: Dense
    scale: float
    quality: Quality
    exposure: Dense

    @property
    def popularity(self) -> Dense:
        """Engagements of each item in all tasks, (N + 1,)."""
        return np.asarray(self.by_task.sum(axis=0), dtype=np.float32)

    def turned_to(self, other: Statistics) -> Statistics:
        """Return the same with graph vectors in the basis of the ``other``'s, which a network was trained on."""
        return replace(self, graph=align(self.graph, other.graph)) if self.graph.size else self


def fit_statistics(rows: EventRows, kept: NDArray[np.bool_], world: World, *, ordered: bool) -> Statistics:
    """Fit on the rows that are ``kept`` (E,), and on none of the others: not even a user's last item comes from them.

    Args:
        rows: the events.
        kept: which rows may be counted.
        world: what is known besides events.
        ordered: whether the order of the events means anything.
    """
    sizes, config = world.sizes, world.config
    log = Log.of(rows, kept, world.home, sizes, ordered=ordered)
    return Statistics(
        blocks={block.name: block.fit(log, world) for block in switched_on(config.use)},
        item_map=_item_map(log, world),
        graph=_graph(log, world),
        by_task=log.by_task,
        # A ratio of rows and not of engagements, for what is not kept was or was not engaged with is not to be known.
        scale=len(rows.item) / max(len(log.shown.item), 1),
        quality=scale(signals(world.items, _item_events(log.shown, sizes.items), config.quality)),
        exposure=np.bincount(log.shown.item, minlength=sizes.items).astype(np.float32),
    )


def _item_map(log: Log, world: World) -> sparse.csr_matrix:
    """Return the linear item-item map, empty where no block that reads it is switched on."""
    use, counts, items = world.config.use, world.config.counts, log.sizes.items
    if not (use.affinity or use.own_query or use.source):
        return sparse.csr_matrix((items, items), dtype=np.float32)
    return fit_affinity(log.user_items, counts.affinity_l2, counts.affinity_keep, counts.affinity_largest, world.seed)


def _graph(log: Log, world: World) -> Dense:
    use = world.config.use
    if not (use.graph or use.graph_part):
        return np.zeros((log.sizes.items, 0), dtype=np.float32)
    text = world.catalogue.text if use.text else np.zeros((log.sizes.items, 0), dtype=np.float32)
    return fit_graph(log.user_items, log.query_items, log.source_items, text, world.config.graph_width, world.seed)


def _item_events(rows: EventRows, items: int) -> ItemEvents:
    timed = np.isfinite(rows.time)
    first = float(rows.time[timed].min()) if timed.any() else float("nan")
    last = float(rows.time[timed].max()) if timed.any() else float("nan")
    recent = rows.time > last - RECENT * (last - first)

    def count(which: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.bincount(rows.item[which], minlength=items).astype(np.float32)

    return ItemEvents(
        engaged=count(rows.engaged),
        shown=count(np.ones_like(timed)),
        timed=count(rows.engaged & timed),
        recent=count(rows.engaged & recent),
        end=last,
        span=last - first,
    )


_BLOCKS, _SHARED = "blocks", "shared"
_ARRAYS = ("item_map", "graph", "by_task", "exposure")


def save_statistics(statistics: Statistics, folder: Path) -> None:
    """Write everything that was fitted, large arrays each as a file that can be memory-mapped."""
    for name, block in statistics.blocks.items():
        save_columns(block.arrays(), folder / _BLOCKS / name)
    shared = {name: getattr(statistics, name) for name in _ARRAYS}
    save_columns(shared | {"scale": np.array([statistics.scale])}, folder / _SHARED)
    save_arrays({"values": statistics.quality.values, "missing": statistics.quality.missing}, folder / _QUALITY)
    names = pl.DataFrame({"name": statistics.quality.names}, schema={"name": pl.String})
    names.write_parquet(folder / "quality.parquet")


_QUALITY = "quality.safetensors"


def load_statistics(folder: Path, use: UseConfig) -> Statistics:
    """Read what ``save_statistics`` wrote; large arrays stay on disk until they are read."""
    names = tuple(pl.read_parquet(folder / "quality.parquet").get_column("name"))
    quality = load_arrays(folder / _QUALITY)
    shared = map_columns(folder / _SHARED, (*_ARRAYS, "scale"))
    return Statistics(
        blocks={block.name: _block(block, folder) for block in switched_on(use)},
        quality=Quality(names, quality["values"], quality["missing"]),
        **(shared | {"scale": float(shared["scale"][0])}),
    )


def _block(block: type[Block], folder: Path) -> Block:
    return block(**map_columns(folder / _BLOCKS / block.name, block.learned()))
