"""The smallest world that every block has something to say of: two users, two queries, three items, all in view.

Row 0 of everything is missing, row 1 of all but the items unknown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.blocks.base import Block
from features.blocks.log import Log, Sizes, World
from features.blocks.reading import Known
from features.catalogue import Catalogue
from features.config import CountConfig, FeatureConfig
from features.events import EventRows
from features.evidence import Evidence
from features.history import History
from features.imputation import RequestRows
from features.known import Vocabularies
from features.lexical import Lexicon
from features.queries import QueryTable
from features.vocabulary import Vocabulary
from tests.features.feature_world import EVERYTHING, items


def matrix(*rows: list[float]) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.array(rows, dtype=np.float32))


def vectors(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


SIZES = Sizes(tasks=2, users=4, countries=3, queries=4, items=4, categories=4)
NOTHING = [0.0] * 4
RESERVED = (NOTHING, NOTHING)
"""What is counted for a query, a user or a country that is missing, and for one that is not known."""
TEXT = vectors([0, 0], [1, 0], [0, 1], [0.6, 0.8])
GROUP = np.array([0, 2, 3, 3])  # of each item
CATALOGUE = Catalogue(
    ids=Vocabulary(pl.Series("value", ["i1", "i2", "i3"]), first=1),
    frame=items("i1", "i2", "i3"),
    text=TEXT,
    tokens=np.zeros((4, 1), dtype=np.int32),
    category=GROUP[:, None],
    countries=np.zeros((4, 1), dtype=np.int64),
    vectors=np.zeros((4, 0), dtype=np.float32),
    lexical=matrix([0, 1.5, 0, 3], NOTHING),  # of two words
    lexicon=Lexicon(np.ones(2, dtype=np.float32), np.ones(1, dtype=np.float32)),
    restricted=np.zeros(4, dtype=bool),
    allowed=np.zeros(0, dtype=np.int64),
)


def vocabulary(*values: str) -> Vocabulary:
    return Vocabulary(pl.Series("value", values, dtype=pl.String))


def world(scores: pl.DataFrame | None = None) -> World:
    """Return what blocks may read besides events."""
    return World(
        catalogue=CATALOGUE,
        items=CATALOGUE.frame,
        known=Vocabularies(vocabulary("u2", "u3"), vocabulary("KR"), vocabulary("a", "a b"), vocabulary("x", "y")),
        words=matrix([0, 0], [0, 0], [1, 0], [1, 1]),  # query 2 is "a", query 3 is "a b"
        query_vectors=np.array([[0, 0], [0, 0], [1, 0], [0.75, 0.625]], dtype=np.float16),
        group=GROUP,
        home=np.array([0, 0, 2, 0]),  # user 2 is at home in country 2
        scores=scores,
        sizes=SIZES,
        config=FeatureConfig(counts=CountConfig(affinity_l2=1.0), use=EVERYTHING),
        seed=0,
    )


def events(count: int, **columns: Any) -> EventRows:
    """Return engagements, one a request, with nothing known of them but what the columns say."""
    zeros, place = np.zeros(count, dtype=np.int64), np.arange(count)
    facts = dict.fromkeys(("task", "user", "country", "query", "text", "source", "item"), zeros)
    facts |= {"label": np.ones(count), "weight": np.ones(count), "request": place, "rank": place}
    facts |= {"time": np.full(count, np.nan)}
    return EventRows(**(facts | {name: np.array(column) for name, column in columns.items()}))


ROWS = events(
    6,
    task=[0, 0, 0, 1, 0, 0],
    user=[2, 2, 0, 3, 2, 2],
    country=[2, 0, 2, 1, 2, 2],
    query=[2, 3, 3, 1, 3, 3],
    source=[0, 0, 3, 3, 0, 3],
    item=[1, 1, 2, 1, 3, 3],
    label=[1.0, 1.0, 1.0, 1.0, 0.0, 0.0],
)
"""Four engagements, and two rows that showed item 3 and were not engaged with."""


def log(rows: EventRows = ROWS, *, ordered: bool = False) -> Log:
    """Return ``rows``, all of which may be counted."""
    return Log.of(rows, np.ones(len(rows.item), dtype=bool), world().home, SIZES, ordered=ordered)


TABLE = QueryTable(  # none, query 2 of the vocabulary, and a text that is not in it
    known=np.array([0, 2, 1]),
    tokens=np.zeros((3, 4), dtype=np.int32),
    static=np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float16),
    words=matrix([0, 0], [1, 1], [0, 0]),
    length=np.array([0, 2, 1], dtype=np.float32),
)


def known(*, ordered: bool = True, **changes: Any) -> Known:
    """Return what is read besides blocks: user 2 engaged with item 1, then with item 2, with this one for query 2."""
    facts = Known(
        history=History.build(np.array([2, 2]), np.array([1, 2]), 4, ordered=ordered),
        query_history=History.build(np.array([2]), np.array([2]), 3, ordered=ordered),
        query_keys=np.array([2 * 4 + 2]),
        queries=4,
        catalogue=CATALOGUE,
        item_map=matrix(NOTHING, [0, 0, 0.5, 0], [0, 0.2, 0, -0.1], [0, 0.3, 0, 0]),
        graph=vectors([0, 0], [1, 0], [0, 1], [0.8, 0.6]),
        by_task=vectors([0, 4, 1, 0], NOTHING),
        scale=2.0,
    )
    return replace(facts, **changes)


def request(**fields: int) -> RequestRows:
    """Return one request; its ``query`` is a row of ``TABLE``."""
    values = {"task": 0, "user": 0, "country": 0, "query": 0, "source": 0, **fields}
    columns = {name: np.array([value]) for name, value in values.items()}
    end = known().history.ends(columns["user"])
    hide = np.zeros((1, 1), dtype=np.int64)
    return RequestRows(**columns, owner=columns["user"], end=end, query_end=np.array([-1]), hide=hide)


FULL = {"user": 2, "country": 2, "query": 1, "source": 3}
"""The fields of a request that lacks nothing."""


def features(
    block: Block,
    rows: RequestRows | None = None,
    candidates: tuple[int, ...] = (1, 2, 3),
    reads: Known | None = None,
    filled: RequestRows | None = None,
) -> dict[str, list[float]]:
    """Return by column what the block says of ``candidates`` for one request, by default one that lacks nothing."""
    rows = request(**FULL) if rows is None else rows
    evidence = Evidence.gather(rows, filled or rows, TABLE, reads or known(), {block.name: block})
    found = evidence.pairs(np.array([candidates]))
    assert found.shape == (1, len(candidates), len(block.columns)) and found.dtype == np.float32
    return {name: found[0, :, column].tolist() for column, name in enumerate(block.columns)}


def telling(block: Block, **fields: int) -> set[str]:
    """Return the columns that say something of some item where a request has these fields and no others."""
    return {name for name, values in features(block, request(**fields)).items() if any(values)}


def assert_told(block: Block, expected: dict[str, list[float]], **changes: Any) -> None:
    """Compare what a block says of items 1, 2 and 3 with the answer."""
    found = features(block, **changes)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
