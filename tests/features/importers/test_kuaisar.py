from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.errors import DataError
from features.importers.kuaisar import read_kuaisar
from features.importers.registry import import_folder
from features.rules import find_violations
from features.split import with_split

SENT = (
    "user_id,item_id,duration_ms,playing_time,timestamp,forward,like,follow,search_item_related,search,click,time",
    "7,100,9000.0,9100.0,1684742000000.0,0,1,0,1,1,1,2023-05-22 15:53:20",
    "7,101,9000.0,300.0,1684742000000.0,0,0,0,0,0,0,2023-05-22 15:53:20",
    "8,100,9000.0,300.0,1684742000000.0,0,0,0,0,0,0,2023-05-22 15:53:20",
    "7,102,4000.0,0.0,1.684742000001e+12,0,0,0,0,0,1,2023-05-22 15:53:20",
)
FOUND = (
    "keyword,item_id,click_cnt,search_session_id,item_type,user_id,search_session_timestamp,search_source,"
    "search_session_time",
    '"[20, 34, 3]",102,2,1,VIDEO,7,1684763932919,USER_INPUT,2023-05-22 21:58:52',
    '"[20, 34, 3]",555,0,1,USER,7,1684763932919,USER_INPUT,2023-05-22 21:58:52',
    '"[20, 34, 3]",100,0,1,VIDEO,7,1684763932919,USER_INPUT,2023-05-22 21:58:52',
    '"[20, 34, 3]",100,1,1,VIDEO,7,1684763932919,USER_INPUT,2023-05-22 21:58:52',
    "[5],101,0,1,VIDEO,8,1684763932919,USER_INPUT,2023-05-22 21:58:52",
    "[],300,0,1,LIVE,8,1684763999000,USER_INPUT,2023-05-22 21:59:59",
)
NAMES = tuple(f"{level}_level_category_name_en" for level in ("first", "second", "third", "fourth"))
ITEMS = (
    "item_id,caption,author_id,item_type,upload_time,upload_type," + ",".join(NAMES),
    '100,"[1, 213, 24]",10,NORMAL,2023-04-22,LongImport,Funny,Funny joke,empty,empty',
    "101,[34],0,NORMAL,1970-01-01,UNKNOWN,empty,empty,empty,empty",
    "102,,11,IMAGE_ATLAS,2023-5-1,Kmovie,Food,empty,empty,empty",
    "999,[],11,NORMAL,1970-1-1,Kmovie,A,B,C,D",
)
USERS = ("user_id,onehot_feat1,onehot_feat2,search_active_level,rec_active_level", "7,1,3,2,5", "8,0,7,1,1")
FILES = {"rec_inter": SENT, "src_inter": FOUND, "item_features": ITEMS, "user_features": USERS}


