"""What a run is judged against, by name: baselines of the tables alone, and those that are made from the run itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from features.tables import DataFolder
from training.evaluation.baselines.registry import BASELINES, baseline_contenders, check_names
from training.evaluation.judged import Judged
from training.evaluation.protocol import Contender, Protocol
from training.judging import Run, read_tuning
from training.lambdarank import lambdarank
from training.twin import twin

OF_A_RUN: Final[dict[str, Callable[[Run, DataFolder, pl.DataFrame, Judged, Protocol], Contender]]] = {
    "lambdarank": lambdarank,
    "twin": twin,
}
"""Baselines that need the features or the settings of the run under judgement."""


def parse_names(text: str) -> list[str]:
    """Return the baselines that ``text`` names with commas; ``none``, or nothing, names none.

    Raises:
        DataError: a name is no baseline's, or comes twice.
    """
    names = [] if text.strip() in ("", "none") else [name.strip() for name in text.split(",")]
    check_names(names, BASELINES.keys() | OF_A_RUN.keys())
    return names


def rivals(
    names: Sequence[str], run: Run, folder: DataFolder, known: pl.DataFrame, judged: Judged, protocol: Protocol
) -> list[Contender]:
    """Return the named baselines in their order, fitted on what ``protocol`` lets rankers be fitted on.

    Args:
        names: as ``parse_names`` returns them.
        run: under judgement.
        folder: the data.
        known: what users did before the judged split.
        judged: what everybody is judged on.
        protocol: with which ``judged`` was read.
    """
    plain = [name for name in names if name in BASELINES]
    tuning = read_tuning(folder, judged, protocol) if plain else None
    made = {found.name: found for found in baseline_contenders(plain, judged, protocol, tuning)}
    made |= {name: OF_A_RUN[name](run, folder, known, judged, protocol) for name in names if name in OF_A_RUN}
    return [made[name] for name in names]
