"""The report of a demo: the world and the run in brief, the evaluation, and answers that were exported."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any, Final

import polars as pl

from features.columns import Col
from features.tables import open_data
from serving import manifest
from training.demo_folder import DemoFolder
from training.evaluation.page import evaluation_page
from training.evaluation.pages.cards import answer, card, cards, request_facts
from training.evaluation.pages.markup import Html, element, joined, listed

EXAMPLES: Final = 3
"""Requests of each task that are shown."""
ANSWERS: Final = 5
"""Items of an answer that are shown."""


def demo_page(folder: DemoFolder) -> str:
    """Return the report of a demo whose other steps are done."""
    evaluation = json.loads(folder.evaluation.read_text(encoding="utf-8"))
    tasks = list(next(iter(evaluation["rankers"].values()))["tasks"])
    beside = {task: _examples(folder, task) for task in tasks}
    return evaluation_page("UniCoRn ranker on a simulated marketplace", _lead(folder, evaluation), evaluation, beside)


def _lead(folder: DemoFolder, evaluation: dict[str, Any]) -> Html:
    world = folder.identity["world"]
    run = manifest.read(folder.run)
    sizes = ", ".join(f"{world[name]:,} {name}" for name in ("items", "users", "events"))
    facts = {
        "world": f"{sizes} in {world['days']} days (version {world['version']}, seed {world['seed']})",
        "model": f"{evaluation['model']['id'][:12]}, one for all tasks",
        "data": evaluation["data"]["hash"][:12],
        "program": f"unicorn-ranker {version('unicorn-ranker')}, Python {run['versions']['python']}, "
        f"torch {run['versions']['torch']}",
        "time": ", ".join(f"{step} {seconds:.0f}\u00a0s" for step, seconds in folder.seconds.items()),
    }
    return listed(facts)


def _examples(folder: DemoFolder, task: str) -> Html:
    """Return the first requests of a task, with what was answered."""
    requests = pl.read_parquet(folder.data / "requests.parquet").filter(pl.col(Col.TASK) == task).head(EXAMPLES)
    answers = _answers(folder, requests)
    titles = _titles(folder, requests[Col.SOURCE_ITEM])
    made = [
        _card(request, answers.filter(pl.col(Col.REQUEST) == request[Col.REQUEST]), titles)
        for request in requests.iter_rows(named=True)
    ]
    if not made:
        return Html()
    return joined([element("h3", "Asked after the log, and answered"), cards(made)])


def _answers(folder: DemoFolder, requests: pl.DataFrame) -> pl.DataFrame:
    """Return the best items of ``requests``, by rank, with title and category."""
    items = open_data(folder.data).items.select(Col.ITEM, Col.TITLE, Col.CATEGORY)
    return (
        pl.scan_parquet(folder.export / "**/*.parquet", hive_partitioning=False)
        .filter(pl.col(Col.REQUEST).is_in(requests[Col.REQUEST].to_list()), pl.col(Col.RANK) <= ANSWERS)
        .join(items, on=Col.ITEM, how="left", validate="m:1")
        .collect()
        .sort(Col.REQUEST, Col.RANK)
    )


def _titles(folder: DemoFolder, wanted: pl.Series) -> dict[str, str]:
    """Return the titles of source items, by id."""
    items = open_data(folder.data).items.filter(pl.col(Col.ITEM).is_in(wanted.drop_nulls().to_list()))
    return dict(items.select(Col.ITEM, pl.coalesce(Col.TITLE, Col.ITEM)).collect().rows())


def _card(request: dict[str, Any], answers: pl.DataFrame, titles: dict[str, str]) -> Html:
    rows = answers.iter_rows(named=True)
    served = [answer(row[Col.TITLE] or row[Col.ITEM], row[Col.CATEGORY] or "") for row in rows]
    return card(request_facts(request, titles.get(request.get(Col.SOURCE_ITEM) or "")), served)
