"""Baselines by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from features.errors import DataError
from training.evaluation.baselines.base import Baseline, World
from training.evaluation.baselines.bm25 import BM25
from training.evaluation.baselines.driver import BaselineRanker
from training.evaluation.baselines.ease import Ease
from training.evaluation.baselines.popularity import Popularity
from training.evaluation.judged import Judged
from training.evaluation.protocol import Contender, Protocol

BASELINES: Final[dict[str, Callable[[], Baseline]]] = {cls.name: cls for cls in (Popularity, BM25, Ease)}


def make(name: str) -> Baseline:
    """Return the baseline of this name, not fitted yet."""
    check_names([name])
    return BASELINES[name]()


def check_names(names: Sequence[str]) -> None:
    """Refuse a name that is no baseline's, or that comes twice, before anything is fitted."""
    for name in names:
        if name not in BASELINES:
            raise DataError(f"baselines: {name!r} is not known. Choose from {', '.join(sorted(BASELINES))}.")
    if len(set(names)) < len(names):
        raise DataError(f"baselines: {', '.join(names)} names one twice. Name each once.")


def baseline_contenders(names: Sequence[str], judged: Judged, protocol: Protocol) -> list[Contender]:
    """Return the named baselines, fitted on what the protocol lets rankers be fitted on."""
    check_names(names)
    world = World(judged.items, judged.fitted, judged.history)
    contenders = []
    for name in names:
        baseline = make(name)
        baseline.fit(world)
        ranker = BaselineRanker(baseline, world, protocol.exclude_seen)
        contenders.append(Contender(name, ranker.rank, ranker.score, logits=False))
    return contenders