def write(folder: Path, **changed: tuple[str, ...]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in (FILES | changed).items():
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write(tmp_path / "raw")


def rows(raw: Path, task: str, *columns: str) -> list[tuple[Any, ...]]:
    events = read_kuaisar(raw)["events"]
    return events.filter(pl.col("task") == task).select(columns).rows()


def test_what_was_sent_is_a_recommendation_and_a_zero_unless_clicked(raw: Path) -> None:
    sent = datetime(2023, 5, 22, 7, 53, 20, tzinfo=UTC)  # 15:53:20 in Beijing
    assert rows(raw, "recommendation", "user_id", "item_id", "label", "query", "timestamp") == [
        ("7", "100", 1.0, None, sent),
        ("7", "101", 0.0, None, sent),
        ("8", "100", 0.0, None, sent),
        ("7", "102", 1.0, None, sent.replace(microsecond=1_000)),
    ]


def test_a_search_has_the_word_numbers_as_its_query_and_each_item_once(raw: Path) -> None:
    at = datetime(2023, 5, 22, 13, 58, 52, 919_000, tzinfo=UTC)
    later = datetime(2023, 5, 22, 13, 59, 59, tzinfo=UTC)
    assert rows(raw, "search", "user_id", "query", "item_id", "label", "timestamp") == [
        ("7", "20 34 3", "102", 1.0, at),
        ("7", "20 34 3", "555", 0.0, at),
        ("7", "20 34 3", "100", 1.0, at),
        ("8", "5", "101", 0.0, at),
        ("8", None, "300", 0.0, later),
    ]


def test_a_request_is_what_one_user_was_sent_at_once_or_one_search_session(raw: Path) -> None:
    again = '"[20, 34, 3]",101,0,1,VIDEO,7,1684999999999,USER_INPUT,2023-05-25 15:33:19'
    requests = read_kuaisar(write(raw, src_inter=(*FOUND, again)))["events"]["request_id"].to_list()
    # Sessions carry the same number for two users, and a number comes back at another time.
    groups = [[0, 1], [2], [3], [4, 5, 6], [7], [8], [9]]
    assert [[row for row, name in enumerate(requests) if name == kind] for kind in dict.fromkeys(requests)] == groups


def test_items_have_captions_as_word_numbers_category_paths_and_days(raw: Path) -> None:
    items = read_kuaisar(raw)["items"]
    assert items.rows() == [
        ("100", "1 213 24", "Funny > Funny joke", datetime(2023, 4, 21, 16, tzinfo=UTC)),
        ("101", "34", None, None),
        ("102", None, "Food", datetime(2023, 4, 30, 16, tzinfo=UTC)),
        ("999", None, "A > B > C > D", None),
        ("300", None, None, None),
        ("555", None, None, None),
    ]
    assert items.columns == ["item_id", "title", "category", "created_at"]


def test_equal_words_of_query_and_caption_are_equal_words(raw: Path) -> None:
    tables = read_kuaisar(raw)
    queries = {word for query in tables["events"]["query"].drop_nulls() for word in query.split()}
    captions = {word for title in tables["items"]["title"].drop_nulls() for word in title.split()}
    assert queries & captions == {"34"}


def test_users_have_their_attributes_as_text_and_no_activity_of_the_month(raw: Path) -> None:
    users = read_kuaisar(raw)["users"]
    assert users.columns == ["user_id", "onehot_feat1", "onehot_feat2"]
    assert users.rows() == [("7", "1", "3"), ("8", "0", "7")]


def test_friends_are_neither_needed_nor_read(raw: Path) -> None:
    before = read_kuaisar(raw)
    (raw / "social_network.csv").write_text("no,table")
    after = read_kuaisar(raw)
    assert set(after) == {"items", "users", "events"}
    assert all(after[name].equals(before[name]) for name in before)


def test_the_order_of_the_columns_and_the_line_ends_do_not_matter(raw: Path) -> None:
    before = read_kuaisar(raw)
    for name in FILES:
        frame = pl.read_csv(raw / f"{name}.csv", infer_schema=False)
        frame.select(reversed(frame.columns)).write_csv(raw / f"{name}.csv", line_terminator="\r\n")
    after = read_kuaisar(raw)
    assert all(after[name].equals(before[name]) for name in before)


@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("rec_inter", "7,1,1,1,soon,0,0,0,0,0,1,x", 'line 3 has "soon" as timestamp, which is not a number'),
        ("rec_inter", "7,1,1,1,nan,0,0,0,0,0,1,x", 'line 3 has "nan" as timestamp, which is not a number'),
        ("rec_inter", "7,1,1,1,5,0,0,0,0,0,,x", "line 3 has nothing as click, which is not a number"),
        ("src_inter", "[1],1,yes,1,VIDEO,7,5,X,x", 'line 3 has "yes" as click_cnt, which is not a number'),
        ("src_inter", "[1],1,1,1,VIDEO,7,,X,x", "line 3 has nothing as search_session_timestamp, which is not"),
        ("src_inter", "cats,1,1,1,VIDEO,7,5,X,x", 'line 3 has "cats" as keyword, which is not a list of numbers'),
        ("item_features", "1,[a],1,N,2023-04-22,x,,,,", r'line 3 has "\[a\]" as caption, which is not a list of num'),
        ("item_features", "1,[1],1,N,22.4.2023,x,,,,", r'line 3 has "22\.4\.2023" as upload_time, which is not a day'),
    ],
)
def test_a_bad_value_is_named_with_its_line(tmp_path: Path, name: str, row: str, problem: str) -> None:
    raw = write(tmp_path / "raw", **{name: (*FILES[name][:2], row)})
    with pytest.raises(DataError, match=rf"{name}\.csv: {problem}"):
        read_kuaisar(raw)


def test_nothing_between_quotes_is_nothing(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", item_features=(ITEMS[0], '100,"",1,NORMAL,"",x,"","","",""'))
    assert read_kuaisar(raw)["items"].row(0) == ("100", None, None, None)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("rec_inter", ("timestamp", "click")),
        ("src_inter", ("search_session_timestamp", "keyword", "click_cnt")),
        ("item_features", ("caption", "third_level_category_name_en")),
        ("user_features", ("onehot_feat2",)),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, name: str, missing: tuple[str, ...]) -> None:
    header = ",".join(column for column in FILES[name][0].split(",") if column not in missing)
    raw = write(tmp_path / "raw", **{name: (header,)})
    with pytest.raises(DataError) as error:
        read_kuaisar(raw)
    assert str(error.value) == (
        f"{raw / name}.csv: no column {', '.join(missing)}; the header has {header.replace(',', ', ')}."
    )


def test_a_file_that_is_missing_or_no_table_is_named(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes no --split"):
        read_kuaisar(raw, raw / "split.parquet")
    (raw / "item_features.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"item_features\.csv: not a delimited table \("):
        read_kuaisar(raw)
    (raw / "src_inter.csv").unlink()
    (raw / "user_features.csv").unlink()
    with pytest.raises(
        DataError, match=r"src_inter\.csv, user_features\.csv is missing\. The data set is published at https://kuaisar"
    ):
        import_folder("kuaisar", raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_imported_folder_is_a_valid_data_folder_and_no_request_is_torn(tmp_path: Path) -> None:
    sent = [f"{n % 5},{n % 9},1,1,{1_684_742_000_000 + n // 4 * 500},0,0,0,0,0,{n % 2},x" for n in range(200)]
    found = [
        f"[{n % 7}],{n % 11},{n % 3},{n // 6},VIDEO,{n // 6 % 5},{1_684_742_000_000 + n // 6 * 700},X,x"
        for n in range(200)
    ]
    raw = write(tmp_path / "raw", rec_inter=(SENT[0], *sent), src_inter=(FOUND[0], *found))
    folder = import_folder("kuaisar", raw, tmp_path / "out")
    assert find_violations(folder) == []
    events = with_split(folder.events).collect()
    assert set(events["split"]) == {"train", "valid", "test"}
    assert events.group_by("request_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert dict(events["task"].value_counts().iter_rows()) == {"recommendation": 200, "search": 200}
