"""HTML and figures in words."""

from __future__ import annotations

import pytest

from training.evaluation.pages.markup import Html, element, joined, listed, table
from training.evaluation.pages.wording import (
    count,
    difference,
    figure,
    interval,
    metric_name,
    p_value,
    per_cent,
    signed,
    told,
    told_difference,
)


def test_text_is_escaped_and_html_is_not() -> None:
    made = element("p", "<b> & co", element("i", "x"), title='a "quoted" <title>')
    assert made == '<p title="a &quot;quoted&quot; &lt;title&gt;">&lt;b&gt; &amp; co<i>x</i></p>'
    assert "<script>" not in table(["<script>", "b"], [["<script>", "<script>"]])
    assert listed({"<a>": "<b>"}) == '<dl><dt>&lt;a&gt;</dt><dd dir="auto">&lt;b&gt;</dd></dl>'
    assert joined(["<", Html("<")]) == "&lt;<"


def test_cells_of_a_table_carry_the_heading_of_their_column() -> None:
    made = table(["name", "value"], [["a", "1"]])
    assert '<th scope="row">a</th><td data-label="value">1</td>' in made
    with pytest.raises(ValueError, match="zip"):
        table(["name", "value"], [["a", "1", "2"]])


@pytest.mark.parametrize(("columns", "begins"), [(7, "<table"), (8, '<div class="wide" tabindex="0"><table')])
def test_a_table_of_many_columns_scrolls_by_itself(columns: int, begins: str) -> None:
    assert table(["a"] * columns, [["1"] * columns]).startswith(begins)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("ndcg_at_10", "NDCG@10"),
        ("recall_at_20", "recall@20"),
        ("mrr", "MRR"),
        ("log_popularity_at_5", "log popularity@5"),
        ("normalised_entropy", "normalised entropy"),
    ],
)
def test_names_of_metrics(metric: str, name: str) -> None:
    assert metric_name(metric) == name


def test_a_figure_says_what_it_has() -> None:
    assert figure(None) == "–"
    assert figure({"value": 0.1234}) == "<span>0.123</span>"
    assert figure({"value": 0.1, "low": 0, "high": 0.25}) == "<span>0.100</span><small>0.000 – 0.250</small>"
    assert told({"value": 0.1234}) == "0.123"
    assert told({"value": -0.1, "low": -0.2, "high": 0.05}) == "−0.100 (−0.200 to +0.050)"
    assert interval({"low": 0.1, "high": 0.2}) == "0.100 – 0.200"


def test_a_difference_has_a_sign() -> None:
    row = {"difference": -0.01, "low": -0.03, "high": 0.01, "p_holm": 0.0004}
    assert difference(row) == "<span>−0.010</span><small>−0.030 to +0.010</small>"
    assert told_difference(row) == "−0.010 (−0.030 to +0.010)"
    assert signed(0.0) == "+0.000"
    assert (p_value(0.0004), p_value(0.001), p_value(1.0)) == ("< 0.001", "0.001", "1.000")


def test_counts_and_shares() -> None:
    assert (count(1), count(2_000), count(0, "row")) == ("1 request", "2,000 requests", "0 rows")
    assert (per_cent(0.125), per_cent(-0.07), per_cent(12.5)) == ("12\u202f%", "−7\u202f%", "1,250\u202f%")
