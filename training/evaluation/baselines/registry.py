"""Baselines by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from features.errors import DataError
from training.evaluation.baselines.base import Baseline, Settings, World
from training.evaluation.baselines.bm25 import BM25
from training.evaluation.baselines.driver import BaselineRanker, RankerByTask
from training.evaluation.baselines.ease import Ease
from training.evaluation.baselines.ease_queries import EaseQueries
from training.evaluation.baselines.fusion import Fusion
from training.evaluation.baselines.ials import Ials
from training.evaluation.baselines.item_knn import ItemKnn
from training.evaluation.baselines.popularity import Popularity
from training.evaluation.baselines.query_count import QueryCount
from training.evaluation.baselines.query_count_ease import QueryCountEase
from training.evaluation.baselines.transitions import Transitions
from training.evaluation.baselines.tuning import Tuner
from training.evaluation.baselines.vectors import Vectors
from training.evaluation.judged import Judged
from training.evaluation.protocol import Contender, Protocol

BASELINES: Final[dict[str, type[Baseline]]] = {
    cls.name: cls
    for cls in (
        Popularity,
        BM25,
        Vectors,
        Fusion,
        ItemKnn,
        Ease,
        EaseQueries,
        Ials,
        Transitions,
        QueryCount,
        QueryCountEase,
    )
}


def make(name: str, settings: Settings | None = None) -> Baseline:
    """Return the baseline of this name, not fitted yet; without ``settings`` those of its default."""
    check_names([name])
    baseline = BASELINES[name]
    return baseline(**(baseline.grid[0] if settings is None else settings))


def check_names(names: Sequence[str], known: Collection[str] = BASELINES.keys()) -> None:
    """Refuse a name that is not ``known``, or that comes twice, before anything is fitted."""
    for name in names:
        if name not in known:
            raise DataError(f"baselines: {name!r} is not known. Choose from {', '.join(sorted(known))}.")
    if len(set(names)) < len(names):
        raise DataError(f"baselines: {', '.join(names)} names one twice. Name each once.")


def baseline_contenders(
    names: Sequence[str], judged: Judged, protocol: Protocol, tuning: Judged | None = None
) -> list[Contender]:
    """Return the named baselines, fitted on what the protocol lets rankers be fitted on.

    Args:
        names: of ``BASELINES``.
        judged: what they will be judged on.
        protocol: the settings with which ``judged`` was read.
        tuning: valid, read with ``replace(protocol, split="valid")``: the settings of each task are the ones of the
            grid that serve it best when fitted on train alone. Where valid itself is judged it is ``judged``, on which
            our own model's settings are chosen too. A task without a target in it gets the default; so do all where it
            is None.
    """
    check_names(names)
    world = World.of(judged)
    tuner = None if tuning is None else Tuner(tuning, protocol)
    contenders = []
    for name in names:
        baseline = BASELINES[name]
        chosen = {} if tuner is None else tuner.choose(baseline)
        settings = {task: chosen.get(task, baseline.choices(world)[0]) for task in _tasks(judged, protocol)}
        contenders.append(_contender(name, settings, world, protocol))
    return contenders


def _contender(name: str, settings: Mapping[str, Settings], world: World, protocol: Protocol) -> Contender:
    """Return a baseline that answers each task with its own settings; equal settings are fitted once."""
    fitted: list[tuple[Settings, BaselineRanker]] = []
    by_task: dict[str, BaselineRanker] = {}
    for task, wanted in settings.items():
        found = next((ranker for known, ranker in fitted if known == wanted), None)
        if found is None:
            baseline = make(name, wanted)
            baseline.fit(world)
            found = BaselineRanker(baseline, world, protocol.exclude_seen)
            fitted.append((wanted, found))
        by_task[task] = found
    ranker = RankerByTask(by_task)
    return Contender(name, ranker.rank, ranker.score, logits=False, settings=settings)


def _tasks(judged: Judged, protocol: Protocol) -> list[str]:
    """Return the tasks of what is judged, with the one as whose requests graded judgments are scored."""
    return list(dict.fromkeys([*judged.tasks, *([protocol.judgment_task] if len(judged.judgments) else [])]))
