"""What the worker does: the requests of several calls as one frame, through the ranker, and apart again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from features.columns import Col
from serving.http.holder import Holder
from serving.ranker import Ranker

_CALL, _OWN = "call", "own_id"


@dataclass(frozen=True)
class Call:
    """Requests of a call, as ``as_requests`` returns them.

    Attributes:
        frame: the requests.
        top_k: items that are asked for; None = their candidates are to be scored.
        exclude_seen: tasks in which seen items are left out; None = as the run says.
    """

    frame: pl.DataFrame
    top_k: int | None
    exclude_seen: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Answered:
    """What became of a call: the rows of ``Ranker.rank`` or ``Ranker.score``, and the ranker that made them."""

    rows: pl.DataFrame
    ranker: Ranker


def answer(holder: Holder, calls: Sequence[Call]) -> list[Answered]:
    """Return the answers of calls that agree in ``exclude_seen`` and in whether they are scored.

    A list begins the same however long it is, so that calls may differ in ``top_k``.

    Raises:
        DataError: a request is wrong.
    """
    ranker = holder.ranker
    frames = [
        call.frame.select(pl.lit(place).alias(_CALL), pl.all().exclude(Col.REQUEST), pl.col(Col.REQUEST).alias(_OWN))
        for place, call in enumerate(calls)
    ]
    whole = pl.concat(frames).with_row_index(Col.REQUEST).with_columns(pl.col(Col.REQUEST).cast(pl.String))
    asked = whole.drop(_CALL, _OWN)
    if calls[0].top_k is None:
        rows = ranker.score(asked)
    else:
        longest = max(call.top_k or 0 for call in calls)
        rows = ranker.rank(asked, longest, calls[0].exclude_seen)
    named = rows.join(
        whole.select(Col.REQUEST, _CALL, _OWN), on=Col.REQUEST, how="left", validate="m:1", maintain_order="left"
    ).with_columns(pl.col(_OWN).alias(Col.REQUEST))
    return [Answered(_own(named, place, call), ranker) for place, call in enumerate(calls)]


def _own(rows: pl.DataFrame, place: int, call: Call) -> pl.DataFrame:
    own = rows.filter(pl.col(_CALL) == place).drop(_CALL, _OWN)
    return own if call.top_k is None else own.filter(pl.col(Col.RANK) <= call.top_k)
