"""An evaluation as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.evaluation.chart import Bar, bar_chart
from training.evaluation.markup import Html, element, joined, table
from training.evaluation.report import Entry
from training.evaluation.style import STYLE

METRIC: Final = "ndcg_at_10"
"""The metric that is drawn."""
METRICS: Final = (METRIC, "recall_at_20", "mrr")
"""The metrics that are told, where they are judged."""
COMPARED: Final = (METRIC, "recall_at_20")
ORACLE: Final = "oracle"
_NOTHING: Final[Mapping[str, Any]] = {"tasks": {}, "covered": {}}
_NAMES: Final = {"ndcg": "NDCG", "recall": "recall", "mrr": "MRR"}

_NOTE: Final = (
    "Judged on the {split} split: the catalogue is ranked for each request, and its targets are what the user then "
    "engaged with. Intervals are 95 %, from resamples of users that are the same for all rankers; p is of no "
    "difference, adjusted for the number of comparisons (Holm)."
)
_ORACLE_NOTE: Final = (
    "The oracle ranks each request by the true parameters of the simulated world. It is no baseline: it knows what no "
    "log tells. Engagement is chance even for it, so it stays below 1. A share of the way to it is below 0 where a "
    "baseline is ahead."
)


def evaluation_page(title: str, lead: Html, evaluation: dict[str, Any], beside: Mapping[str, Html]) -> str:
    """Return the page of ``evaluation`` as ``judge`` made it.

    Args:
        title: heading of the page.
        lead: what was made, above the figures.
        evaluation: of one ranker, which comes first, and any baselines; with or without an oracle.
        beside: by task, what follows its figures.
    """
    tasks = list(_first(evaluation)["tasks"])
    notes = [_NOTE.format(split=evaluation["protocol"]["split"])]
    notes += [_ORACLE_NOTE] if ORACLE in evaluation else []
    body = [
        element("h1", title),
        lead,
        _overview(evaluation, [task for task in tasks if _is_judged(evaluation, task)]),
        *(_task(evaluation, task, beside.get(task, Html())) for task in tasks),
        element("footer", *(element("p", note) for note in notes)),
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    ]
    page = element("html", element("head", *head), element("body", element("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n"


def best_baseline(evaluation: dict[str, Any], task: str) -> str | None:
    """Return the baseline with the largest mean of ``METRIC``; of equals, the first; None without baselines."""
    _, *names = evaluation["rankers"]
    return max(names, key=lambda name: _metrics(evaluation, task, name)[METRIC]["value"], default=None)


def figure(entry: Entry | None) -> Html:
    """Return a value with its interval below it, or a dash where it is undefined."""
    if entry is None:
        return Html("–")
    value = element("span", f"{entry['value']:.3f}")
    if "low" not in entry:
        return value
    return joined([value, element("small", f"{entry['low']:.3f} – {entry['high']:.3f}")])


def _overview(evaluation: dict[str, Any], tasks: list[str]) -> Html:
    first = next(iter(evaluation["rankers"]))
    oracle = evaluation.get(ORACLE, _NOTHING)
    header = ["task", "best baseline", first]
    header += ["oracle (truth)", "share of the way covered"] if ORACLE in evaluation else []
    rows = []
    for task in tasks:
        best = best_baseline(evaluation, task)
        row = [
            joined([element("a", task, href=f"#{task}"), _count(_first(evaluation)["tasks"][task])]),
            joined([figure(_metrics(evaluation, task, best)[METRIC]), element("small", best)]) if best else "–",
            figure(_metrics(evaluation, task, first)[METRIC]),
        ]
        if ORACLE in evaluation:
            row += [figure(oracle["tasks"][task]["metrics"].get(METRIC)), _share(oracle["covered"][task].get(METRIC))]
        rows.append(row)
    return element("section", element("h2", f"{metric_name(METRIC)} in brief"), table(header, rows, "brief"))


def _task(evaluation: dict[str, Any], task: str, beside: Html) -> Html:
    node = _first(evaluation)["tasks"][task]
    told = f"{node['requests']:,} requests"
    if node["requests_without_target"]:
        told += (
            f"; of {node['requests_without_target']:,} more, nothing that may be served was engaged with, so they are "
            "not scored"
        )
    head = [element("h2", task), element("p", told + ".", class_="soft")]
    if not _is_judged(evaluation, task):
        return element("section", *head, beside, id=task)
    parts = [
        _covered(evaluation, task),
        element("h3", metric_name(METRIC)),
        bar_chart(f"{metric_name(METRIC)} of {task}", _bars(evaluation, task)),
        _figures(evaluation, task),
        _slices(evaluation, task),
        beside,
    ]
    return element("section", *head, *parts, id=task)


def _is_judged(evaluation: dict[str, Any], task: str) -> bool:
    """Whether the task has a request with a target, and the metric that is drawn."""
    return METRIC in _first(evaluation)["tasks"][task]["metrics"]


def _covered(evaluation: dict[str, Any], task: str) -> Html:
    share = evaluation.get(ORACLE, _NOTHING)["covered"].get(task, {}).get(METRIC)
    if share is None:
        return Html()
    first = next(iter(evaluation["rankers"]))
    return element(
        "p",
        f"{first} covers ",
        element("strong", _per_cent(share["value"])),
        f" ({_per_cent(share['low'])} to {_per_cent(share['high'])}) of the distance from {share['best']}, the best "
        "baseline, to the oracle.",
    )


def _share(entry: Entry | None) -> Html:
    if entry is None:
        return Html("–")
    interval = f"{_per_cent(entry['low'])} to {_per_cent(entry['high'])}"
    return joined([_per_cent(entry["value"]), element("small", interval)])


def _bars(evaluation: dict[str, Any], task: str) -> list[Bar]:
    first, *baselines = evaluation["rankers"]
    bars = [Bar(name, _metrics(evaluation, task, name)[METRIC], "baseline") for name in baselines]
    bars.append(Bar(first, _metrics(evaluation, task, first)[METRIC], "ours"))
    if ORACLE in evaluation:
        bars.append(Bar("oracle (truth)", evaluation[ORACLE]["tasks"][task]["metrics"][METRIC], ORACLE))
    return bars


def _figures(evaluation: dict[str, Any], task: str) -> Html:
    first, *baselines = evaluation["rankers"]
    metrics = [name for name in METRICS if name in _metrics(evaluation, task, first)]
    compared = [name for name in COMPARED if name in metrics and baselines]
    header = ["ranker", *map(metric_name, metrics), *(f"{first} minus this, {metric_name(name)}" for name in compared)]
    rows: list[list[str]] = []
    for name in [*baselines, first]:
        found = _metrics(evaluation, task, name)
        rows.append([name, *(figure(found[metric]) for metric in metrics)])
        rows[-1] += [_difference(evaluation, task, metric, name) for metric in compared]
    if ORACLE in evaluation:
        found = evaluation[ORACLE]["tasks"][task]["metrics"]
        rows.append(["oracle (truth)", *(figure(found[metric]) for metric in metrics), *("" for _ in compared)])
    return table(header, rows, "last-apart" if ORACLE in evaluation else "")


def _difference(evaluation: dict[str, Any], task: str, metric: str, name: str) -> Html:
    for row in evaluation["comparisons"]:
        if (row["task"], row["metric"], row["b"]) == (task, metric, name):
            interval = element("small", f"{_signed(row['low'])} to {_signed(row['high'])}")
            return joined([_signed(row["difference"]), interval, element("small", _p(row["p_holm"]))])
    return Html()


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _per_cent(value: float) -> str:
    return f"{round(100 * value):,}%".replace("-", "−")


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _slices(evaluation: dict[str, Any], task: str) -> Html:
    """Return the table of slices, those of countries folded away because they are many."""
    names = list(_first(evaluation)["tasks"][task]["slices"])
    countries = [name for name in names if name.startswith("country:")]
    others = [name for name in names if name not in countries]
    parts = [element("h3", f"Slices, {metric_name(METRIC)}"), _slice_table(evaluation, task, others)] if others else []
    if countries:
        folded = element("summary", f"Slices by country ({len(countries)})")
        parts.append(element("details", folded, _slice_table(evaluation, task, countries)))
    return joined(parts)


def _slice_table(evaluation: dict[str, Any], task: str, names: list[str]) -> Html:
    best, first = best_baseline(evaluation, task), next(iter(evaluation["rankers"]))
    nodes = {name: evaluation["rankers"][name]["tasks"][task] for name in (best, first) if name is not None}
    if ORACLE in evaluation:
        nodes["oracle (truth)"] = evaluation[ORACLE]["tasks"][task]
    rows = [
        [
            joined([name.replace(":", " ", 1), _count(nodes[first]["slices"][name])]),
            *(figure(node["slices"][name]["metrics"].get(METRIC)) for node in nodes.values()),
        ]
        for name in names
    ]
    return table(["targets", *nodes], rows)


def _count(node: dict[str, Any]) -> Html:
    return element("small", f"{node['requests']:,} requests")


def metric_name(metric: str) -> str:
    """Return ``NDCG@10`` for ``ndcg_at_10``."""
    kind, _, cutoff = metric.partition("_at_")
    return _NAMES.get(kind, kind) + (f"@{cutoff}" if cutoff else "")


def _first(evaluation: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = next(iter(evaluation["rankers"].values()))
    return node


def _metrics(evaluation: dict[str, Any], task: str, name: str) -> dict[str, Entry]:
    metrics: dict[str, Entry] = evaluation["rankers"][name]["tasks"][task]["metrics"]
    return metrics
