"""A fitted model at work: requests in, ranked items out; the same object in a notebook, a batch job and MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.catalogue import ITEM_COLUMNS
from features.columns import Col
from features.errors import DataError
from features.new_items import conformed
from serving import exclusion
from serving.candidates import brought_by
from serving.engine import Candidates, Engine
from serving.engine import Requests as RequestBlock
from serving.further import FURTHER
from serving.locate import locate
from serving.requests import Requests, as_requests, check_top_k
from serving.run import RunFacts, load_run

ANSWER = {
    Col.REQUEST: pl.String(),
    Col.TASK: pl.String(),
    Col.RANK: pl.UInt32(),
    Col.ITEM: pl.String(),
    Col.SCORE: pl.Float32(),
}
"""Columns of an answer."""
SOURCES = "sources"
"""Column of a candidate: the names of what brought it."""


class Ranker:
    """Ranks the catalogue, or named candidates, for requests of any task.

    >>> ranker = Ranker.load("run")  # doctest: +SKIP
    >>> ranker.rank([{"task": "search", "query": "red chair", "user_id": "u1"}], top_k=3)  # doctest: +SKIP
    """

    def __init__(self, engine: Engine, facts: RunFacts) -> None:
        """Serve ``engine``."""
        self.engine, self.facts = engine, facts
        self._ids = _ids(engine)

    @classmethod
    def load(cls, run: str | Path) -> Ranker:
        """Return the ranker of a run folder, ``runs:/…`` or ``models:/name@alias``.

        Raises:
            DataError: there is no such run, or a file of it was changed.
        """
        return cls(*load_run(locate(run)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it knows."""
        return self.engine.features.tasks

    @property
    def model_id(self) -> str:
        """Names the fitted model."""
        return self.facts.model_id

    @property
    def data_hash(self) -> str:
        """Names the data it was fitted on."""
        return self.facts.data_hash

    @property
    def items(self) -> pl.DataFrame:
        """The catalogue: item_id, title, category, countries; not what was removed."""
        frame = self.engine.features.catalogue.frame.select(ITEM_COLUMNS)
        removed = self.engine.index.removed
        return frame.filter(pl.Series(~removed[1:])) if removed.any() else frame

    @property
    def exclude_seen(self) -> tuple[str, ...]:
        """Tasks in which items that the user engaged with are no candidates, unless a call names others."""
        named = self.engine.config.exclude_seen
        return exclusion.default(self.tasks) if named is None else named

    def knowing(self, events: pl.DataFrame, tasks: tuple[str, ...] | None = None) -> Ranker:
        """Return the same model with the histories of ``events``, which may be newer than what it was fitted on.

        Args:
            events: what happened, in the order of the table.
            tasks: the tasks whose rows histories tell of; None = those that it was trained on. What was seen in the
                others is left out all the same.
        """
        told = self.facts.train_tasks if tasks is None else tasks
        engine = replace(self.engine, features=self.engine.features.with_events(events, told))
        return Ranker(engine, self.facts)

    def add_items(self, items: pl.DataFrame) -> None:
        """Rank ``items`` that came after the fit, told by their content alone, until the run is loaded again.

        An item that was removed comes back as it was, whatever is said of it here.

        Args:
            items: a table as the contract has it, with the columns that the run reads.

        Raises:
            DataError: the table is not as it should be, or an item is there already.
        """
        items = conformed(items)
        engine = self.engine
        gone = self._ids.filter(pl.Series(engine.index.removed))
        returns = pl.col(Col.ITEM).is_in(gone.implode()).fill_null(value=False)
        back, new = items.filter(returns), items.filter(~returns)
        if new.height:
            engine = engine.with_items(new)
        self._ids = _ids(engine)  # before the engine, whose rows it has to name at any time
        self.engine = replace(engine, index=engine.index.with_back(_rows(engine, back.get_column(Col.ITEM))))

    def remove_items(self, ids: Iterable[str]) -> None:
        """Rank these items no more, until the run is loaded again; in histories, and as source items, they stay known.

        Raises:
            DataError: an item is not in the catalogue; then none is removed.
        """
        named = list(ids)
        odd = [one for one in named if not isinstance(one, str)]
        if odd:
            raise DataError(f"items to remove: {odd[0]!r} is {type(odd[0]).__name__}, it must be a string.")
        rows = _rows(self.engine, pl.Series(Col.ITEM, named, dtype=pl.String))
        if not rows.all():
            unknown = named[int(np.flatnonzero(rows == 0)[0])]
            raise DataError(f"items to remove: {unknown!r} is not in the catalogue. Leave it out.")
        self.engine = replace(self.engine, index=self.engine.index.without(rows))

    def rank(self, requests: Requests, top_k: int = 20, exclude_seen: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the ``top_k`` best items of each request, in the order of the requests.

        Args:
            requests: a frame, lazy frame or list of dicts with ``task`` and any of ``request_id``, ``user_id``,
                ``query``, ``country``, ``source_item_id``, ``candidates``.
            top_k: items per request at most.
            exclude_seen: tasks in which items that the user engaged with are left out; None = as the run says.

        Returns:
            ``request_id``, ``task``, ``rank`` (from 1), ``item_id`` and ``score`` (a logit, larger is better). A
            request that names candidates gets exactly these; it is for the caller to filter them. A list that goes on
            when all candidates are served goes on with the nearest items of the space, whose scores are no logits but
            go on falling: a short list is the beginning of a longer one.

        Raises:
            DataError: a request is wrong.
        """
        check_top_k(top_k)
        frame = as_requests(requests, self.tasks)
        excluded = self._excluded(exclude_seen)
        named = frame.get_column(Col.CANDIDATES).is_not_null()
        parts = [
            self._frame(block, *self.engine.rank(self._read(block), excluded, top_k))
            for block in self._blocks(frame.filter(~named))
        ]
        if named.any():
            scored = self._score(frame.filter(named))
            parts.append(self._best(scored, top_k))
            order = frame.select(Col.REQUEST).with_row_index("place")
            return (
                pl.concat(parts)
                .join(order, on=Col.REQUEST, how="left", validate="m:1", maintain_order="left")
                .sort("place", Col.RANK)
                .drop("place")
            )
        return pl.concat(parts) if parts else pl.DataFrame(schema=ANSWER)

    def candidates(
        self, requests: Requests, top_k: int = 20, exclude_seen: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return what the first stage finds for each request, which ``rank`` of the same arguments puts in order.

        Returns:
            ``request_id``, ``task``, ``item_id`` and ``sources``, in the order of the requests; the items of one in no
            order. The sources of an item are those that brought it, by the settings of ``serving.candidates`` that say
            how many: ``space``, ``affinity``, …, or ``everything`` where the catalogue is ranked whole. What follows
            the candidates in a list that is longer than they are is of the source ``further``.

        Raises:
            DataError: a request is wrong.
        """
        check_top_k(top_k)
        frame = as_requests(requests, self.tasks).drop(Col.CANDIDATES)
        excluded = self._excluded(exclude_seen)
        parts = []
        for block in self._blocks(frame):
            found = self.engine.find(self.engine.prepare(self._read(block), excluded), top_k)
            parts.append(self._candidates(block, found))
        schema = {name: ANSWER[name] for name in (Col.REQUEST, Col.TASK, Col.ITEM)} | {SOURCES: pl.List(pl.String)}
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)

    def score(self, requests: Requests) -> pl.DataFrame:
        """Return a score for every candidate that the requests name, in the given order.

        Returns:
            ``request_id``, ``task``, ``item_id``, ``score``.

        Raises:
            DataError: a request is wrong, names no candidates, or names an item that is not in the catalogue.
        """
        return self._score(as_requests(requests, self.tasks, need_candidates=True))

    def _excluded(self, exclude_seen: Sequence[str] | None) -> NDArray[np.bool_]:
        tasks = self.exclude_seen if exclude_seen is None else exclusion.check(exclude_seen, self.tasks)
        return self.engine.excluded(tasks)

    def _read(self, requests: pl.DataFrame) -> RequestBlock:
        return RequestBlock(*self.engine.features.read_requests(requests))

    def _blocks(self, requests: pl.DataFrame) -> Iterator[pl.DataFrame]:
        for start in range(0, requests.height, self.engine.block_size):
            yield requests.slice(start, self.engine.block_size)

    def _frame(self, requests: pl.DataFrame, items: NDArray[np.int64], scores: NDArray[np.float32]) -> pl.DataFrame:
        row, place = np.nonzero(items)
        found = items[row, place]
        return pl.DataFrame(
            {
                Col.REQUEST: requests.get_column(Col.REQUEST).gather(row),
                Col.TASK: requests.get_column(Col.TASK).gather(row),
                Col.RANK: place + 1,
                Col.ITEM: self._ids.gather(found),
                Col.SCORE: scores[row, place],
            },
            schema=ANSWER,
        )

    def _candidates(self, requests: pl.DataFrame, found: Candidates) -> pl.DataFrame:
        names = [*found.brought, FURTHER]
        items, brought = found.items, brought_by(found.items, found.brought.values())
        if found.further is not None:
            last = np.full(found.further.items.shape, 1 << len(found.brought))
            items = np.concatenate([items, found.further.items], axis=1)
            brought = np.concatenate([brought, last], axis=1)
        row, place = np.nonzero(items)
        sets, which = np.unique(brought[row, place], return_inverse=True)  # few sets of sources among many items
        named = [[name for bit, name in enumerate(names) if mask >> bit & 1] for mask in sets.tolist()]
        return requests.select(Col.REQUEST, Col.TASK)[row].with_columns(
            self._ids.gather(items[row, place]).alias(Col.ITEM),
            pl.Series(SOURCES, named, dtype=pl.List(pl.String)).gather(which),
        )

    def _score(self, requests: pl.DataFrame) -> pl.DataFrame:
        parts = [self._score_block(block) for block in self._blocks(requests)]
        schema = {name: kind for name, kind in ANSWER.items() if name != Col.RANK}
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)

    def _score_block(self, requests: pl.DataFrame) -> pl.DataFrame:
        length = requests.get_column(Col.CANDIDATES).list.len().cast(pl.Int64).to_numpy()
        columns = requests.select(Col.REQUEST, Col.TASK, Col.CANDIDATES)
        named = columns.explode(Col.CANDIDATES).drop_nulls(Col.CANDIDATES)
        item = _rows(self.engine, named.get_column(Col.CANDIDATES))
        item = np.where(self.engine.index.removed[item], 0, item)
        if (item == 0).any():
            unknown = named.filter(pl.Series(item == 0))
            raise DataError(
                f"requests: {unknown.height:,} candidates are not in the catalogue of the run, "
                f"e.g. {unknown[Col.CANDIDATES][0]!r} of request {unknown[Col.REQUEST][0]!r}. "
                "Leave them out, or fit again."
            )
        row = np.repeat(np.arange(len(length)), length)
        place = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        candidates = np.zeros((len(length), int(length.max(initial=1))), dtype=np.int64)
        candidates[row, place] = item
        block = self.engine.prepare(self._read(requests), self.engine.excluded(()))
        scores = self.engine.score(block, candidates).numpy()
        return named.rename({Col.CANDIDATES: Col.ITEM}).with_columns(pl.Series(Col.SCORE, scores[row, place]))

    def _best(self, scored: pl.DataFrame, top_k: int) -> pl.DataFrame:
        """Return the best of each request in served order."""
        rows = self.engine.features.catalogue.ids.rows(scored.get_column(Col.ITEM))
        tie = pl.Series("tie", self.engine.ties.numpy()[rows])
        order = scored.select(Col.REQUEST).unique(maintain_order=True).with_row_index("place")
        ranked = (
            scored.with_columns(tie)
            .join(order, on=Col.REQUEST, how="left", validate="m:1", maintain_order="left")
            .sort("place", Col.SCORE, "tie", descending=[False, True, False])
            .with_columns((pl.int_range(pl.len()).over("place") + 1).alias(Col.RANK))
            .filter(pl.col(Col.RANK) <= top_k)
        )
        return ranked.select(pl.col(name).cast(kind) for name, kind in ANSWER.items())


def _ids(engine: Engine) -> pl.Series:
    """Return the ids of the item rows, padding first."""
    return pl.concat([pl.Series([""]), engine.features.catalogue.frame.get_column(Col.ITEM)])


def _rows(engine: Engine, ids: pl.Series) -> NDArray[np.int64]:
    """Return the item row of each id, 0 where it is not in the catalogue."""
    return engine.features.catalogue.ids.rows(ids)
