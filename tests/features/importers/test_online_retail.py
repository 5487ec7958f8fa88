from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.errors import DataError
from features.importers.online_retail import read_online_retail
from features.importers.registry import import_folder
from features.rules import find_violations
from features.split import with_split
from features.tables import open_data

PUBLIC = os.environ.get("UNICORN_DATA")
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
UK, EIRE = "United Kingdom", "EIRE"
LINES = (
    ("1001", "20A", "RED MUG ", 2, datetime(2010, 3, 1, 9, 59), 1.5, 501.0, UK),
    ("1001", "20A", "RED  MUG", 3, datetime(2010, 3, 1, 10, 0), 2.5, 501.0, UK),
    ("1001", "30", "LAMP", 1, datetime(2010, 3, 1, 10, 0), 8.0, 501.0, UK),
    ("1002", "POST", "POSTAGE", 1, datetime(2010, 3, 2, 8, 0), 18.0, 502.0, EIRE),
    ("1002", "20A", "MUG, RED", 12, datetime(2010, 3, 2, 8, 0), 0.0, 502.0, EIRE),
    ("C1003", "20A", "RED MUG", -2, datetime(2010, 3, 2, 9, 0), 1.5, 501.0, UK),
    ("1004", "30", "damaged", -5, datetime(2010, 3, 3, 9, 0), 0.0, 501.0, UK),
    ("1005", "30", None, 4, datetime(2010, 3, 4, 9, 0), 9.0, None, UK),
    ("1006", "30", "LAMP", 1, datetime(2010, 3, 5, 9, 0), 6.0, 502.0, "Channel Islands"),
)
UTC_TIMES = (
    datetime(2010, 3, 1, 9, 59, tzinfo=UTC),
    datetime(2010, 3, 2, 8, 0, tzinfo=UTC),
    datetime(2010, 3, 5, 9, 0, tzinfo=UTC),
)


def lines(*rows: tuple[Any, ...]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=list(COLUMNS), orient="row", infer_schema_length=None)
    return frame.with_columns(pl.col("CustomerID").cast(pl.Float64), pl.col("Description", "Country").cast(pl.String))


def write(folder: Path, frame: pl.DataFrame | None = None, name: str = "lines.parquet") -> Path:
    folder.mkdir(exist_ok=True)
    frame = lines(*LINES) if frame is None else frame
    if name.lower().endswith(".csv"):
        frame.write_csv(folder / name)
    else:
        frame.write_parquet(folder / name)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write(tmp_path / "raw")


def same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> bool:
    return all(one[name].equals(other[name]) for name in ("items", "users", "events"))


def bought(raw: Path) -> list[tuple[Any, ...]]:
    return read_online_retail(raw)["events"].select("request_id", "item_id").rows()


def test_an_item_of_an_invoice_is_one_row_at_the_earliest_time_of_the_invoice(raw: Path) -> None:
    events = read_online_retail(raw)["events"]
    names = ("request_id", "user_id", "task", "item_id", "label", "country", "timestamp", "quantity")
    assert sorted(events.columns) == sorted(names)
    assert events.select(names).rows() == [
        ("1001", "501", "recommendation", "20A", 1.0, "GB", UTC_TIMES[0], 2 + 3),
        ("1001", "501", "recommendation", "30", 1.0, "GB", UTC_TIMES[0], 1),
        ("1002", "502", "recommendation", "20A", 1.0, "IE", UTC_TIMES[1], 12),
        ("1006", "502", "recommendation", "30", 1.0, None, UTC_TIMES[2], 1),
    ]


def test_a_line_that_is_left_out_still_tells_the_time_of_its_invoice(tmp_path: Path) -> None:
    early, late = datetime(2010, 3, 1, 9, 59), datetime(2010, 3, 1, 10, 0)
    rows = [("1", "30", "LAMP", 1, late, 6.0, 7.0, UK), ("1", "POST", "POSTAGE", 1, early, 6.0, 7.0, UK)]
    events = read_online_retail(write(tmp_path / "raw", lines(*rows)))["events"]
    assert events["timestamp"].to_list() == [early.replace(tzinfo=UTC)]


