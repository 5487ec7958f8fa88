"""A ranker with answers that anyone can work out.

The catalogue is i0 to i9. The candidates of a request, or the whole catalogue, are turned by the length of its user id;
scores fall from 10 by 1. A request from country "ZZ" may be shown nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType

import polars as pl

from features.columns import Col
from serving.requests import as_requests

CATALOGUE = [f"i{n}" for n in range(10)]


class FakeRanker:
    tasks = ("search", "recommendation", "similar")
    data_hash = "data-0"
    exclude_seen = ("recommendation",)

    def __init__(self, model_id="model-0"):
        self.model_id = model_id
        self.calls = []

    @property
    def items(self):
        titles = [f"thing {n}" if n else None for n in range(10)]
        return pl.DataFrame(
            {"item_id": CATALOGUE, "title": titles, "category": ["A > B"] * 10, "countries": [None] * 10}
        )

    def rank(self, requests, top_k, exclude_seen=None):
        self.calls.append((requests, top_k, exclude_seen))
        requests = as_requests(requests, self.tasks)
        frames = [_answer(request, top_k) for request in requests.iter_rows(named=True)]
        return pl.concat(frames) if frames else _answer({}, 0)


def install(monkeypatch):
    """Put the fake in the place of ``serving.ranker.Ranker``; returns the list of runs that are loaded."""
    loaded = []

    class Loaded(FakeRanker):
        @classmethod
        def load(cls, run):
            loaded.append(run)
            return cls()

    module = ModuleType("serving.ranker")
    module.Ranker = Loaded
    monkeypatch.setitem(sys.modules, "serving.ranker", module)
    return loaded


def _answer(request, top_k):
    pool = request.get(Col.CANDIDATES)
    pool = [] if request.get(Col.COUNTRY) == "ZZ" else CATALOGUE if pool is None else pool
    turn = len(request.get(Col.USER) or "") % max(1, len(pool))
    chosen = (pool[turn:] + pool[:turn])[:top_k]
    return pl.DataFrame(
        {
            "request_id": pl.Series([request.get(Col.REQUEST)] * len(chosen), dtype=pl.String),
            "task": pl.Series([request.get(Col.TASK)] * len(chosen), dtype=pl.String),
            "rank": pl.Series(range(1, len(chosen) + 1), dtype=pl.UInt32),
            "item_id": pl.Series(chosen, dtype=pl.String),
            "score": pl.Series([10.0 - n for n in range(len(chosen))], dtype=pl.Float32),
        }
    )
