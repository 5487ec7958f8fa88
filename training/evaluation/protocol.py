"""What is judged, and how: the settings of an evaluation and the functions under judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import polars as pl

from features.columns import SEARCH, TASKS, Split
from features.errors import DataError

KINDS: Final = ("recall", "hit", "ndcg", "map")
"""Metrics that are judged at each cut-off."""
MRR: Final = "mrr"
COMPARED: Final = ("ndcg_at_10", "recall_at_20")

RankFunction = Callable[[pl.DataFrame, int], pl.DataFrame]
"""``rank(requests, top_k) -> answer``.

``requests`` has the String columns ``request_id, task, user_id, query, country, source_item_id``, all but the first two
nullable. The answer has ``request_id, rank, item_id, score``: rank from 1, rows in any order, fewer than ``top_k`` rows
or none for a request that has no more candidates. Extra columns are ignored.
"""

ScoreFunction = Callable[[pl.DataFrame], pl.DataFrame]
"""``score(requests) -> answer``, with a list column ``candidates`` beside the columns of ``RankFunction``.

The answer has a row ``request_id, item_id, score`` for each candidate of each request, in any order. A column
``calibrated_probability``, if there, is taken for the probability of engagement.
"""

CandidateFunction = Callable[[pl.DataFrame], pl.DataFrame]
"""``candidates(requests) -> answer``: a row ``request_id, item_id`` for each item that the ranker puts in order.

A list column ``sources``, if there, names what brought it.
"""


class Contender(NamedTuple):
    """A ranker under judgement."""

    name: str
    rank: RankFunction
    score: ScoreFunction | None = None
    """Without it, impressions and graded judgments are not judged."""
    logits: bool = True
    """Whether the sigmoid of a score means a probability; else only the order of scores is judged."""
    candidates: CandidateFunction | None = None
    """Without it, the first stage is not judged."""
    without_history: RankFunction | None = None
    """The same ranker, told of nobody's history but for what may not be served; without it, that gap is not judged."""
    tasks: tuple[str, ...] | None = None
    """Tasks that it is judged in, such as those that it was trained on; None = all."""
    settings: Mapping[str, Mapping[str, Any]] | None = None
    """By task, the settings that were chosen for it; None = there was nothing to choose."""


class Seeds(NamedTuple):
    """A ranker that was trained several times, with other seeds: its figures are the means over them."""

    name: str
    runs: tuple[Contender, ...]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of an evaluation."""

    split: str = Split.TEST
    """The split that is judged: ``valid`` or ``test``."""
    k: tuple[int, ...] = (1, 5, 10, 20, 100)
    """Cut-offs; the largest is the number of items that a ranker is asked for."""
    exclude_seen: tuple[str, ...] = tuple(task for task in TASKS if task != SEARCH)
    """Tasks in which items that the user engaged with in an earlier split are no candidates."""
    seed: int = 0
    """Of the resamples and the sign flips."""
    resamples: int = 2_000
    """Bootstrap resamples, and sign flips of a comparison."""
    judgment_task: str = SEARCH
    """The task as whose requests graded judgments are scored."""
    metrics: tuple[str, ...] | None = None
    """Metrics in which rankers are compared: few, so that adjusting for their number costs little; None = those of
    ``COMPARED`` whose k is judged."""
    refit: bool = True
    """Whether what is judged on ``test`` was fitted on train and valid, or on train alone."""
    hidden: int = 2_000
    """Requests of a task, at most, that are asked again with a field hidden; 0 asks none."""
    block: int = 2_048
    """Requests that are ranked at once; bounds the memory."""

    def __post_init__(self) -> None:
        if self.split not in (Split.VALID, Split.TEST):
            raise DataError(f"split: {self.split!r} cannot be judged. Choose {Split.VALID!r} or {Split.TEST!r}.")
        if not self.k or min(self.k) < 1:
            raise DataError(f"k: {list(self.k)} is not a list of cut-offs from 1. Pass for example 1,5,10,20,100.")
        for name in ("resamples", "block"):
            if getattr(self, name) < 1:
                raise DataError(f"{name}: {getattr(self, name)} is below 1. Pass a positive number.")
        object.__setattr__(self, "k", tuple(sorted(set(self.k))))
        known = [*(f"{kind}_at_{k}" for kind in KINDS for k in self.k), MRR]
        for name in self.metrics or ():
            if name not in known:
                raise DataError(f"metrics: {name!r} is not known at these cut-offs. Choose from {', '.join(known)}.")
        if len(set(self.metrics or ())) < len(self.metrics or ()):
            raise DataError(f"metrics: {', '.join(self.metrics or ())} names one twice. Name each once.")

    def compared(self, names: Sequence[str]) -> list[str]:
        """Return those of the metrics ``names`` in which rankers are compared."""
        return [name for name in self.metrics or COMPARED if name in names]

    @property
    def depth(self) -> int:
        """Items that a ranker is asked for."""
        return self.k[-1]

    @property
    def earlier(self) -> tuple[str, ...]:
        """The splits before the judged one: histories and seen items."""
        return (Split.TRAIN,) if self.split == Split.VALID else (Split.TRAIN, Split.VALID)

    @property
    def fitted(self) -> tuple[str, ...]:
        """The splits that rankers may be fitted on: counts, and what is cold."""
        return self.earlier if self.refit else (Split.TRAIN,)

    def as_json(self) -> dict[str, Any]:
        """Return the settings as the evaluation file states them."""
        return {
            "split": self.split,
            "candidates": "catalogue",
            "exclude_seen": list(self.exclude_seen),
            "k": list(self.k),
            "seed": self.seed,
        }
