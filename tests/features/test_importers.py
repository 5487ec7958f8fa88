from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from features.errors import DataError
from features.importers.lastfm import read_lastfm
from features.importers.movielens import read_movielens
from features.importers.registry import import_folder
from features.rules import find_violations
from features.split import with_split
from features.tables import open_data
from tests.features.table_world import write_folder

PUBLIC = os.environ.get("UNICORN_DATA")
needs_public_data = pytest.mark.skipif(PUBLIC is None, reason="UNICORN_DATA does not name the public data sets")


@pytest.fixture
def lastfm(tmp_path: Path) -> Path:
    raw = tmp_path / "lastfm"
    raw.mkdir()
    (raw / "artists.dat").write_text(
        'id\tname\turl\tpictureURL\n1\tThe "Quotes\thttp://a\thttp://p\n2\tBjörk\thttp://b\t\n', encoding="utf-8"
    )
    (raw / "tags.dat").write_text('tagID\ttagValue\n10\tnone\n11\tfrançais\n12\t"live\n', encoding="latin-1")
    (raw / "user_artists.dat").write_text("userID\tartistID\tweight\n7\t2\t13\n7\t1\t5\n8\t1\t1\n")
    (raw / "user_taggedartists.dat").write_text(
        "userID\tartistID\ttagID\tday\tmonth\tyear\n7\t1\t10\t1\t4\t2009\n7\t9\t11\t1\t1\t1956\n8\t1\t12\t1\t4\t2009\n"
    )
    return raw


def _lastfm_split(path: Path, **changed: list[str | None]) -> Path:
    rows = {
        "user_id": ["8", "7", "7", "7", "7", "8"],
        "item_id": ["1", "9", "1", "2", "1", "1"],
        "query": ['"live', "français", None, None, "none", None],
        "split": ["test", "valid", "train", "train", "train", "test"],
    }
    pl.DataFrame(rows | changed, schema_overrides={"query": pl.String}).write_parquet(path)
    return path


def test_lastfm_listens_are_recommendations_and_tags_searches(lastfm: Path) -> None:
    tables = read_lastfm(lastfm)
    assert tables["items"].rows() == [("1", 'The "Quotes'), ("2", "Björk"), ("9", None)]
    assert tables["events"].drop("split").rows() == [
        ("7", "recommendation", None, "2", 1.0, 13),
        ("7", "recommendation", None, "1", 1.0, 5),
        ("8", "recommendation", None, "1", 1.0, 1),
        ("7", "search", "none", "1", 1.0, None),
        ("7", "search", "français", "9", 1.0, None),
        ("8", "search", '"live', "1", 1.0, None),
    ]


def test_lastfm_takes_a_published_split_in_its_order(lastfm: Path) -> None:
    events = read_lastfm(lastfm, _lastfm_split(lastfm / "split.parquet"))["events"]
    assert events.select("user_id", "item_id", "query", "listens", "split").rows() == [
        ("8", "1", '"live', None, "test"),
        ("7", "9", "français", None, "valid"),
        ("7", "1", None, 5, "train"),
        ("7", "2", None, 13, "train"),
        ("7", "1", "none", None, "train"),
        ("8", "1", None, 1, "test"),
    ]


def test_lastfm_refuses_a_split_of_other_rows_and_names_the_first_difference(lastfm: Path) -> None:
    split = _lastfm_split(lastfm / "split.parquet", query=['"live', "français", None, None, "noise", None])
    with pytest.raises(DataError) as error:
        read_lastfm(lastfm, split)
    assert str(error.value) == (
        f'{split}: 2 rows differ from the raw files, first the tag "noise" of user 7 to artist 1: '
        "1 in the split, 0 in the raw files. Take the split that belongs to them."
    )


def test_lastfm_refuses_a_split_that_doubles_a_row(lastfm: Path) -> None:
    split = _lastfm_split(lastfm / "split.parquet", item_id=["1", "9", "2", "2", "1", "1"])
    with pytest.raises(DataError, match="first a listen of user 7 to artist 1: 0 in the split, 1 in the raw files"):
        read_lastfm(lastfm, split)


