"""Charts as they are told to plotly."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.evaluation.page_reader import Reader
from tests.training.evaluation.whole_evaluation import NASTY, whole_evaluation
from training.evaluation.page import evaluation_page
from training.evaluation.pages.chart import in_script, legend, plot
from training.evaluation.pages.lines import Line, line_kind, lines
from training.evaluation.pages.markup import Html
from training.evaluation.pages.rows import Mark, Row, bars, dots


def spec(chart: str) -> dict[str, Any]:
    (found,) = Reader(chart).charts.values()
    return found


def painted(part: Any) -> Any:
    """Return a chart with names of colours made colours, as the page's script does."""
    if isinstance(part, dict):
        return {name: painted(inner) for name, inner in part.items()}
    if isinstance(part, list):
        return [painted(inner) for inner in part]
    return "#123456" if isinstance(part, str) and part.startswith("--") else part


def mark(value: float, low: float, high: float, kind: str = "ours") -> Mark:
    return Mark(kind, {"value": value, "low": low, "high": high}, "told")


def test_plotly_knows_every_setting_of_every_chart() -> None:
    charts = Reader(evaluation_page("A page", Html(), whole_evaluation(), {})).charts
    assert len(charts) == 8
    for made in charts.values():
        plotly.graph_objects.Figure(painted(made))  # raises for what plotly does not know


@given(st.text())
def test_a_script_holds_any_text(text: str) -> None:
    held = in_script(json.dumps({text: text}))
    assert json.loads(held) == {text: text}
    assert not set("<>&") & set(held)


def test_a_label_and_a_legend_are_text() -> None:
    read = Reader(plot(NASTY, 100, [{"text": NASTY}], {}) + legend([("ours", NASTY)]))
    assert [tag for tag, _ in read.seen] == ["figure", "div", "script", "ul", "li"]
    assert read.seen[0][1]["aria-label"] == NASTY
    assert json.loads(read.scripts[0])["data"] == [{"text": NASTY}]


def test_a_figure_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        plot("label", 100, [{"x": [float("nan")]}], {})


def test_bars_begin_at_0_and_their_intervals_are_lengths() -> None:
    rows = [Row("a", "0.2", [mark(0.2, 0.1, 0.5)]), Row("<b>", "0.4", [mark(0.4, 0.3, 0.4)], strong=True)]
    made = spec(bars("label", rows))
    (trace,) = made["data"]
    assert (trace["x"], trace["orientation"]) == ([0.2, 0.4], "h")
    assert trace["error_x"]["array"] == pytest.approx([0.3, 0.0])
    assert trace["error_x"]["arrayminus"] == pytest.approx([0.1, 0.1])
    assert made["layout"]["xaxis"]["range"] == pytest.approx([0.0, 0.505])  # 1 % of room
    assert [text["text"] for text in made["layout"]["annotations"]] == ["a&nbsp; 0.2", "<b>&lt;b&gt;</b>&nbsp; 0.4"]


@pytest.mark.parametrize(
    ("marks", "ends"),
    [
        ([mark(0.1, -0.1, 0.1)], [-0.102, 0.102]),
        ([mark(-0.1, -0.2, -0.1)], [-0.202, 0.0]),
        ([mark(0.0, 0.0, 0.0)], [0.0, 1.0]),
        ([Mark("ours", {"value": 0.5}, "told")], [0.0, 0.505]),
    ],
)
def test_the_axis_holds_0_and_all_intervals(marks: list[Mark], ends: list[float]) -> None:
    assert spec(dots("label", [Row("a", "", marks)]))["layout"]["xaxis"]["range"] == pytest.approx(ends)


def test_the_oracle_is_a_line_through_all() -> None:
    made = spec(bars("label", [Row("a", "", [mark(0.2, 0.1, 0.3)]), Row("o", "", [mark(0.75, 0.7, 0.8, "oracle")])]))
    (line,) = made["layout"]["shapes"]
    assert (line["x0"], line["x1"], line["y0"], line["y1"], line["yref"]) == (0.75, 0.75, 0, 1, "paper")


def test_dots_of_a_row_lie_below_each_other_between_its_text_and_the_next() -> None:
    pair = [mark(0.1, 0.1, 0.1, "baseline"), mark(0.2, 0.2, 0.2)]
    theirs, ours = spec(dots("label", [Row("a", "", pair), Row("b", "", pair[1:]), Row("c", "", pair)]))["data"]
    assert theirs["x"] == [0.1, 0.1]
    assert ours["x"] == [0.2, 0.2, 0.2]
    assert all(0.5 < above % 1 < below % 1 for above, below in zip(theirs["y"], ours["y"][::2], strict=True))
    assert [int(height) for height in ours["y"]] == [0, 1, 2]


def test_a_long_name_leaves_room_for_its_note() -> None:
    row = Row("x" * 33, "40 requests", [mark(0.1, 0.1, 0.1)])
    assert spec(dots("label", [row]))["layout"]["annotations"][0]["text"] == "x" * 31 + "…&nbsp; 40 requests"


def test_the_line_of_the_judged_ranker_lies_on_top_and_is_named_first() -> None:
    made = lines("label", [Line(line_kind(at), name, [1], [0.5], ["<"]) for at, name in enumerate("abc")], {})
    traces = Reader(made).charts["label"]["data"]
    assert [trace["line"]["color"] for trace in traces] == ["--series-1", "--series-2", "--ours"]
    assert traces[0]["hovertext"] == ["&lt;"]
    assert Reader(made).told == "a b c"


def test_no_two_of_many_lines_look_alike() -> None:
    kinds = [line_kind(number) for number in range(17)]
    assert len(set(kinds)) == 17
    assert kinds[:2] == ["ours", "series-1"]
    assert kinds[9] == "series-1 again"
