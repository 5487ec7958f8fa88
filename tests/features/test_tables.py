from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from features.errors import DataError
from features.tables import data_hash, open_data, stated_columns
from tests.features.table_world import EVENTS, ITEMS, write_folder

BARE = pl.DataFrame({"item_id": ["i1"], "task": ["search"], "label": [1.0]})


def test_every_column_of_the_contract_is_there_with_its_type(tmp_path: Path) -> None:
    data = open_data(write_folder(tmp_path, items=pl.DataFrame({"item_id": ["i1"]}), events=BARE))
    assert data.events.collect_schema() == {
        "item_id": pl.String,
        "task": pl.String,
        "label": pl.Float32,
        "user_id": pl.String,
        "query": pl.String,
        "country": pl.String,
        "source_item_id": pl.String,
        "timestamp": pl.Datetime("us", "UTC"),
        "order": pl.Int64,
        "request_id": pl.String,
        "position": pl.Int64,
        "weight": pl.Float32,
        "source": pl.String,
        "split": pl.String,
    }
    assert data.items.collect_schema() == {
        "item_id": pl.String,
        "title": pl.String,
        "text": pl.String,
        "category": pl.String,
        "countries": pl.List(pl.String),
        "created_at": pl.Datetime("us", "UTC"),
    }
    assert (data.users, data.judgments, data.scores) == (None, None, None)


def test_absent_columns_are_null_or_the_default_and_extra_ones_are_kept(tmp_path: Path) -> None:
    events = EVENTS.with_columns(weight=pl.Series([2.0, None, 0.5, None]), stars=pl.Series([1, 2, 3, 4]))
    events = open_data(write_folder(tmp_path, events=events)).events.collect()
    assert events["weight"].to_list() == [2.0, 1.0, 0.5, 1.0]
    assert events["source"].to_list() == ["log"] * 4
    assert events["order"].to_list() == [None] * 4
    assert events["stars"].to_list() == [1, 2, 3, 4]


def test_blank_optional_text_says_nothing(tmp_path: Path) -> None:
    events = EVENTS.with_columns(user_id=pl.lit(" "), country=pl.lit(""))
    found = open_data(write_folder(tmp_path, events=events)).events.collect()
    assert found["user_id"].null_count() == found["country"].null_count() == EVENTS.height


def test_optional_tables_are_opened(tmp_path: Path) -> None:
    data = open_data(
        write_folder(
            tmp_path,
            users=pl.DataFrame({"user_id": ["u1"], "segment": ["b2b"]}),
            judgments=pl.DataFrame({"query": ["red"], "item_id": ["i1"], "relevance": [3]}),
            scores=pl.DataFrame({"user_id": ["u1"], "item_id": ["i1"], "score": [0.25]}),
        )
    )
    assert list(data.tables()) == ["items", "users", "events", "judgments", "scores"]
    assert data.users is not None
    assert data.users.collect().rows() == [("u1", None, "b2b")]
    assert data.judgments is not None
    assert data.judgments.collect()["relevance"].to_list() == [3.0]


@pytest.mark.parametrize(
    "times",
    [
        pl.Series([date(2024, 5, 1)]),
        pl.Series([datetime(2024, 5, 1)], dtype=pl.Datetime("ns")),
        pl.Series([datetime(2024, 5, 1, tzinfo=UTC)]),
        pl.Series([datetime(2024, 5, 1, 9, tzinfo=ZoneInfo("Asia/Seoul"))], dtype=pl.Datetime("ms", "Asia/Seoul")),
    ],
)
def test_times_become_utc(tmp_path: Path, times: pl.Series) -> None:
    data = open_data(write_folder(tmp_path, events=BARE.with_columns(timestamp=times)))
    assert data.events.collect()["timestamp"].to_list() == [datetime(2024, 5, 1, tzinfo=timezone(timedelta(0)))]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("item_id", pl.Series(["i1"], dtype=pl.Categorical), "i1"),
        ("task", pl.Series(["search"], dtype=pl.Enum(["search", "similar"])), "search"),
        ("label", pl.Series([2], dtype=pl.UInt8), 2.0),
        ("label", pl.Series([None], dtype=pl.Null), None),
        ("position", pl.Series([3], dtype=pl.UInt16), 3),
        ("user_id", pl.Series([None], dtype=pl.Null), None),
    ],
)
def test_types_that_mean_the_same_are_cast(
    tmp_path: Path, column: str, values: pl.Series, expected: str | float | None
) -> None:
    data = open_data(write_folder(tmp_path, events=BARE.with_columns(values.alias(column))))
    assert data.events.collect()[column].to_list() == [expected]