def test_lastfm_refuses_a_file_that_is_no_split(lastfm: Path) -> None:
    with pytest.raises(DataError, match="no such split file"):
        read_lastfm(lastfm, lastfm / "nowhere.parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_lastfm(lastfm, lastfm / "tags.dat")
    parts = _lastfm_split(lastfm / "split.parquet", split=["test", "dev", "train", "train", "train", "test"])
    with pytest.raises(DataError, match=r'1 of 6 rows have a split that is not one of .*"dev"'):
        read_lastfm(lastfm, parts)


def test_lastfm_draws_the_same_split_each_time_and_never_tears_a_user_and_artist(lastfm: Path) -> None:
    listens = [f"{user}\t{artist}\t1" for user in (7, 8) for artist in range(20)]
    (lastfm / "user_artists.dat").write_text("userID\tartistID\tweight\n" + "\n".join(listens) + "\n")
    tagged = [f"{user}\t{artist}\t{tag}\t1\t1\t2009" for user in (7, 8) for artist in range(20) for tag in (10, 11)]
    header = "userID\tartistID\ttagID\tday\tmonth\tyear\n"
    (lastfm / "user_taggedartists.dat").write_text(header + "\n".join(tagged) + "\n")
    events = read_lastfm(lastfm)["events"]
    assert read_lastfm(lastfm)["events"].equals(events)
    pairs = events.group_by("user_id", "item_id").agg(pl.col("split").n_unique())
    assert pairs["split"].to_list() == [1] * 40
    listened = events.filter(pl.col("task") == "recommendation").group_by("user_id", "split").len()
    assert sorted(listened.rows()) == [
        ("7", "test", 4),
        ("7", "train", 12),
        ("7", "valid", 4),
        ("8", "test", 4),
        ("8", "train", 12),
        ("8", "valid", 4),
    ]


def test_line_ends_may_be_crlf(lastfm: Path) -> None:
    before = read_lastfm(lastfm)
    for name in ("artists.dat", "tags.dat", "user_artists.dat", "user_taggedartists.dat"):
        file = lastfm / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    after = read_lastfm(lastfm)
    assert all(after[table].equals(before[table]) for table in before)


def test_a_tag_without_text_is_named(lastfm: Path) -> None:
    (lastfm / "tags.dat").write_text("tagID\ttagValue\n10\tnone\n12\tlive\n")
    with pytest.raises(DataError, match=r"1 of 3 rows name tags without text, e\.g\. tagID 11"):
        read_lastfm(lastfm)


def test_a_count_that_is_no_number_is_named_with_its_line(lastfm: Path) -> None:
    (lastfm / "user_artists.dat").write_text("userID\tartistID\tweight\n7\t2\t13\n7\t1\tmany\n")
    with pytest.raises(DataError, match='line 3 has the weight "many"'):
        read_lastfm(lastfm)


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    raw = tmp_path / "movielens"
    raw.mkdir()
    films = [
        "movieId,title,genres",
        "1,Toy Story (1995),Adventure|Animation",
        '2,"American President, The ""Uncut"" (1995)",Drama',
        "3,Babylon 5,(no genres listed)",
        "4,Movie (0007),Comedy",
    ]
    ratings = ["userId,movieId,rating,timestamp", "1,1,4.0,964982703", "1,2,3.5,964981247", "2,1,5.0,964981247"]
    tags = ["userId,movieId,tag,timestamp", "1,3,In Netflix queue,1445714994", '2,2,"funny, ""very""",1445714996']
    for name, lines in (("movies", films), ("ratings", ratings), ("tags", tags)):
        (raw / f"{name}.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode())
    return raw


def test_movielens_ratings_are_recommendations_and_tags_searches(movielens: Path) -> None:
    events = read_movielens(movielens)["events"]
    assert events.rows() == [
        ("1", "recommendation", None, "1", 1.0, datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), 4.0),
        ("1", "recommendation", None, "2", 0.0, datetime(2000, 7, 30, 18, 20, 47, tzinfo=UTC), 3.5),
        ("2", "recommendation", None, "1", 1.0, datetime(2000, 7, 30, 18, 20, 47, tzinfo=UTC), 5.0),
        ("1", "search", "In Netflix queue", "3", 1.0, datetime(2015, 10, 24, 19, 29, 54, tzinfo=UTC), None),
        ("2", "search", 'funny, "very"', "2", 1.0, datetime(2015, 10, 24, 19, 29, 56, tzinfo=UTC), None),
    ]


def test_movielens_genres_are_the_category_and_the_year_the_date(movielens: Path) -> None:
    assert read_movielens(movielens)["items"].rows() == [
        ("1", "Toy Story (1995)", "Adventure > Animation", date(1995, 1, 1)),
        ("2", 'American President, The "Uncut" (1995)', "Drama", date(1995, 1, 1)),
        ("3", "Babylon 5", None, None),
        ("4", "Movie (0007)", "Comedy", None),
    ]


def test_movielens_takes_no_split(movielens: Path) -> None:
    with pytest.raises(DataError, match="takes no --split"):
        read_movielens(movielens, movielens / "split.parquet")


@pytest.mark.parametrize(
    ("name", "file", "home"),
    [
        ("lastfm", "tags.dat", "https://grouplens.org/datasets/hetrec-2011/"),
        ("movielens", "ratings.csv", "https://grouplens.org/datasets/movielens/latest/"),
    ],
)
def test_a_missing_file_is_named_with_its_home(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, file: str, home: str
) -> None:
    raw: Path = request.getfixturevalue(name)
    (raw / file).unlink()
    with pytest.raises(DataError, match=rf"{file} is missing\. The data set is published at {home}"):
        import_folder(name, raw, tmp_path / "out")
    with pytest.raises(DataError, match=rf"no such folder\. Download the data set from {home}"):
        import_folder(name, tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_kind_is_named(movielens: Path, tmp_path: Path) -> None:
    (movielens / "tags.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"tags\.csv: no column userId, movieId, tag, timestamp; the header has a, b"):
        import_folder("movielens", movielens, tmp_path / "out")
    (movielens / "tags.csv").write_bytes(b"userId,movieId,tag,timestamp\n1,1,caf\xe9,5\n")
    with pytest.raises(DataError, match=r"tags\.csv: byte 36 is not utf-8"):
        import_folder("movielens", movielens, tmp_path / "out")
    (movielens / "tags.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"tags\.csv"):
        import_folder("movielens", movielens, tmp_path / "out")


def test_an_unknown_importer_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r'no importer is called "netflix"\. '
        "Choose one of home-depot, kuaisar, lastfm, movielens, online-retail, tokenrec",
    ):
        import_folder("netflix", tmp_path, tmp_path / "out")


def test_an_imported_folder_is_a_valid_data_folder(lastfm: Path, tmp_path: Path) -> None:
    folder = import_folder("lastfm", lastfm, tmp_path / "deep" / "out")
    assert folder.events.collect().height == 6
    assert find_violations(folder) == []
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["out"]


def test_an_out_in_use_is_replaced_when_asked_and_only_if_it_holds_tables(movielens: Path, tmp_path: Path) -> None:
    out = write_folder(tmp_path / "out", users=pl.DataFrame({"user_id": ["u1"]}))
    with pytest.raises(DataError, match=r"out: is in use already\. Choose another --out, or pass --overwrite"):
        import_folder("movielens", movielens, out)
    import_folder("movielens", movielens, out, overwrite=True)
    assert sorted(entry.name for entry in out.iterdir()) == ["events.parquet", "items.parquet"]
    (out / "thesis.docx").write_text("years of work")
    with pytest.raises(DataError, match=r'holds "thesis.docx", which is not of a data folder'):
        import_folder("movielens", movielens, out, overwrite=True)
    assert (out / "thesis.docx").exists()


def test_a_failed_import_leaves_the_folder_that_was_there(movielens: Path, tmp_path: Path) -> None:
    out = import_folder("movielens", movielens, tmp_path / "out").root
    (movielens / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,good,5\n")
    with pytest.raises(DataError, match='line 2 has the rating "good"'):
        import_folder("movielens", movielens, out, overwrite=True)
    assert open_data(out).events.collect().height == 5
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["movielens", "out"]


@needs_public_data
def test_the_published_lastfm_files(tmp_path: Path) -> None:
    raw = Path(str(PUBLIC)) / "lastfm"
    folder = import_folder("lastfm", raw, tmp_path / "out", raw / "hypersar_split.parquet")
    assert find_violations(folder) == []
    items = folder.items.collect()
    assert (items.height, items["title"].null_count()) == (18_022, 390)
    events = folder.events.collect()
    assert sorted(events.group_by("task", "split").len().rows()) == [
        ("recommendation", "test", 18_197),
        ("recommendation", "train", 56_441),
        ("recommendation", "valid", 18_196),
        ("search", "test", 36_551),
        ("search", "train", 113_266),
        ("search", "valid", 36_662),
    ]
    assert (events["user_id"].n_unique(), events["query"].drop_nulls().n_unique()) == (1_892, 9_749)
    assert "none" in events["query"]
    nameless = items.filter(pl.col("title").is_null())["item_id"].implode()
    assert events.filter(pl.col("item_id").is_in(nameless))["task"].value_counts().rows() == [("search", 1_538)]


@needs_public_data
def test_the_published_lastfm_files_without_a_split(tmp_path: Path) -> None:
    events = import_folder("lastfm", Path(str(PUBLIC)) / "lastfm", tmp_path / "out").events.collect()
    shares = dict(events.filter(pl.col("task") == "recommendation").group_by("split").len().iter_rows())
    assert shares["train"] / 92_834 == pytest.approx(0.6, abs=0.02)
    assert shares["valid"] / 92_834 == pytest.approx(0.2, abs=0.01)
    assert shares["test"] / 92_834 == pytest.approx(0.2, abs=0.01)


@needs_public_data
def test_the_published_movielens_files(tmp_path: Path) -> None:
    folder = import_folder("movielens", Path(str(PUBLIC)) / "ml_latest_small", tmp_path / "out")
    assert find_violations(folder) == []
    items = folder.items.collect()
    assert (items.height, items["category"].null_count()) == (9_742, 34)
    assert items["title"].n_unique() == 9_742 - 5
    events = with_split(folder.events).collect()
    assert sorted(events["task"].value_counts().rows()) == [("recommendation", 100_836), ("search", 3_683)]
    assert events["user_id"].n_unique() == 610
    assert events["query"].drop_nulls().n_unique() == 1_589
    assert events["split"].value_counts().sort("split").rows() == [
        ("test", 10_452),
        ("train", 83_615),
        ("valid", 10_452),
    ]
    assert events.filter(pl.col("query") == "In Netflix queue").height == 131
    assert sorted(events["timestamp"].dt.year().unique())[::22] == [1996, 2018]
