from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from features.check import check_folder, inspect_data
from features.errors import DataError
from features.quarantine import set_aside
from features.rules import find_violations
from features.split import with_split
from features.summary import TaskCount, summarise
from features.tables import open_data
from tests.features.table_world import EVENTS, ITEMS, with_value, write_folder


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=120)


def _printed(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _count(task: str, split: str, rows: int, engaged: int, zeros: int) -> TaskCount:
    return TaskCount(task=task, split=split, rows=rows, engaged=engaged, zeros=zeros)


def test_the_summary_counts_what_the_data_holds(tmp_path: Path) -> None:
    summary = summarise(open_data(write_folder(tmp_path)))
    assert summary.rows == {"items": 3, "events": 4}
    assert summary.tasks == [
        _count("search", "train", 1, 1, 0),
        _count("search", "test", 1, 1, 0),
        _count("recommendation", "valid", 2, 1, 1),
    ]
    assert (summary.users, summary.items, summary.items_with_events, summary.queries) == (2, 3, 3, 2)
    assert summary.countries == {"DE": 2, "KR": 1}
    assert summary.split_by == "column"
    assert summary.missing["search"] == {
        "user_id": 1 / 2,
        "query": 0.0,
        "country": 1 / 2,
        "source_item_id": 1.0,
        "timestamp": 0.0,
        "request_id": 0.0,
        "position": 0.0,
    }
    times = summary.as_json()
    assert (times["first"], times["last"]) == ("2024-01-01T00:00:00+00:00", "2024-01-03T00:00:00+00:00")


def test_events_that_cannot_be_split_are_counted_all_the_same(tmp_path: Path) -> None:
    summary = summarise(open_data(write_folder(tmp_path, events=EVENTS.drop("split", "timestamp"))))
    assert summary.split_by == "unsplit"
    assert summary.tasks == [_count("search", "unsplit", 2, 2, 0), _count("recommendation", "unsplit", 2, 1, 1)]
    assert (summary.first, summary.last) == (None, None)


def test_a_good_folder_is_described(tmp_path: Path, console: Console) -> None:
    check_folder(write_folder(tmp_path), console)
    text = _printed(console)
    assert "4 rows" in text
    assert 'warning: the task "similar" has no rows' in text
    assert text.endswith("No rule is broken.\n")


def test_a_broken_rule_is_named_with_its_rows_and_is_an_error(tmp_path: Path, console: Console) -> None:
    root = write_folder(tmp_path, events=with_value(EVENTS, 1, item_id="ghost"))
    with pytest.raises(DataError, match=r"events\.unknown_item"):
        check_folder(root, console)
    text = _printed(console)
    assert 'events.unknown_item: 1 of 4 rows name items that are not in items, e.g. "ghost". Add the items.' in text
    assert "2024-01-02" in text.split("events.unknown_item", 1)[1]  # the row itself


def test_quiet_prints_what_is_wrong_alone(tmp_path: Path, console: Console) -> None:
    check_folder(write_folder(tmp_path / "good"), console, quiet=True)
    assert _printed(console) == ""
    bad = write_folder(tmp_path / "bad", events=with_value(EVENTS, 1, item_id="ghost"))
    with pytest.raises(DataError):
        check_folder(bad, console, quiet=True)
    assert _printed(console).startswith("events.unknown_item: 1 of 4 rows")


def test_the_json_is_written_whether_or_not_a_rule_is_broken(tmp_path: Path, console: Console) -> None:
    root = write_folder(tmp_path / "data", events=with_value(EVENTS, 1, label=float("nan")))
    file = tmp_path / "out" / "check.json"
    with pytest.raises(DataError):
        check_folder(root, console, json=file)
    report = json.loads(file.read_text())
    assert report["valid"] is False
    assert report["data"]["rows"] == {"items": 3, "events": 4}
    (violation,) = report["violations"]
    assert (violation["rule"], violation["rows"], violation["total"]) == ("events.label_nan", 1, 4)
    assert violation["sample"][0]["label"] == "nan"
    assert violation["sample"][0]["timestamp"] == "2024-01-02 00:00:00+00:00"
    assert 'the task "presearch" has no rows' in report["warnings"]
    assert [entry.name for entry in file.parent.iterdir()] == ["check.json"]


def test_markup_in_the_data_is_text(tmp_path: Path, console: Console) -> None:
    events = with_value(EVENTS, 1, item_id="[bold]ghost[/nothing]")
    with pytest.raises(DataError):
        check_folder(write_folder(tmp_path, events=events), console)
    assert "[bold]ghost[/nothing]" in _printed(console)


DIRTY_ITEMS = pl.concat([ITEMS, ITEMS.head(1), pl.DataFrame({"item_id": [None, "i4"], "title": ["?", "bad country"]})])
DIRTY_ITEMS = DIRTY_ITEMS.with_columns(countries=pl.Series([["DE"], None, None, None, None, ["nowhere"]]))
DIRTY_EVENTS = pl.concat(
    [EVENTS, with_value(EVENTS, 0, item_id="i4", label=-1.0).head(1), with_value(EVENTS, 0, task="dance").head(1)]
)


def test_bad_rows_go_to_quarantine_with_their_reasons_and_the_rest_is_good(tmp_path: Path, console: Console) -> None:
    root = write_folder(tmp_path / "data", items=DIRTY_ITEMS, events=DIRTY_EVENTS)
    out = tmp_path / "out"
    check_folder(root, console, quarantine=out)
    items = pl.read_parquet(out / "quarantine" / "items.parquet")
    assert items.select("title", "reason").rows() == [
        ("red chair", "items.duplicate_id"),
        ("?", "items.null_id"),
        ("bad country", "items.bad_country"),
    ]
    events = pl.read_parquet(out / "quarantine" / "events.parquet")
    assert events["reason"].to_list() == ["events.unknown_item; events.label_negative", "events.unknown_task"]
    assert events.columns == [*pl.read_parquet(out / "data" / "events.parquet").columns, "reason"]
    rest = open_data(out / "data")
    assert find_violations(rest) == []
    assert rest.items.collect()["item_id"].to_list() == ["i1", "i2", "i3"]
    assert rest.events.collect()["label"].to_list() == EVENTS["label"].to_list()
    assert set(pl.read_parquet(out / "data" / "events.parquet").columns) == set(EVENTS.columns)
    assert "3 rows of items, 2 rows of events" in _printed(console)


def test_nothing_to_set_aside_still_leaves_a_data_folder(tmp_path: Path, console: Console) -> None:
    check_folder(write_folder(tmp_path / "data"), console, quarantine=tmp_path / "out")
    assert list((tmp_path / "out" / "quarantine").iterdir()) == []
    assert open_data(tmp_path / "out" / "data").events.collect().equals(open_data(tmp_path / "data").events.collect())


def test_a_column_called_reason_stays_the_users_own(tmp_path: Path) -> None:
    events = with_value(EVENTS.with_columns(reason=pl.lit("mine")), 1, label=None)
    set_aside(open_data(write_folder(tmp_path / "data", events=events)), tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "data" / "events.parquet")["reason"].to_list() == ["mine"] * 3
    assert pl.read_parquet(tmp_path / "out" / "quarantine" / "events.parquet")["reason"].to_list() == [
        "events.label_null"
    ]


def test_a_quarantine_in_use_is_refused_and_untouched(tmp_path: Path) -> None:
    data = open_data(write_folder(tmp_path / "data"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="out: is in use already"):
        set_aside(data, out)
    assert [entry.name for entry in out.iterdir()] == ["mine.txt"]


def test_where_the_rest_is_no_data_nothing_is_written(tmp_path: Path, console: Console) -> None:
    events = EVENTS.filter(pl.col("split") != "train").with_columns(label=pl.Series([None, 1.0, 1.0]))
    root = write_folder(tmp_path / "data", events=events)
    with pytest.raises(DataError, match=r"Without the bad rows, .*no train rows"):
        check_folder(root, console, quarantine=tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_rows_without_time_are_set_aside_and_the_rest_is_split_by_time(tmp_path: Path) -> None:
    events = with_value(EVENTS.drop("split", "request_id"), 3, timestamp=None)
    set_aside(open_data(write_folder(tmp_path / "data", events=events)), tmp_path / "out")
    rest = open_data(tmp_path / "out" / "data")
    assert with_split(rest.events).collect()["split"].to_list() == ["train", "valid", "test"]


def test_a_large_table_keeps_the_order_of_its_rows(tmp_path: Path) -> None:
    rows = 200_000
    events = pl.select(
        item_id=pl.format("i{}", pl.int_range(rows) % 4),  # i0 is unknown
        task=pl.lit("search"),
        label=pl.lit(1.0),
        order=pl.int_range(rows),
        split=pl.lit("train"),
    )
    set_aside(open_data(write_folder(tmp_path / "data", events=events)), tmp_path / "out")
    rest = pl.read_parquet(tmp_path / "out" / "data" / "events.parquet")
    assert rest["order"].to_list() == [row for row in range(rows) if row % 4]


def test_a_report_of_good_data_is_valid(tmp_path: Path) -> None:
    assert inspect_data(open_data(write_folder(tmp_path))).as_json()["valid"] is True
