"""What the worker does: the requests of several calls as one frame, through the ranker, and apart again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from features.columns import Col
from serving.http.holder import Holder
from serving.imputed import Gaps, gaps
from serving.ranker import Ranker

_CALL, _OWN = "call", "own_id"


@dataclass(frozen=True)
class Call:
    """Requests of a call, as ``as_requests`` returns them.

    Attributes:
        frame: the requests.
        top_k: items that are asked for; None = their candidates are to be scored.
        exclude_seen: tasks in which seen items are left out; None = as the run says.
        details: whether to tell more of the requests and of the items.
    """

    frame: pl.DataFrame
    top_k: int | None
    exclude_seen: tuple[str, ...] | None = None
    details: bool = False


@dataclass(frozen=True)
class Answered:
    """What became of a call.

    Attributes:
        rows: of ``Ranker.rank`` or ``Ranker.score``; with details also ``sources``.
        ranker: what made them.
        gaps: with details, what is missing in each request.
    """

    rows: pl.DataFrame
    ranker: Ranker
    gaps: list[Gaps]


def answer(holder: Holder, calls: Sequence[Call]) -> list[Answered]:
    """Return the answers of calls that agree in ``exclude_seen``, in ``details`` and in whether they are scored.

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
        if calls[0].details:
            brought = ranker.candidates(asked, longest, calls[0].exclude_seen).drop(Col.TASK)
            rows = rows.join(brought, on=[Col.REQUEST, Col.ITEM], how="left", validate="1:1", maintain_order="left")
    named = rows.join(
        whole.select(Col.REQUEST, _CALL, _OWN), on=Col.REQUEST, how="left", validate="m:1", maintain_order="left"
    ).with_columns(pl.col(_OWN).alias(Col.REQUEST))
    told = [gaps(ranker.engine.features, call.frame) if call.details else [] for call in calls]
    return [Answered(_own(named, place, call), ranker, told[place]) for place, call in enumerate(calls)]


def _own(rows: pl.DataFrame, place: int, call: Call) -> pl.DataFrame:
    own = rows.filter(pl.col(_CALL) == place).drop(_CALL, _OWN)
    return own if call.top_k is None else own.filter(pl.col(Col.RANK) <= call.top_k)
