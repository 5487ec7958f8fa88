"""The evaluation in brief: a line a task."""

from __future__ import annotations

from training.evaluation.pages.markup import Html, element, joined, table
from training.evaluation.pages.reading import ORACLE, Reading
from training.evaluation.pages.wording import NOTHING, count, difference, figure, metric_name, per_cent


def overview(reading: Reading) -> Html:
    """Return the drawn metric of the judged ranker in each task, beside the best baseline and the oracle."""
    tasks = [task for task in reading.tasks if reading.is_judged(task)]
    if not tasks:
        return Html()
    baselines = any(reading.baselines(task) for task in tasks)
    oracle = any(ORACLE in reading.rankers(task) for task in tasks)
    header = ["task", *(["best baseline"] if baselines else []), reading.first]
    header += [f"{reading.first} minus it"] if baselines else []
    header += ["oracle (truth)", "share of the way covered"] if oracle else []
    rows = []
    for task in tasks:
        row = [joined([element("a", task, href=f"#{task}"), element("small", count(_requests(reading, task)))])]
        best = reading.best_baseline(task)
        row += [_best(reading, task, best)] if baselines else []
        row.append(figure(reading.entry(task, reading.first, reading.metric)))
        row += [_difference(reading, task, best)] if baselines else []
        row += [figure(reading.entry(task, ORACLE, reading.metric)), _covered(reading, task)] if oracle else []
        rows.append(row)
    return element("section", element("h2", f"{metric_name(reading.metric)} in brief"), table(header, rows, "brief"))


def _requests(reading: Reading, task: str) -> int:
    return int(reading.node(task, reading.first)["requests"])


def _best(reading: Reading, task: str, name: str | None) -> Html:
    if name is None:
        return Html(NOTHING)
    return joined([figure(reading.entry(task, name, reading.metric)), element("small", name)])


def _difference(reading: Reading, task: str, name: str | None) -> Html:
    row = None if name is None else reading.comparison(task, reading.metric, name)
    return Html(NOTHING) if row is None else difference(row)


def _covered(reading: Reading, task: str) -> Html:
    share = reading.covered(task)
    if share is None:
        return Html(NOTHING)
    interval = f"{per_cent(share['low'])} to {per_cent(share['high'])}"
    return joined([per_cent(share["value"]), element("small", interval)])
