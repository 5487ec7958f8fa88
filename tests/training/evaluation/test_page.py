"""The evaluation as an HTML page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.training.evaluation.small_world import catalogue, events, judged, serving
from tests.training.evaluation.test_oracle import write_oracle
from training.evaluation.chart import Bar, bar_chart
from training.evaluation.judge import judge
from training.evaluation.markup import Html, element, table
from training.evaluation.oracle import read_oracle
from training.evaluation.page import evaluation_page, metric_name
from training.evaluation.protocol import Contender, Protocol

PROTOCOL = Protocol(k=(1, 10, 20), resamples=50)
VOID = {"meta", "line", "rect"}


class Reader(HTMLParser):
    """Reads a page, and fails where an element is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def told(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def evaluation(tmp_path: Path) -> dict[str, Any]:
    """Two users search for b and d; a third task has nothing but what its user knows."""
    rows = events(
        {"item_id": "a", "user_id": "u", "split": "train"},
        {"item_id": "b", "user_id": "u", "request_id": "r", "task": "search", "country": "DE"},
        {"item_id": "d", "user_id": "v", "request_id": "s", "task": "search"},
        {"item_id": "b", "user_id": "v", "request_id": "t", "task": "similar", "source_item_id": "a"},
        {"item_id": "a", "user_id": "u", "request_id": "x"},
    )
    found = judged(catalogue(*"abcd"), rows, PROTOCOL)
    oracle = read_oracle(write_oracle(tmp_path, r="b", s="d", t="b", x="a"), found, PROTOCOL)
    names = {"unicorn": "bcd", "popularity": "cbd", "bm25": "cdb"}
    contenders = [Contender(name, serving(lambda request, order=order: order)) for name, order in names.items()]
    return judge(contenders, found, PROTOCOL, oracle=oracle)


def test_the_page_tells_every_task_and_needs_nothing_from_elsewhere(evaluation: dict[str, Any]) -> None:
    page = evaluation_page("A page", element("p", "lead"), evaluation, {"search": element("p", "shown beside")})
    read = Reader(page)
    sections = [attributes.get("id") for tag, attributes in read.seen if tag == "section"]
    assert [name for name in sections if name] == ["recommendation", "search", "similar"]
    assert "http" not in page
    assert not [tag for tag, _ in read.seen if tag in ("script", "link", "img", "iframe")]
    assert not [value for _, attributes in read.seen for value in attributes.values() if value and "url(" in value]
    for told in ("lead", "shown beside", "item cold", "country DE", "Slices by country (1)", "oracle (truth)"):
        assert told in read.told
    assert "0 requests; of 1 more, nothing that may be served was engaged with, so they are not scored." in read.told


def test_the_best_baseline_and_the_share_are_those_of_the_evaluation(evaluation: dict[str, Any]) -> None:
    read = Reader(evaluation_page("A page", Html(), evaluation, {}))
    share = evaluation["oracle"]["covered"]["search"]["ndcg_at_10"]
    expected = f"unicorn covers {round(100 * share['value'])}%".replace("-", "−")
    assert expected in read.told
    assert f"of the distance from {share['best']}, the best baseline, to the oracle" in read.told


def test_a_page_without_an_oracle_and_without_baselines(evaluation: dict[str, Any]) -> None:
    del evaluation["oracle"]
    evaluation["rankers"] = {"unicorn": evaluation["rankers"]["unicorn"]}
    evaluation["comparisons"] = []
    read = Reader(evaluation_page("A page", Html(), evaluation, {}))
    assert "oracle" not in read.told
    assert "NDCG@10" in read.told


def test_text_is_escaped_and_html_is_not() -> None:
    made = element("p", "<b> & co", element("i", "x"), title='a "quoted" <title>')
    assert made == '<p title="a &quot;quoted&quot; &lt;title&gt;">&lt;b&gt; &amp; co<i>x</i></p>'
    assert "<script>" not in table(["<script>", "b"], [["<script>", "<script>"]])


def test_cells_of_a_table_carry_the_heading_of_their_column() -> None:
    made = table(["name", "value"], [["a", "1"]])
    assert '<th scope="row">a</th><td data-label="value">1</td>' in made
    with pytest.raises(ValueError, match="zip"):
        table(["name", "value"], [["a", "1", "2"]])


def test_bars_are_shares_of_the_longest_interval_and_the_oracle_is_a_line_through_all() -> None:
    bars = [
        Bar("low", {"value": 0.2, "low": 0.1, "high": 0.3}, "baseline"),
        Bar("ours", {"value": 0.4, "low": 0.4, "high": 0.5}, "ours"),
        Bar("oracle", {"value": 0.75, "low": 0.7, "high": 1.0}, "oracle"),
    ]
    read = Reader(chart := bar_chart("NDCG of <search>", bars))
    widths = [attributes["width"] for tag, attributes in read.seen if tag == "rect"]
    assert widths == ["19.90%", "39.80%", "74.62%"]  # of 99.5 %, which leaves the last cap its room
    (line,) = [attributes for tag, attributes in read.seen if tag == "line" and attributes["class"] == "oracle"]
    assert line["x1"] == line["x2"] == "74.62%"
    label = next(attributes["aria-label"] for tag, attributes in read.seen if tag == "svg")
    assert label == "NDCG of <search>: low 0.200, ours 0.400, oracle 0.750"
    assert re.search(r"<search>", chart) is None


def test_a_chart_of_zeros() -> None:
    Reader(bar_chart("all zero", [Bar("none", {"value": 0.0, "low": 0.0, "high": 0.0}, "ours")]))


@pytest.mark.parametrize(("metric", "name"), [("ndcg_at_10", "NDCG@10"), ("recall_at_20", "recall@20"), ("mrr", "MRR")])
def test_names_of_metrics(metric: str, name: str) -> None:
    assert metric_name(metric) == name
