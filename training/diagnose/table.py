"""A diagnosis as tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from training.diagnose.diagnosis import Diagnosis
from training.diagnose.gain import Gain
from training.diagnose.overlap import Share
from training.diagnose.words import NO_DIFFERENCE, UNKNOWN, reasons, verdict
from training.evaluation.intervals import Estimate


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the tables and the reasons."""
    if diagnosis.share < 1:
        console.print(f"A sample of {diagnosis.share:.0%} of the users was looked at.")
    for grid in (_sizes(diagnosis), _pairs(diagnosis), _directions(diagnosis), _gains(diagnosis)):
        console.print(grid)
    for task, gain in diagnosis.gains.items():
        because = "; ".join(reasons(diagnosis.sizes[task], gain, diagnosis.pairs, diagnosis.directions))
        console.print(f"{task}: joining {_outcome(gain)}: {because}.", markup=False, soft_wrap=True)


def _outcome(gain: Gain | None) -> str:
    said = verdict(gain)
    return {NO_DIFFERENCE: "makes no difference that can be told", UNKNOWN: "cannot be judged"}.get(said, said)


def _sizes(diagnosis: Diagnosis) -> Grid:
    grid = Grid("task", title="Tasks, in train", title_justify="left")
    for name in ("rows", "engaged", "requests", "users", "items", "queries", "per user", "per item"):
        grid.add_column(name, justify="right")
    for size in diagnosis.sizes.values():
        numbers = (f"{number:,}" for number in size[1:7])
        grid.add_row(escape(size.task), *numbers, f"{size.per_user:.2f}", f"{size.per_item:.2f}")
    return grid


def _pairs(diagnosis: Diagnosis) -> Grid:
    grid = Grid("tasks", title="What they share", title_justify="left")
    for name in ("users", "of smaller", "items", "of smaller", "divergence", "by chance", "excess"):
        grid.add_column(name, justify="right")
    for pair in diagnosis.pairs:
        apart = pair.popularity
        grid.add_row(
            escape(f"{pair.a}, {pair.b}"),
            *(f"{pair.users.jaccard:.1%}", f"{pair.users.of_smaller:.1%}"),
            *(f"{pair.items.jaccard:.1%}", f"{pair.items.of_smaller:.1%}"),
            *(f"{apart.bits:.3f}", f"{apart.by_chance:.3f}", f"{apart.excess:.3f}{'' if apart.apart else ' ~'}"),
        )
    return grid


def _directions(diagnosis: Diagnosis) -> Grid:
    title = "What one says about the other, and what chance would"
    grid = Grid("from", "to", title=title, title_justify="left")
    for name in ("engaged before", "neighbours", "same query, same user"):
        grid.add_column(name, justify="right")
    for found in diagnosis.directions:
        shares = (_share(part) for part in (found.again, found.near, found.together))
        grid.add_row(escape(found.source), escape(found.target), *shares)
    return grid


def _share(share: Share | None) -> str:
    return "–" if share is None else f"{share.value:.1%} : {share.by_chance:.1%}"


def _gains(diagnosis: Diagnosis) -> Grid:
    grid = Grid("task", "joining", title="Prediction: NDCG@10 of counts, on valid", title_justify="left")
    for name in ("requests", "alone", "joined", "gain", "as if one task"):
        grid.add_column(name, justify="right")
    for task, gain in diagnosis.gains.items():
        if gain is None:
            grid.add_row(escape(task), verdict(gain), *("–",) * 5)
            continue
        figures = (f"{gain.requests:,}", f"{gain.alone:.4f}", f"{gain.joined:.4f}")
        grid.add_row(escape(task), verdict(gain), *figures, _difference(gain.gain), _difference(gain.pooling))
    return grid


def _difference(found: Estimate) -> str:
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
