from __future__ import annotations

import hashlib
import os
from pathlib import Path

import polars as pl
import pytest

from features.errors import DataError
from features.importers.home_depot import read_home_depot
from features.importers.registry import import_folder
from features.rules import find_violations
from features.tables import open_data

PUBLIC = os.environ.get("UNICORN_DATA")
HEADER = '"id","product_uid","product_title","search_term","relevance"'
ROWS = (
    '2,1001,"Angle Bracket 12""","angle bracket",3',
    '3,1001,"Angle Bracket 12""","l bracket",2.5',
    '9,1004,"Nuts &amp; Bolts, 30å¡","angle bracket",2.67',
    '16,1009,"Lamp","Angle  Bracket",2.33',
    '17,1009,"Desk Lamp","desk lamp",2.67',
    '20,1009,"Desk Lamp","angle bracket",1',
)


def write(folder: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.csv").write_bytes(("\n".join((header, *rows)) + "\n").encode(encoding))
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write(tmp_path / "raw", *ROWS)


def test_a_judgment_is_an_engagement_from_2_67_and_a_zero_below(raw: Path) -> None:
    events = read_home_depot(raw)["events"]
    assert events.drop("split").rows() == [
        ("search", "angle bracket", "1001", 1.0, "2"),
        ("search", "l bracket", "1001", 0.0, "3"),
        ("search", "angle bracket", "1004", 1.0, "2"),
        ("search", "Angle  Bracket", "1009", 0.0, "16"),
        ("search", "desk lamp", "1009", 1.0, "17"),
        ("search", "angle bracket", "1009", 0.0, "2"),
    ]


def test_all_grades_are_kept_as_judgments(raw: Path) -> None:
    judgments = read_home_depot(raw)["judgments"]
    assert judgments["query"].to_list()[:2] == ["angle bracket", "l bracket"]
    assert judgments["item_id"].to_list() == ["1001", "1001", "1004", "1009", "1009", "1009"]
    assert judgments["relevance"].to_list() == pytest.approx([3, 2.5, 2.67, 2.33, 2.67, 1])


def test_the_most_frequent_title_is_taken_and_its_entities_are_decoded(raw: Path) -> None:
    assert read_home_depot(raw)["items"].rows() == [
        ("1001", 'Angle Bracket 12"'),
        ("1004", "Nuts & Bolts, 30å¡"),
        ("1009", "Desk Lamp"),
    ]


def test_of_equally_frequent_titles_the_first_is_taken(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", '1,7,"B","x",3', '2,7,"A","y",3', '3,7,"C","z",3')
    assert read_home_depot(raw)["items"].rows() == [("7", "B")]


def test_what_only_looks_like_an_entity_stays(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", '1,7,"R&D &copper; black &amp;lt; &#39;a&#39; &copper","x",3')
    assert read_home_depot(raw)["items"]["title"].to_list() == ["R&D &copper; black &lt; 'a' &copper"]


def test_the_split_is_a_hash_of_the_term_in_lower_case_with_single_spaces(raw: Path) -> None:
    tables = read_home_depot(raw)
    number = {
        term: int(hashlib.sha256(term.encode()).hexdigest()[:16], 16) % 10
        for term in ("angle bracket", "l bracket", "desk lamp")
    }
    part = {term: {0: "test", 1: "valid"}.get(tenth, "train") for term, tenth in number.items()}
    wanted = [part[" ".join(term.lower().split())] for term in tables["events"]["query"]]
    assert tables["events"]["split"].to_list() == wanted
    assert tables["judgments"]["split"].to_list() == wanted


def test_a_tenth_of_many_terms_is_test_and_another_valid_and_none_is_torn(tmp_path: Path) -> None:
    rows = [
        f'{2 * n + k},{n % 7},"T","{term}",3' for n in range(4_000) for k, term in enumerate((f"t {n}", f" T  {n}"))
    ]
    events = read_home_depot(write(tmp_path / "raw", *rows))["events"]
    shares = dict(events.group_by("split").len().with_columns(pl.col("len") / 8_000).iter_rows())
    assert shares == pytest.approx({"train": 0.8, "valid": 0.1, "test": 0.1}, abs=0.02)
    assert events["split"][::2].to_list() == events["split"][1::2].to_list()


def test_a_latin_1_file_is_read_as_the_same_file_in_utf_8(tmp_path: Path) -> None:
    theirs = read_home_depot(write(tmp_path / "latin", *ROWS, encoding="latin-1"))
    ours = read_home_depot(write(tmp_path / "utf", *ROWS, encoding="utf-8-sig"))
    assert all(theirs[name].equals(ours[name]) for name in ("items", "events", "judgments"))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('3,1001,"A","b",good', 'line 3 has the relevance "good", which is not a number'),
        ('3,1001,"A","b",3.5', r"line 3 has the relevance 3\.5, outside 1 to 3"),
        ('3,1001,"A","b",nan', "line 3 has the relevance nan, outside 1 to 3"),
        ('3,1001,"A"," ",3', "line 3 has no search_term"),
        ('3,,"A","b",3', "line 3 has no product_uid"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, problem: str) -> None:
    with pytest.raises(DataError, match=rf"train\.csv: {problem}"):
        read_home_depot(write(tmp_path / "raw", ROWS[0], row))


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column product_uid, product_title, search_term, relevance; .* id, text"):
        read_home_depot(write(tmp_path / "raw", header="id,text"))
    with pytest.raises(DataError, match="takes no --split"):
        read_home_depot(tmp_path / "raw", tmp_path / "split.parquet")
    (tmp_path / "raw" / "train.csv").unlink()
    with pytest.raises(DataError, match=r"train\.csv is missing\. The data set is published at https://www\.kaggle"):
        read_home_depot(tmp_path / "raw")


def test_an_imported_folder_is_a_valid_data_folder(tmp_path: Path) -> None:
    rows = [f'{n},{n % 9},"Title {n % 9}","term {n}",{1 + n % 3}' for n in range(60)]
    folder = import_folder("home-depot", write(tmp_path / "raw", *rows), tmp_path / "out")
    assert find_violations(folder) == []


@pytest.mark.slow
@pytest.mark.skipif(PUBLIC is None, reason="UNICORN_DATA does not name the public data sets")
def test_the_published_file(tmp_path: Path) -> None:
    import_folder("home-depot", Path(str(PUBLIC)) / "home_depot", tmp_path / "out")
    folder = open_data(tmp_path / "out")
    assert find_violations(folder) == []
    items, events = folder.items.collect(), folder.events.collect()
    assert folder.judgments is not None
    judgments = folder.judgments.collect()
    assert (items.height, events.height, judgments.height) == (46_074, 59_409, 59_409)
    assert items["title"].null_count() == 0
    assert not items["title"].str.contains("&amp;", literal=True).any()
    assert events["query"].n_unique() == events["request_id"].n_unique() == 9_447
    assert (events["label"] == 1).sum() == 12_143 + 9 + 15_300  # grades 2.67, 2.75 and 3
    assert judgments.select("query", "item_id", "split").equals(events.select("query", "item_id", "split"))
    assert events.group_by("query").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 9_447
    shares = dict(events.unique("query").group_by("split").len().iter_rows())
    assert shares["test"] / 9_447 == pytest.approx(0.1, abs=0.01)
    assert shares["valid"] / 9_447 == pytest.approx(0.1, abs=0.01)
    alone = judgments.group_by("query").agg(pl.col("relevance").n_unique()).filter(pl.col("relevance") == 1)
    assert alone.height == 1_453
