"""How near the candidate is in the graph to what the user, the query and the source item are linked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, cosines
from features.blocks.reading import Found, Reading
from features.graph import mean_vectors


@dataclass(frozen=True)
class GraphBlock(Block):
    """Cosines of graph vectors; a history or a query is the mean of its items."""

    name = "graph"
    columns = ("history_graph", "query_graph", "source_graph")
    by_item = (("by_query", (1,)),)

    by_query: sparse.csr_matrix  # (K, N + 1)

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Count the engagements for each known query; the vectors are shared."""
        return cls(log.query_items)

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the cosines of every item to history, query and source item."""
        graph = reading.known.graph
        return {
            "history_graph": cosines(mean_vectors(reading.past, graph), graph),
            "query_graph": cosines(mean_vectors(self.by_query[reading.query], graph), graph),
            "source_graph": cosines(graph[reading.filled.source], graph),
        }

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the cosines."""
        return found.at("history_graph"), found.at("query_graph"), found.at("source_graph")
