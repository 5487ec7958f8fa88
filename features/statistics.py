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
from features.arrays import load_arrays, map_columns, padded, save_arrays, save_columns
from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense
from features.blocks.registry import switched_on
from features.catalogue import Catalogue
from features.config import FeatureConfig, UseConfig
from features.events import EventRows
from features.graph import align, fill_from_text, fit_graph
from features.quality import RECENT, ItemEvents, Quality, Scaling, scale, signals


@dataclass(frozen=True)
class Statistics:
    """Counts, maps and quality, fitted on the same rows.

    Attributes:
        blocks: by name, the feature blocks that are switched on, in the order of their columns.
        item_map: (N + 1, N + 1) linear item-item map; rows are what is known, columns candidates.
        graph: (N + 1, G) graph vectors, G = 0 where the switch is off.
        by_task: (T, N + 1) engagements of each item in each task.
        scale: what a count is multiplied by, so that counts of a part of the rows are comparable to those of all.
        quality: the quality vectors.
        fitted: items of the catalogue that all this was fitted with.
        events: counts of the events of each item, from which quality is made.
    """

    blocks: Mapping[str, Block]
    item_map: sparse.csr_matrix
    graph: Dense
    by_task: Dense
    scale: float
    quality: Quality
    events: ItemEvents
    fitted: int

    @property
    def exposure(self) -> Dense:
        """Rows that showed each item, (N + 1,); 0 means that nothing was learned of its id."""
        return self.events.shown

    @property
    def popularity(self) -> Dense:
        """Engagements of each item in all tasks, (N + 1,)."""
        return np.asarray(self.by_task.sum(axis=0), dtype=np.float32)

    def turned_to(self, other: Statistics) -> Statistics:
        """Return the same with graph vectors in the basis of the ``other``'s, which a network was trained on."""
        return replace(self, graph=align(self.graph, other.graph)) if self.graph.size else self

    def extended(self, catalogue: Catalogue, config: FeatureConfig) -> Statistics:
        """Return the same for a ``catalogue`` with items behind the others, which nobody engaged with yet.

        What was fitted stays, and what items are told by does not depend on which others come with them.
        """
        rows, known = catalogue.rows, len(self.quality.values)
        events = self.events.extended(rows)
        later = scale(signals(catalogue.frame, events, config.quality, self.fitted), self.quality.scaling)
        quality = self.quality._replace(
            values=np.concatenate([self.quality.values, later.values[known:]]),
            missing=np.concatenate([self.quality.missing, later.missing[known:]]),
        )
        return replace(
            self,
            blocks={name: block.extended(catalogue) for name, block in self.blocks.items()},
            item_map=padded(self.item_map, (0, 1), rows),
            graph=self._extended_graph(catalogue, told=config.use.text),
            by_task=padded(self.by_task, (1,), rows),
            quality=quality,
            events=events,
        )

    def _extended_graph(self, catalogue: Catalogue, *, told: bool) -> Dense:
        """Return graph vectors also of the items that have no edge yet: what their texts say, if texts are read.

        Engagements stand in for the weights of the edges, of which they are the largest part.
        """
        vectors = np.array(padded(self.graph, (0,), catalogue.rows))
        if told:
            fill_from_text(vectors, padded(self.popularity, (0,), catalogue.rows), catalogue.text)
        vectors[: len(self.graph)] = self.graph
        return vectors


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
    events = _item_events(log.shown, sizes.items)
    return Statistics(
        blocks={block.name: block.fit(log, world) for block in switched_on(config.use)},
        item_map=_item_map(log, world),
        graph=_graph(log, world),
        by_task=log.by_task,
        # A ratio of rows and not of engagements, for what is not kept was or was not engaged with is not to be known.
        scale=len(rows.item) / max(len(log.shown.item), 1),
        quality=scale(signals(world.items, events, config.quality)),
        events=events,
        fitted=sizes.items - 1,
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
_ARRAYS = ("item_map", "graph", "by_task")
_COUNTS = ("engaged", "shown", "timed", "recent")


def save_statistics(statistics: Statistics, folder: Path) -> None:
    """Write everything that was fitted, large arrays each as a file that can be memory-mapped."""
    for name, block in statistics.blocks.items():
        save_columns(block.arrays(), folder / _BLOCKS / name)
    events, quality = statistics.events, statistics.quality
    shared = {name: getattr(statistics, name) for name in _ARRAYS} | {name: getattr(events, name) for name in _COUNTS}
    numbers = np.array([statistics.scale, events.end, events.span])
    save_columns(shared | {_NUMBERS: numbers}, folder / _SHARED)
    save_arrays({"values": quality.values, "missing": quality.missing} | quality.scaling._asdict(), folder / _QUALITY)
    names = pl.DataFrame({"name": statistics.quality.names}, schema={"name": pl.String})
    names.write_parquet(folder / "quality.parquet")


_QUALITY, _NUMBERS = "quality.safetensors", "numbers"


def load_statistics(folder: Path, use: UseConfig) -> Statistics:
    """Read what ``save_statistics`` wrote; large arrays stay on disk until they are read."""
    names = tuple(pl.read_parquet(folder / "quality.parquet").get_column("name"))
    quality = load_arrays(folder / _QUALITY)
    shared = map_columns(folder / _SHARED, (*_ARRAYS, *_COUNTS, _NUMBERS))
    factor, end, span = shared[_NUMBERS].tolist()
    return Statistics(
        blocks={block.name: _block(block, folder) for block in switched_on(use)},
        **{name: shared[name] for name in _ARRAYS},
        scale=factor,
        quality=Quality(names, quality.pop("values"), quality.pop("missing"), Scaling(**quality)),
        events=ItemEvents(**{name: shared[name] for name in _COUNTS}, end=end, span=span),
        fitted=len(shared["shown"]) - 1,
    )


def _block(block: type[Block], folder: Path) -> Block:
    return block(**map_columns(folder / _BLOCKS / block.name, block.learned()))
