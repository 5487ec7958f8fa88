from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from features.errors import DataError
from features.importers.registry import import_folder
from features.importers.tokenrec import read_tokenrec
from features.rules import find_violations

PUBLIC = os.environ.get("UNICORN_DATA")
WHOLE = ("1 2 0 1 3", "0 3 3 1")
TRAIN = ("1 2 0 1", "0 3 3")


def write(
    folder: Path,
    whole: tuple[str, ...] = WHOLE,
    train: tuple[str, ...] = TRAIN,
    items: tuple[str, ...] = ("A 0", "B 1", "C 2", "D 3"),
    users: tuple[str, ...] = ("anna 0", "ben 1"),
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("test", whole), ("train", train)):
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    for name, lines in (("item", items), ("user", users)):
        (folder / f"{name}_list.txt").write_text("\n".join(("org_id remap_id", *lines)))
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write(tmp_path / "sets" / "Set")


def test_the_order_is_kept_the_last_item_is_test_and_the_one_before_it_valid(raw: Path) -> None:
    tables = read_tokenrec(raw)
    assert tables["events"].rows() == [
        ("ben", "recommendation", "C", 1.0, 0, "train"),
        ("ben", "recommendation", "A", 1.0, 1, "train"),
        ("ben", "recommendation", "B", 1.0, 2, "valid"),
        ("ben", "recommendation", "D", 1.0, 3, "test"),
        ("anna", "recommendation", "D", 1.0, 0, "train"),
        ("anna", "recommendation", "D", 1.0, 1, "valid"),
        ("anna", "recommendation", "B", 1.0, 2, "test"),
    ]
    assert tables["items"].rows() == [("A",), ("B",), ("C",), ("D",)]


def test_blanks_and_line_ends_do_not_matter(raw: Path) -> None:
    before = read_tokenrec(raw)["events"]
    for name in ("train", "test"):
        file = raw / f"{name}.txt"
        file.write_bytes(file.read_bytes().replace(b" ", b"  ").replace(b"\n", b" \r\n"))
    assert read_tokenrec(raw)["events"].equals(before)


def test_titles_are_found_by_the_original_id(raw: Path) -> None:
    (raw / "item_titles.tsv").write_text('org_id\ttitle\nC\tHair "Set" &amp; Brush\nA\t\nZ\tof nothing here\n')
    assert read_tokenrec(raw)["items"].rows() == [("A", None), ("B", None), ("C", 'Hair "Set" & Brush'), ("D", None)]


def test_names_of_artists_are_titles(raw: Path) -> None:
    (raw / "item_artist_map.tsv").write_text("org_id\thetrec_artistID\tname\nA\t52\tBjörk\nB\t9\tnone\n")
    assert read_tokenrec(raw)["items"]["title"].to_list() == ["Björk", "none", None, None]


def test_films_bring_genres_and_a_year(raw: Path) -> None:
    films = "A::Café: A Love Story (1995)::Drama|Children's\nB::Tales (0012)::Comedy\nQ::Other (1990)::War\n"
    (raw / "movies.dat").write_bytes(films.encode("latin-1"))
    rows = read_tokenrec(raw)["items"].with_columns(pl.col("created_at").dt.year()).rows()
    assert rows == [
        ("A", "Café: A Love Story (1995)", "Drama > Children's", 1995),
        ("B", "Tales (0012)", "Comedy", None),
        ("C", None, None, None),
        ("D", None, None, None),
    ]


def _write_times(raw: Path, user: str = "user", item: str = "asin", **changed: list[object]) -> None:
    rows = {
        user: ["anna", "anna", "anna", "ben", "ben", "ben", "ben"],
        item: ["D", "D", "B", "C", "A", "B", "D"],
        "pos": [0, 1, 2, 0, 1, 2, 3],
        "timestamp": [86_400, 86_400, 0, 5, None, 7, 7],
    }
    pl.DataFrame(rows | changed).write_parquet(raw / "interactions_with_timestamps.parquet")


@pytest.mark.parametrize(("user", "item"), [("user", "asin"), ("userID", "movieID")])
def test_times_are_added_and_the_order_of_the_file_rules(raw: Path, user: str, item: str) -> None:
    before = read_tokenrec(raw)["events"]
    _write_times(raw, user, item)
    events = read_tokenrec(raw)["events"]
    assert events.drop("timestamp").equals(before)
    second = [5, None, 7, 7, 86_400, 86_400, 0]
    wanted = [None if value is None else datetime.fromtimestamp(value, tz=UTC) for value in second]
    assert events["timestamp"].to_list() == wanted


def test_times_of_other_sequences_are_refused(raw: Path) -> None:
    _write_times(raw, asin=["D", "D", "B", "C", "B", "A", "D"])
    with pytest.raises(DataError) as error:
        read_tokenrec(raw)
    assert str(error.value) == (
        f"{raw / 'interactions_with_timestamps.parquet'}: 2 of 7 places differ from the sequences, first place 1 of "
        "user ben: item B here, A there. Take all files of one set."
    )
    _write_times(raw, "who")
    with pytest.raises(DataError, match=r"has the columns who, asin, pos, timestamp; wanted are user or userID, "):
        read_tokenrec(raw)