@pytest.mark.parametrize(
    ("column", "values", "found", "wanted"),
    [
        ("item_id", pl.Series([7]), "Int64", "String"),
        ("label", pl.Series(["yes"]), "String", "a number"),
        ("label", pl.Series([True]), "Boolean", "a number"),
        ("timestamp", pl.Series([1_700_000_000]), "Int64", "Date or Datetime"),
        ("order", pl.Series([1.5]), "Float64", "an integer"),
        ("weight", pl.Series(["1"]), "String", "a number"),
    ],
)
def test_a_wrong_type_names_file_column_and_both_types(
    tmp_path: Path, column: str, values: pl.Series, found: str, wanted: str
) -> None:
    root = write_folder(tmp_path, events=BARE.with_columns(values.alias(column)))
    with pytest.raises(DataError) as error:
        open_data(root)
    line = str(error.value)
    assert line == f'{root / "events.parquet"}: the column "{column}" is {found}, wanted is {wanted}. Cast it.'


def test_countries_are_a_list_of_text(tmp_path: Path) -> None:
    listed = ITEMS.with_columns(countries=pl.Series([["DE", "KR"], [], None]))
    assert open_data(write_folder(tmp_path, items=listed)).items.collect()["countries"].to_list() == [
        ["DE", "KR"],
        [],
        None,
    ]
    with pytest.raises(DataError, match=r'"countries" is String, wanted is List\(String\)'):
        open_data(write_folder(tmp_path, items=ITEMS.with_columns(countries=pl.lit("DE"))))


@pytest.mark.parametrize(("table", "column"), [("items", "item_id"), ("events", "task"), ("events", "label")])
def test_a_required_column_that_is_missing_is_named(tmp_path: Path, table: str, column: str) -> None:
    frame = {"items": ITEMS, "events": EVENTS}[table].drop(column)
    with pytest.raises(DataError, match=rf'{table}\.parquet: the column "{column}" is missing'):
        open_data(write_folder(tmp_path, **{table: frame}))


def test_missing_folders_and_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such data folder"):
        open_data(tmp_path / "nowhere")
    EVENTS.write_parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match='the table "items" is missing'):
        open_data(tmp_path)
    (tmp_path / "items").mkdir()
    with pytest.raises(DataError, match='the table "items" has no part'):
        open_data(tmp_path)


def test_a_table_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    write_folder(root / "items")
    with pytest.raises(DataError, match='"items" is there twice'):
        open_data(root)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    (root / "events.parquet").write_text("item_id,task\n")
    with pytest.raises(DataError, match=r"events\.parquet: cannot be read as Parquet") as error:
        open_data(root)
    assert "\n" not in str(error.value)


def _write_parts(root: Path, parts: list[pl.DataFrame]) -> Path:
    write_folder(root)
    (root / "events.parquet").unlink()
    (root / "events").mkdir()
    for number, part in enumerate(parts):
        part.write_parquet(root / "events" / f"part-{number}.parquet", row_group_size=50)
    return root


def test_parts_are_read_in_the_order_of_their_names_and_rows_in_theirs(tmp_path: Path) -> None:
    rows = pl.DataFrame({"item_id": ["i1"] * 3000, "task": ["search"] * 3000, "label": [1.0] * 3000})
    rows = rows.with_columns(order=pl.int_range(pl.len()))
    root = _write_parts(tmp_path, [rows[start : start + 500] for start in range(0, 3000, 500)])
    assert open_data(root).events.collect()["order"].to_list() == list(range(3000))


def test_a_part_may_lack_optional_columns_and_an_error_names_its_part(tmp_path: Path) -> None:
    parts = [EVENTS, EVENTS.select("item_id", "task", "label"), EVENTS.with_columns(stars=pl.lit(5))]
    events = open_data(_write_parts(tmp_path / "good", parts)).events.collect()
    assert events["user_id"].to_list() == ["u1", "u1", "u2", None] + [None] * 4 + ["u1", "u1", "u2", None]
    assert events["stars"].to_list() == [None] * 8 + [5] * 4
    bad = _write_parts(tmp_path / "bad", [EVENTS, EVENTS.with_columns(label=pl.lit("yes"))])
    with pytest.raises(DataError, match=r'part-1\.parquet: the column "label" is String'):
        open_data(bad)
    torn = _write_parts(tmp_path / "torn", [EVENTS.with_columns(x=pl.lit([1])), EVENTS.with_columns(x=pl.lit("a"))])
    with pytest.raises(DataError, match=r'part-1\.parquet: the column "x" is String, in an earlier part List'):
        open_data(torn)


def test_stated_columns_are_those_of_the_files(tmp_path: Path) -> None:
    data = open_data(write_folder(tmp_path, items=pl.DataFrame({"text": ["a"], "item_id": ["i1"], "price": [2.0]})))
    assert stated_columns(data, "items") == ["item_id", "text", "price"]


def test_the_hash_covers_names_and_contents(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    before = data_hash(open_data(root))
    expected = hashlib.sha256()
    for name in ("items.parquet", "events.parquet"):
        expected.update(name.encode() + b"\0" + hashlib.sha256((root / name).read_bytes()).digest())
    assert before == expected.hexdigest()
    (root / "notes.txt").write_text("not a table")
    assert data_hash(open_data(root)) == before
    EVENTS.head(3).write_parquet(root / "events.parquet")
    assert data_hash(open_data(root)) != before
