from __future__ import annotations

import json
from argparse import ArgumentError
from dataclasses import asdict
from pathlib import Path

import pytest

from features.config import FeatureConfig
from features.errors import DataError
from features.quality_settings import Signal
from serving.settings import from_dict
from training.settings import read_config, show_config

ENTRIES = (
    "stock",
    "rating kind=rating by=n_ratings prior=5",
    "Unit Price kind=price direction=down name=price_position",
)


@pytest.mark.parametrize(
    ("entry", "signal"),
    [
        ("rating", Signal(column="rating")),
        ("Unit Price", Signal(column="Unit Price")),
        ("  stock   kind=count ", Signal(column="stock", kind="count")),
        ("rating kind=rating by=n_ratings", Signal(column="rating", kind="rating", by="n_ratings")),
        ("rating by=N Ratings kind=rating", Signal(column="rating", kind="rating", by="N Ratings")),
        ("born kind=freshness half_life=0.5", Signal(column="born", kind="freshness", half_life=0.5)),
        ("a kind=rate by=b prior=0", Signal(column="a", kind="rate", by="b", prior=0.0)),
        (
            "price kind=price direction=down name=cheap",
            Signal(column="price", kind="price", direction="down", name="cheap"),
        ),
    ],
)
def test_an_entry_is_a_column_and_what_to_make_of_it(entry: str, signal: Signal) -> None:
    assert Signal.parse(entry) == signal


def test_a_component_is_called_as_its_column_unless_it_has_a_name() -> None:
    assert Signal.parse("price kind=price").component == "price"
    assert Signal.parse("price kind=price name=cheap").component == "cheap"


def test_the_priors_of_ratings_and_of_rates_differ() -> None:
    assert Signal.parse("a kind=rating by=b").strength == 3
    assert Signal.parse("a kind=rate by=b").strength == 20
    assert Signal.parse("a kind=rate by=b prior=0").strength == 0


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("a kind=levitation", "kind is 'levitation'. Choose one of number, rating, count, freshness, rate, price."),
        ("a direction=left", "direction is 'left'. Choose one of up, down."),
        ("a knd=rating", "there is no setting 'knd'. Choose one of kind, direction, by, prior, half_life, name."),
        ("a kind=count kind=price", "kind is there twice. Give it once, with a value."),
        ("a kind=", "kind is empty. Give it once, with a value."),
        ("", "it names no column. Begin with a column of items."),
        ("a kind=rating", "kind=rating needs by, the column that it is counted by. Add by=COLUMN."),
        ("a kind=rate", "kind=rate needs by, the column that it is counted by. Add by=COLUMN."),
        ("a by=b", "kind=number takes no by (it is for rating, rate). Leave it out, or change the kind."),
        (
            "a kind=count prior=2",
            "kind=count takes no prior (it is for rating, rate). Leave it out, or change the kind.",
        ),
        (
            "a kind=price half_life=2",
            "kind=price takes no half_life (it is for freshness). Leave it out, or change the kind.",
        ),
        ("a kind=freshness half_life=0", "half_life is 0.0, it must be above 0 and finite. Give it in days."),
        ("a kind=freshness half_life=-3", "half_life is -3.0, it must be above 0 and finite. Give it in days."),
        ("a kind=freshness half_life=nan", "half_life is nan, it must be above 0 and finite. Give it in days."),
        ("a kind=freshness half_life=inf", "half_life is inf, it must be above 0 and finite. Give it in days."),
        ("a kind=freshness half_life=week", "half_life is 'week', it must be a number. Write it as in half_life=30."),
        (
            "a kind=rate by=b prior=-1",
            "prior is -1.0, it must be at least 0 and finite. Give 0 for no shrinkage.",
        ),
        ("a kind=rate by=b prior=inf", "prior is inf, it must be at least 0 and finite. Give 0 for no shrinkage."),
    ],
)
def test_a_wrong_entry_is_one_line_where_it_is_made(entry: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        FeatureConfig(quality=("stock", entry))
    assert str(error.value) == f"features.quality: {entry!r}: {message}"


def test_the_command_line_names_signals_in_brackets() -> None:
    assert read_config([], ["--features.quality=[rating]"]).features.quality == ("rating",)
    assert read_config([], ["--features.quality=[]"]).features.quality == ()
    assert read_config([], [f"--features.quality=[{', '.join(ENTRIES)}]"]).features.quality == ENTRIES


def test_files_name_signals_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("features:\n  quality:\n" + "".join(f"  - {entry}\n" for entry in ENTRIES))
    found = read_config([file], [])
    assert found.features.quality == ENTRIES
    file.write_text(show_config(found))
    assert read_config([file], []) == found


def test_signals_come_back_from_json() -> None:
    config = FeatureConfig(quality=ENTRIES)
    assert from_dict(FeatureConfig, json.loads(json.dumps(asdict(config))), "here") == config


@pytest.mark.parametrize("entry", ["a kind=levitation", "a knd=count", "a kind=freshness half_life=0", "a kind=rate"])
def test_a_wrong_entry_is_wrong_usage_on_the_command_line_and_named_in_a_file(tmp_path: Path, entry: str) -> None:
    place = f"features.quality: '{entry}': "
    with pytest.raises(ArgumentError, match=place):
        read_config([], [f"--features.quality=[{entry}]"])
    file = tmp_path / "settings.yaml"
    file.write_text(f"features:\n  quality:\n  - {entry}\n")
    with pytest.raises(DataError, match=rf"settings\.yaml: not settings of a fit \({place}") as error:
        read_config([file], [])
    assert "\n" not in str(error.value)