@pytest.mark.parametrize("place", [".", "../../lastfm"])
def test_days_of_tags_are_those_of_the_first_row_about_an_artist(raw: Path, place: str) -> None:
    (raw / "item_artist_map.tsv").write_text("org_id\thetrec_artistID\tname\nA\t52\tX\nB\t9\tY\nC\t7\tZ\nD\t8\tW\n")
    (raw / "user_hetrec_map.tsv").write_text("org_id\thetrec_userID\nanna\t2\nben\t4\n")
    assert "timestamp" not in read_tokenrec(raw)["events"].columns
    folder = raw / place
    folder.mkdir(exist_ok=True)
    tagged = ("4\t52\t1\t9\t5\t2008", "4\t52\t2\t1\t1\t2001", "2\t8\t1\t31\t12\t2010", "3\t9\t1\t1\t1\t2009")
    header = "userID\tartistID\ttagID\tday\tmonth\tyear"
    (folder / "user_taggedartists.dat").write_text("\n".join((header, *tagged)))
    days = read_tokenrec(raw)["events"].filter(pl.col("timestamp").is_not_null())
    assert days.select("user_id", "item_id", "order", "timestamp").rows() == [
        ("ben", "A", 1, datetime(2008, 5, 9, tzinfo=UTC)),
        ("anna", "D", 0, datetime(2010, 12, 31, tzinfo=UTC)),
        ("anna", "D", 1, datetime(2010, 12, 31, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"train": ("1 2 0 3", "0 3 3")}, r"train\.txt: user 1, line 1 of test\.txt, differs from test\.txt without"),
        ({"train": ("1 2 0 1",)}, r"train\.txt: user 0, line 2 of test\.txt, has no sequence"),
        ({"train": (*TRAIN, "7 1 2")}, r"train\.txt: line 3, user 7, is not in test\.txt"),
        ({"whole": (*WHOLE, "7 1 2"), "train": (*TRAIN, "7 1")}, r"test\.txt: line 3, user 7: 2 items; 3 are needed"),
        ({"whole": (*WHOLE, "")}, r"test\.txt: line 3 is no sequence"),
        ({"whole": (*WHOLE, "0 1 2 3")}, r"test\.txt: line 3 is another sequence of user 0"),
        ({"items": ("A 0", "B 1", "C 2")}, r"item_list\.txt: has no remap_id 3, which the sequence of user 1 names"),
        ({"users": ("anna 0",)}, r"user_list\.txt: has no remap_id 1, which the sequence of user 1 names"),
        ({"items": ("A 0", "B 1", "A 2", "D 3")}, r"item_list\.txt: line 2 has the org_id A, which stands in another"),
        ({"users": ("anna 0", "ben")}, r"user_list\.txt: line 3 has no remap_id"),
    ],
)
def test_files_that_do_not_agree_are_named(tmp_path: Path, files: dict[str, tuple[str, ...]], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_tokenrec(write(tmp_path / "Set", **files))


def test_a_malformed_optional_file_is_an_error(raw: Path) -> None:
    def refused(name: str, text: str, problem: str) -> None:
        (raw / name).write_text(text)
        with pytest.raises(DataError, match=problem):
            import_folder("tokenrec", raw, raw.parent / "out")
        (raw / name).unlink()

    refused("item_titles.tsv", "id\ttitle\nA\tx\n", r"no column org_id; the header has id, title")
    refused("item_titles.tsv", "org_id\ttitle\nA\tx\nA\ty\n", "item A has several lines")
    refused("movies.dat", "A::Title (1990)\n", "line 1 is not id::title::genres")
    refused("interactions_with_timestamps.parquet", "no parquet", "not as published")


def test_a_missing_file_is_named_with_its_home(raw: Path) -> None:
    with pytest.raises(DataError, match="takes no --split"):
        read_tokenrec(raw, raw / "split.parquet")
    (raw / "user_list.txt").unlink()
    with pytest.raises(
        DataError, match=r"user_list\.txt is missing\. The data set is published at https://github\.com"
    ):
        read_tokenrec(raw)


def test_an_imported_folder_is_a_valid_data_folder(raw: Path, tmp_path: Path) -> None:
    _write_times(raw)
    folder = import_folder("tokenrec", raw, tmp_path / "out")
    assert find_violations(folder) == []
    assert folder.events.collect()["order"].to_list() == [0, 1, 2, 3, 0, 1, 2]


@pytest.mark.slow
@pytest.mark.skipif(PUBLIC is None, reason="UNICORN_DATA does not name the public data sets")
@pytest.mark.parametrize(
    ("name", "users", "items", "rows", "untitled", "timed"),
    [
        ("Beauty", 22_363, 12_101, 198_502, 15, 198_215),
        ("LastFM", 1_090, 3_646, 52_551, 0, 52_551),
        ("ML1M", 6_040, 3_416, 999_611, 0, 999_611),
    ],
)
def test_the_published_sets(
    tmp_path: Path, name: str, users: int, items: int, rows: int, untitled: int, timed: int
) -> None:
    folder = import_folder("tokenrec", Path(str(PUBLIC)) / "tokenrec" / name, tmp_path / "out")
    assert find_violations(folder) == []
    catalogue, events = folder.items.collect(), folder.events.collect()
    assert (catalogue.height, catalogue["title"].null_count()) == (items, untitled)
    assert (events.height, events["user_id"].n_unique(), events["item_id"].n_unique()) == (rows, users, items)
    assert events["timestamp"].count() == timed
    assert dict(events.group_by("split").len().iter_rows()) == {
        "train": rows - 2 * users,
        "valid": users,
        "test": users,
    }
    falls = events.filter((pl.col("timestamp").diff().dt.total_seconds() < 0).over("user_id"))
    assert falls.height == 0  # the order of the file is one of time, with ties