@pytest.mark.parametrize(
    "changed",
    [
        {"InvoiceNo": "C1"},
        {"InvoiceNo": "c1"},
        {"Quantity": 0},
        {"Quantity": -1},
        {"CustomerID": None},
        {"CustomerID": float("nan")},
        *(
            {"StockCode": code}
            for code in ("POST", "DOT", "C2", "M", "D", "BANK CHARGES", "ADJUST", "ADJUST2", "TEST001", "TEST002", "m")
        ),
    ],
)
def test_what_is_no_purchase_of_a_product_by_a_known_customer_is_left_out(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    good = ("1", "30", "LAMP", 1, datetime(2010, 3, 1), 6.0, 7.0, UK)
    bad = tuple((dict(zip(COLUMNS, ("2", *good[1:]), strict=True)) | changed).values())
    assert bought(write(tmp_path / "raw", lines(good, bad))) == [("1", "30")]
    items = read_online_retail(tmp_path / "raw")["items"]
    assert items["item_id"].to_list() == ["30"]


def test_a_product_whose_code_only_looks_like_one_of_no_product_stays(tmp_path: Path) -> None:
    rows = [(str(n), code, "X", 1, datetime(2010, 3, 1), 6.0, 7.0, UK) for n, code in enumerate(("PADS", "M1", "DOTS"))]
    assert [item for _, item in bought(write(tmp_path / "raw", lines(*rows)))] == ["PADS", "M1", "DOTS"]


def test_items_have_the_most_frequent_clean_title_and_the_median_price_above_0(raw: Path) -> None:
    items = read_online_retail(raw)["items"]
    assert items.columns == ["item_id", "title", "price"]
    assert items.rows() == [("20A", "RED MUG", (1.5 + 2.5) / 2), ("30", "LAMP", (8.0 + 6.0) / 2)]


def test_descriptions_are_counted_clean_and_a_dear_sale_does_not_move_the_price(tmp_path: Path) -> None:
    said = (("MUG, RED", 1.0), (" RED MUG", 2.0), ("RED \t MUG", 90.0))
    rows = [(str(n), "30", text, 1, datetime(2010, 3, 1), price, 7.0, UK) for n, (text, price) in enumerate(said)]
    assert read_online_retail(write(tmp_path / "raw", lines(*rows)))["items"].rows() == [("30", "RED MUG", 2.0)]


def test_an_item_that_was_only_given_away_has_no_price_and_one_without_a_description_no_title(tmp_path: Path) -> None:
    rows = [("1", "30", text, 1, datetime(2010, 3, 1, 0, n), 0.0, 7.0, UK) for n, text in enumerate((None, "  "))]
    assert read_online_retail(write(tmp_path / "raw", lines(*rows)))["items"].rows() == [("30", None, None)]


def test_a_price_that_is_no_number_does_not_count(tmp_path: Path) -> None:
    prices = (float("nan"), float("inf"), -3.0, 4.0)
    rows = [("1", "30", "X", n, datetime(2010, 3, 1), price, 7.0, UK) for n, price in enumerate(prices, start=1)]
    assert read_online_retail(write(tmp_path / "raw", lines(*rows)))["items"]["price"].to_list() == [4.0]


def test_the_order_of_the_items_says_nothing_of_first_sales(raw: Path) -> None:
    before = read_online_retail(raw)["items"]
    write(raw, lines(*reversed(LINES)))
    assert read_online_retail(raw)["items"]["item_id"].to_list() == before["item_id"].to_list() == ["20A", "30"]


def test_a_user_has_the_country_of_most_invoices(tmp_path: Path) -> None:
    def invoice(number: int, user: int, country: str, items: int = 1) -> list[tuple[Any, ...]]:
        when = datetime(2010, 3, number)
        return [(str(number), str(item), "X", 1, when, 6.0, user, country) for item in range(items)]

    rows = [
        *invoice(1, 7, "France", items=5),
        *invoice(2, 7, "Germany"),
        *invoice(3, 7, "Germany"),
        *invoice(4, 8, "USA"),
        *invoice(5, 8, "RSA"),
        *invoice(6, 9, "Unspecified"),
        *invoice(7, 9, "West Indies"),
        *invoice(8, 9, "Korea"),
        *invoice(9, 10, "European Community"),
    ]
    users = read_online_retail(write(tmp_path / "raw", lines(*rows)))["users"]
    assert users.rows() == [("7", "DE"), ("8", "US"), ("9", "KR"), ("10", None)]


def test_a_name_that_is_no_known_country_is_null_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [(str(n), "30", "X", 1, datetime(2010, 3, 1), 6.0, 7.0, name) for n, name in enumerate((" EIRE ", UK, None))]
    write(tmp_path / "raw", lines(*rows, *LINES))
    assert read_online_retail(tmp_path / "raw")["events"]["country"].to_list()[:3] == ["IE", "GB", None]
    assert caplog.messages == []
    write(tmp_path / "raw", lines(*rows, ("9", "30", "X", 1, datetime(2010, 3, 1), 6.0, 7.0, "Atlantis")))
    assert read_online_retail(tmp_path / "raw")["events"]["country"].to_list() == ["IE", "GB", None, None]
    assert caplog.messages == ['1 of 4 lines name a country without a known code, e.g. "Atlantis"']


WORKBOOK = {"InvoiceNo": "Invoice", "UnitPrice": "Price", "CustomerID": "Customer ID"}


@pytest.mark.parametrize("name", ["lines.parquet", "lines.csv"])
@pytest.mark.parametrize("spelling", [{}, WORKBOOK, {"UnitPrice": "Price"}])
def test_either_spelling_in_either_kind_of_file_says_the_same(
    tmp_path: Path, raw: Path, name: str, spelling: dict[str, str]
) -> None:
    other = write(tmp_path / "other", lines(*LINES).rename(spelling), name)
    assert same(read_online_retail(other), read_online_retail(raw))


@pytest.mark.parametrize(
    "notation", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.6f", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]
)
def test_times_of_a_csv_file_are_read_in_the_notation_that_fits_all(tmp_path: Path, raw: Path, notation: str) -> None:
    late = ("1007", "30", "LAMP", 1, datetime(2010, 3, 25, 23, 5), 6.0, 502.0, UK)
    frame = lines(*LINES, late)
    text = frame.with_columns(pl.col("InvoiceDate").dt.to_string(notation))
    other = write(tmp_path / "other", text, "lines.csv")
    assert same(read_online_retail(other), read_online_retail(write(raw, frame)))


def test_day_and_month_are_never_guessed(tmp_path: Path) -> None:
    text = lines(*LINES).with_columns(pl.col("InvoiceDate").dt.to_string("%d/%m/%Y %H:%M"))
    with pytest.raises(DataError) as error:
        read_online_retail(write(tmp_path / "raw", text, "lines.csv"))
    assert str(error.value) == (
        f"{tmp_path / 'raw' / 'lines.csv'}: the InvoiceDate may have the day or the month first, "
        'e.g. "01/03/2010 09:59". Write them as 2009-12-01 07:45:00.'
    )


def test_two_sheets_that_overlap_are_one_set(tmp_path: Path, raw: Path) -> None:
    write(tmp_path / "sheets", lines(*LINES[:6]), "Year 2009-2010.csv")
    write(tmp_path / "sheets", lines(*LINES[3:]), "year 2010-2011.CSV")
    (tmp_path / "sheets" / "readme.txt").write_text("no table")
    assert same(read_online_retail(tmp_path / "sheets"), read_online_retail(raw))


def test_ids_are_text_without_a_fraction_whatever_their_type(tmp_path: Path, raw: Path) -> None:
    plain = [line for line in LINES if not line[0].startswith("C")]
    before = read_online_retail(write(raw, lines(*plain)))
    typed = lines(*plain).with_columns(pl.col("InvoiceNo").cast(pl.Int64), pl.col("CustomerID").cast(pl.Int32))
    assert same(read_online_retail(write(raw, typed)), before)
    texts = lines(*plain).with_columns(pl.col("InvoiceNo").cast(pl.Float64), pl.col("CustomerID").cast(pl.String))
    assert same(read_online_retail(write(raw, texts)), before)


@pytest.mark.parametrize("name", ["lines.parquet", "lines.csv"])
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    raw = write(tmp_path / "raw", lines(*LINES).drop("InvoiceNo", "Country"), name)
    with pytest.raises(DataError) as error:
        read_online_retail(raw)
    assert str(error.value) == (
        f"{raw / name}: no column InvoiceNo or Invoice, Country; the file has StockCode, Description, Quantity, "
        "InvoiceDate, UnitPrice, CustomerID."
    )


@pytest.mark.parametrize(
    ("column", "dtype", "problem"),
    [
        ("Quantity", pl.Float64, 'the column "Quantity" is Float64, wanted is an integer'),
        ("InvoiceDate", pl.String, 'the column "InvoiceDate" is String, wanted is Date or Datetime'),
        ("UnitPrice", pl.String, 'the column "UnitPrice" is String, wanted is a number'),
        ("StockCode", pl.Binary, 'the column "StockCode" is Binary, wanted is String or a number'),
    ],
)
def test_a_column_of_a_wrong_type_is_named(raw: Path, column: str, dtype: type[pl.DataType], problem: str) -> None:
    write(raw, lines(*LINES).with_columns(pl.col(column).cast(dtype)))
    with pytest.raises(DataError) as error:
        read_online_retail(raw)
    assert str(error.value) == f"{raw / 'lines.parquet'}: {problem}. Cast it."


@pytest.mark.parametrize("column", ["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice"])
def test_a_row_that_lacks_what_every_row_has_is_named(raw: Path, column: str) -> None:
    fifth = pl.int_range(pl.len()) == 4
    write(raw, lines(*LINES).with_columns(pl.when(~fifth).then(pl.col(column)).alias(column)))
    with pytest.raises(DataError, match=rf"lines\.parquet: 1 of 9 rows have no {column}, first row 5\. Take the file"):
        read_online_retail(raw)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("Quantity", "many", 'line 3 has the Quantity "many", which is not a number'),
        ("UnitPrice", "2,50", 'line 3 has the UnitPrice "2,50", which is not a number'),
        ("InvoiceDate", "yesterday", 'line 3 has the InvoiceDate "yesterday", which is not a time like the others'),
        ("Quantity", None, 'line 3 has the Quantity "None", which is not a number'),
        ("InvoiceDate", None, "1 of 9 rows have no InvoiceDate, first row 2"),
        ("StockCode", None, "1 of 9 rows have no StockCode, first row 2"),
        ("InvoiceNo", "", "1 of 9 rows have no InvoiceNo, first row 2"),
    ],
)
def test_a_bad_value_of_a_csv_file_is_named_with_its_line(
    tmp_path: Path, column: str, value: str | None, problem: str
) -> None:
    second = pl.int_range(pl.len()) == 1
    text = pl.when(second).then(pl.lit(value)).otherwise(pl.col(column).cast(pl.String)).alias(column)
    frame = lines(*LINES).with_columns(pl.col("InvoiceDate").dt.to_string("%Y-%m-%d %H:%M")).with_columns(text)
    with pytest.raises(DataError, match=rf"lines\.csv: {problem}"):
        read_online_retail(write(tmp_path / "raw", frame, "lines.csv"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, raw: Path) -> None:
    (raw / "lines.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"lines\.parquet: cannot be read as Parquet \("):
        read_online_retail(raw)
    (raw / "lines.parquet").rename(raw / "lines.csv")
    (raw / "lines.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"lines\.csv: not a delimited table \("):
        read_online_retail(raw)
    (raw / "lines.csv").write_bytes(",".join(COLUMNS).encode() + b"\n1,2,\xa330 VOUCHER,1,2010-03-01 09:00,30,7,USA\n")
    with pytest.raises(DataError, match=r"lines\.csv: byte 86 is not utf-8"):
        read_online_retail(raw)


def test_a_folder_without_a_table_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with pytest.raises(DataError, match=rf"{raw}: no such folder\. Download the data set from https://archive\.ics"):
        read_online_retail(raw)
    raw.mkdir()
    with pytest.raises(DataError, match=rf"{raw}: there is no \.parquet and no \.csv file\. .* https://archive\.ics"):
        read_online_retail(raw)
    (raw / "online_retail_II.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"online_retail_II\.xlsx: workbooks are not read\. Save each of its sheets as"):
        read_online_retail(raw)
    with pytest.raises(DataError, match="takes no --split"):
        read_online_retail(raw, raw / "split.parquet")


def test_an_imported_folder_is_a_valid_data_folder_and_no_invoice_is_torn(tmp_path: Path) -> None:
    rows = [
        (str(n // 4), f"{n % 13}", f"ITEM {n % 13}", 1, datetime(2010, 1, 1 + n // 40, 9, n % 4), 2.0, 600 + n % 3, UK)
        for n in range(400)
    ]
    folder = import_folder("online-retail", write(tmp_path / "raw", lines(*rows)), tmp_path / "out")
    assert find_violations(folder) == []
    events = with_split(folder.events).collect()
    assert set(events["split"]) == {"train", "valid", "test"}
    assert events.group_by("request_id").agg(pl.col("split", "timestamp").n_unique())["split"].to_list() == [1] * 100


@pytest.mark.slow
@pytest.mark.skipif(PUBLIC is None, reason="UNICORN_DATA does not name the public data sets")
def test_the_published_file(tmp_path: Path) -> None:
    import_folder("online-retail", Path(str(PUBLIC)) / "online_retail", tmp_path / "out")
    folder = open_data(tmp_path / "out")
    assert find_violations(folder) == []
    assert folder.users is not None
    items, users, events = folder.items.collect(), folder.users.collect(), folder.events.collect()
    # 779,494 lines of 5,881 customers and 4,631 codes are purchases; 2,837 of them are of the 10 codes that are no
    # products, and 28 customers have no others. 10,507 of the rest repeat an item of their invoice.
    assert events.height == 779_494 - 2_837 - 10_507
    assert (users.height, items.height) == (5_881 - 28, 4_631 - 10)
    assert events["user_id"].n_unique() == users.height
    assert events["item_id"].n_unique() == items.height
    assert events["request_id"].n_unique() == 36_597
    assert events.select("request_id", "item_id").is_unique().all()
    assert events["country"].drop_nulls().n_unique() == 41 - 4  # four names have no code
    assert events["country"].null_count() == 1_544 + 516 + 57 + 49
    assert (events["country"] == "GB").sum() == 689_299
    assert users["country"].null_count() == 21
    assert "13085" in users["user_id"]
    assert items.filter(pl.col("item_id") == "85123A")["title"].item() == "WHITE HANGING HEART T-LIGHT HOLDER"
    assert items["title"].null_count() == items["price"].null_count() == 0
    assert items["price"].min() > 0  # type: ignore[operator]
    assert items["created_at"].null_count() == items.height
    torn = events.group_by("request_id").agg(pl.col("timestamp", "user_id", "country").n_unique())
    assert torn.select(pl.col("timestamp", "user_id", "country").max()).row(0) == (1, 1, 1)
    assert (events["timestamp"].min(), events["timestamp"].max()) == (
        datetime(2009, 12, 1, 7, 45, tzinfo=UTC),
        datetime(2011, 12, 9, 12, 50, tzinfo=UTC),
    )
