"""Everything that the data says about joining its tasks, as one object."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations
from typing import Any, NamedTuple

from training.diagnose.gain import METRIC, Gain, measure_gain
from training.diagnose.overlap import Direction, Pair, compare_tasks, transfer
from training.diagnose.rows import Engaged
from training.diagnose.tasks import TaskSize, task_size
from training.diagnose.words import reasons, verdict

Progress = Callable[[int, int], None]
"""Called with the steps that are done, and their number."""


class Diagnosis(NamedTuple):
    """What the data says about joining its tasks. All but the gains is of train alone or, where said so, of valid."""

    sizes: dict[str, TaskSize]
    pairs: list[Pair]
    directions: list[Direction]
    gains: dict[str, Gain | None]
    share: float
    """Of the users that were looked at, in (0, 1]."""
    exclude_seen: tuple[str, ...]
    """Tasks in which what the user has engaged with is left out of the prediction."""
    seed: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values, what is not known as None."""
        return {
            "splits": {"counted": "train", "judged": "valid"},
            "share_of_users": self.share,
            "exclude_seen": list(self.exclude_seen),
            "seed": self.seed,
            "tasks": {task: _plain(size) for task, size in self.sizes.items()},
            "pairs": [_plain(pair) for pair in self.pairs],
            "directions": [_plain(direction) for direction in self.directions],
            "predictions": {
                task: {
                    "verdict": verdict(gain),
                    "metric": METRIC,
                    "gain": None if gain is None else _plain(gain),
                    "reasons": reasons(self.sizes[task], gain, self.pairs, self.directions),
                }
                for task, gain in self.gains.items()
            },
        }


def diagnose_tasks(engaged: Engaged, exclude_seen: tuple[str, ...], seed: int, progress: Progress) -> Diagnosis:
    """Return what ``engaged`` says; see ``Diagnosis`` for ``exclude_seen``; ``progress`` follows."""
    count = len(engaged.tasks)
    both, ordered = list(combinations(range(count), 2)), list(permutations(range(count), 2))
    total, done = len(both) + len(ordered) + count, 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    pairs, directions, gains = [], [], {}
    for a, b in both:
        pairs.append(compare_tasks(engaged, a, b, seed))
        step()
    for source, target in ordered:
        directions.append(transfer(engaged, source, target, seed))
        step()
    for task, name in enumerate(engaged.tasks):
        gains[name] = measure_gain(engaged, task, seed, exclude_seen=name in exclude_seen)
        step()
    sizes = {name: task_size(engaged, task) for task, name in enumerate(engaged.tasks)}
    return Diagnosis(sizes, pairs, directions, gains, engaged.share, exclude_seen, seed)


def _plain(value: Any) -> Any:
    """Return named tuples as dictionaries, all the way down."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return value
