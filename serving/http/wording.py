"""What was found, as the body of an answer."""

from __future__ import annotations

from features.columns import Col
from serving.http import schemas
from serving.http.answering import Answered, Call
from serving.ranker import SOURCES


def ranked(call: Call, found: Answered) -> schemas.RankAnswer:
    """Return the answer to ``call``."""
    details = _details(found) if call.details else {}
    by_request = found.rows.partition_by(Col.REQUEST, as_dict=True)
    answers = []
    for at, (request, task) in enumerate(call.frame.select(Col.REQUEST, Col.TASK).iter_rows()):
        items = []
        for row in by_request.get((request,), found.rows.clear()).iter_rows(named=True):
            told = details.get(row[Col.ITEM])
            if told is not None:
                told = told.model_copy(update={"sources": row[SOURCES] or []})
            item = schemas.RankedItem(item_id=row[Col.ITEM], rank=row[Col.RANK], score=row[Col.SCORE], details=told)
            items.append(item)
        answer = schemas.Answer(request_id=request, task=task, items=items)
        if call.details:
            answer.imputed, answer.unknown = found.gaps[at]
        answers.append(answer)
    return schemas.RankAnswer(model_id=found.ranker.model_id, answers=answers)


def scored(call: Call, found: Answered) -> schemas.ScoreAnswer:
    """Return the answer to ``call``."""
    by_request = found.rows.partition_by(Col.REQUEST, as_dict=True)
    answers = []
    for request, task in call.frame.select(Col.REQUEST, Col.TASK).iter_rows():
        scores = by_request.get((request,), found.rows.clear()).get_column(Col.SCORE).to_list()
        answers.append(schemas.Scores(request_id=request, task=task, scores=scores))
    return schemas.ScoreAnswer(model_id=found.ranker.model_id, answers=answers)


def _details(found: Answered) -> dict[str, schemas.ItemDetails]:
    """Return what a person sees of the items that were found, but for what brought them, which is of a request."""
    ids = found.rows.get_column(Col.ITEM).unique()
    features = found.ranker.engine.features
    at, quality = features.catalogue.ids.rows(ids), features.statistics.quality
    shown = features.catalogue.frame[at - 1].select(Col.TITLE, Col.CATEGORY)
    details = {}
    for item, row, (title, category) in zip(ids, at, shown.iter_rows(), strict=True):
        told = {
            name: None if missing else round(float(value), 4)
            for name, value, missing in zip(quality.names, quality.values[row], quality.missing[row], strict=True)
        }
        details[item] = schemas.ItemDetails(title=title, category=category, quality=told, sources=[])
    return details
