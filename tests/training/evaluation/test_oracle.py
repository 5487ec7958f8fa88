"""The oracle of a simulated world, judged beside the rankers and listed apart from them."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from features.errors import DataError
from features.tables import data_hash, open_data
from tests.training.evaluation.small_world import catalogue, events, judged, serving
from training.evaluation.judge import judge
from training.evaluation.judged import Judged
from training.evaluation.oracle import read_oracle
from training.evaluation.protocol import Contender, Protocol
from training.evaluation.table import print_evaluation

PROTOCOL = Protocol(k=(1, 2, 10, 20), resamples=200, hidden=0)


def write_oracle(data: Path, **lists: str) -> Path:
    """Write a truth whose list for each request is the letters of ``lists``, in two parts."""
    folder = data / "truth" / "oracle"
    folder.mkdir(parents=True)
    rows = [
        (request, rank, item, 1 / rank) for request, names in lists.items() for rank, item in enumerate(names, start=1)
    ]
    columns = {"request_id": pl.String, "rank": pl.UInt16, "item_id": pl.String, "score": pl.Float32}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    half = len(frame) // 2  # a part may end in the middle of a list
    frame[half:].write_parquet(folder / "part-1.parquet")
    frame[:half].write_parquet(folder / "part-0.parquet")
    return data


def rows(*given: dict[str, Any]) -> pl.DataFrame:
    return events({"item_id": "z", "split": "train"}, *given)


# Lists


def test_what_may_not_be_served_is_passed_over_and_ranks_close_up(tmp_path: Path) -> None:
    items = catalogue(*"abcdefz", countries=[None, None, ["KR"], None, None, None, None])
    page = {"request_id": "page", "task": "similar", "user_id": "u", "source_item_id": "b", "country": "DE"}
    found = judged(
        items,
        rows({"item_id": "a", "user_id": "u", "split": "train"}, page | {"item_id": "d"}, page | {"item_id": "e"}),
        PROTOCOL,
    )
    oracle = read_oracle(write_oracle(tmp_path, page="abcdfe"), found, PROTOCOL)
    assert oracle is not None
    assert list(oracle.target_rank) == [1, 3]  # a was seen, b is the source, c is not shown in DE: d, f, e


def test_search_keeps_what_was_seen(tmp_path: Path) -> None:
    given = [{"item_id": "b", "user_id": "u", "request_id": task, "task": task} for task in ("search", "presearch")]
    table = rows({"item_id": "a", "user_id": "u", "split": "train"}, *given)
    oracle = read_oracle(
        write_oracle(tmp_path, search="ab", presearch="ab"), judged(catalogue(*"abz"), table), PROTOCOL
    )
    assert oracle is not None
    assert list(oracle.target_rank) == [2, 1]


def test_requests_of_one_context_have_lists_of_their_own(tmp_path: Path) -> None:
    """A ranker answers both of a user's visits alike; the truth has moved on between them."""
    visits = [{"item_id": item, "user_id": "u", "request_id": f"visit-{item}"} for item in "ab"]
    found = judged(catalogue(*"abz"), rows(*visits), PROTOCOL)
    assert len(found.contexts) == 1
    oracle = read_oracle(write_oracle(tmp_path, **{"visit-a": "ab", "visit-b": "ba"}), found, PROTOCOL)
    assert oracle is not None
    assert list(oracle.target_rank) == [1, 1]
    assert oracle.exposure.spread["recommendation"]["gini_at_1"] == {"value": 1 / 3}  # a and b once each, z never
    assert list(oracle.tied) == [False, False]


def test_lists_are_cut_at_the_depth_of_the_protocol_after_the_filters(tmp_path: Path) -> None:
    page = {"request_id": "page", "user_id": "u"}
    table = rows({"item_id": "a", "user_id": "u", "split": "train"}, page | {"item_id": "c"}, page | {"item_id": "d"})
    protocol = Protocol(k=(1, 2))
    found = judged(catalogue(*"abcdz"), table, protocol)
    oracle = read_oracle(write_oracle(tmp_path, page="abcd"), found, protocol)
    assert oracle is not None
    assert list(oracle.target_rank) == [2, 0]


def test_rows_of_other_requests_are_no_concern(tmp_path: Path) -> None:
    found = judged(catalogue(*"az"), rows({"item_id": "a", "request_id": "r"}), PROTOCOL)
    oracle = read_oracle(write_oracle(tmp_path, r="a", valid="?!"), found, PROTOCOL)
    assert oracle is not None
    assert list(oracle.target_rank) == [1]


# What is left out


def pages() -> Judged:
    given = [{"item_id": "a", "request_id": name, "task": task} for name, task in (("r", "search"), ("s", "similar"))]
    empty = {"item_id": "a", "request_id": "t", "label": 0.0}  # without a target, it needs no list
    return judged(catalogue(*"abz"), rows(*given, empty, {"item_id": "b", "task": "similar", "request_id": "s"}))


def test_without_truth_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_oracle(tmp_path, pages(), PROTOCOL) is None
    assert caplog.records == []


def test_one_that_does_not_rank_every_request_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_oracle(write_oracle(tmp_path, r="a", elsewhere="ab"), pages(), PROTOCOL) is None
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"{tmp_path / 'truth' / 'oracle'}: left out of the evaluation, because it has no list for 1 of the 2 judged "
        "requests that have a target (similar 1)"
    )


def test_a_request_without_an_id_has_no_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = judged(catalogue(*"az"), rows({"item_id": "a"}, {"item_id": "a", "request_id": "r"}))
    assert read_oracle(write_oracle(tmp_path, r="a"), found, PROTOCOL) is None
    assert "no list for 1 of the 2 judged requests that have a target (recommendation 1)" in caplog.text


def test_an_empty_folder_ranks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "truth" / "oracle").mkdir(parents=True)
    assert read_oracle(tmp_path, pages(), PROTOCOL) is None
    assert "no list for 2 of the 2" in caplog.text


def test_one_that_names_unknown_items_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_oracle(write_oracle(tmp_path, r="a?", s="!ab"), pages(), PROTOCOL) is None
    (record,) = caplog.records
    assert "2 of its 5 rows for the judged requests name items that are not in items, e.g. '" in record.getMessage()


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    folder = write_oracle(tmp_path, r="a", s="b") / "truth" / "oracle"
    part = folder / "part-1.parquet"
    pl.read_parquet(part).drop("rank").write_parquet(part)
    with pytest.raises(DataError, match=r'part-1\.parquet: the column "rank" is missing'):
        read_oracle(tmp_path, pages(), PROTOCOL)
    part.write_text("no Parquet")
    with pytest.raises(DataError, match=r"part-1\.parquet: cannot be read as Parquet"):
        read_oracle(tmp_path, pages(), PROTOCOL)


# Figures

FOUR = [{"item_id": item, "user_id": f"u{item}", "request_id": f"r{item}"} for item in "abcd"]
WORLD = judged(catalogue(*"abcdefz"), rows(*FOUR), PROTOCOL)
"""Four users who want a, b, c and d."""


def contender(name: str, **lists: str) -> Contender:
    return Contender(name, serving(lambda request: lists[request["user_id"]]))


UNICORN = contender("unicorn", ua="a", ub="fb", uc="c", ud="e")
LOW = contender("low", ua="e", ub="eb", uc="e", ud="e")
HIGH = contender("high", ua="fa", ub="e", uc="ec", ud="efd")
ORACLE = {"ra": "a", "rb": "b", "rc": "c", "rd": "ed"}


@pytest.fixture
def evaluation(tmp_path: Path) -> dict[str, Any]:
    oracle = read_oracle(write_oracle(tmp_path, **ORACLE), WORLD, PROTOCOL)
    return judge([UNICORN, LOW, HIGH], WORLD, PROTOCOL, oracle=oracle)


def test_the_oracle_is_a_node_like_a_rankers(evaluation: dict[str, Any]) -> None:
    node = evaluation["oracle"]["tasks"]["recommendation"]
    assert set(node) == set(evaluation["rankers"]["unicorn"]["tasks"]["recommendation"])
    assert node["metrics"]["recall_at_1"]["value"] == 3 / 4
    assert node["metrics"]["mrr"]["value"] == (1 + 1 + 1 + 1 / 2) / 4
    assert node["metrics"]["coverage_at_1"]["value"] == 4 / 7
    assert node["slices"]["item:cold"]["metrics"]["hit_at_1"]["value"] == 3 / 4


def test_shares_are_of_the_distance_from_the_best_baseline(evaluation: dict[str, Any]) -> None:
    covered = evaluation["oracle"]["covered"]["recommendation"]
    gain = {1: 1.0, 2: 1 / math.log2(3), 3: 1 / math.log2(4)}  # by rank
    high = (gain[2] + 0 + gain[2] + gain[3]) / 4
    ours = (gain[1] + gain[2] + gain[1] + 0) / 4
    oracle = (gain[1] + gain[1] + gain[1] + gain[2]) / 4
    found = covered["ndcg_at_10"]
    assert (found["best"], found["value"]) == ("high", pytest.approx((ours - high) / (oracle - high)))
    assert found["low"] <= found["value"] <= found["high"]
    assert covered["recall_at_1"]["value"] == (2 / 4 - 0) / (3 / 4 - 0)
    assert covered["recall_at_2"]["value"] == (3 / 4 - 2 / 4) / (4 / 4 - 2 / 4)
    mrr = (1 / 2 + 0 + 1 / 2 + 1 / 3) / 4, (1 + 1 / 2 + 1 + 0) / 4, (1 + 1 + 1 + 1 / 2) / 4
    assert covered["mrr"]["value"] == pytest.approx((mrr[1] - mrr[0]) / (mrr[2] - mrr[0]))
    assert set(covered) == {"mrr", *(f"{kind}_at_{k}" for kind in ("recall", "ndcg") for k in (1, 2, 10, 20))}


def test_of_equal_baselines_the_first_is_the_best(evaluation: dict[str, Any]) -> None:
    assert evaluation["oracle"]["covered"]["recommendation"]["recall_at_1"]["best"] == "low"


def test_everything_else_is_as_without_the_oracle(evaluation: dict[str, Any]) -> None:
    plain = judge([UNICORN, LOW, HIGH], WORLD, PROTOCOL)
    assert "oracle" not in plain
    assert {name: entry for name, entry in evaluation.items() if name != "oracle"} == plain
    assert set(evaluation["rankers"]) == {"unicorn", "low", "high"}


def test_a_ranker_that_is_the_oracle_covers_all_of_it_in_every_resample(tmp_path: Path) -> None:
    oracle = read_oracle(write_oracle(tmp_path, **ORACLE), WORLD, PROTOCOL)
    same = contender("unicorn", ua="a", ub="b", uc="c", ud="ed")
    found = judge([same, LOW], WORLD, PROTOCOL, oracle=oracle)["oracle"]["covered"]["recommendation"]
    assert found["mrr"] == {"best": "low", "value": 1.0, "low": 1.0, "high": 1.0}


def test_where_the_best_baseline_is_as_good_as_the_oracle_there_is_no_share(tmp_path: Path) -> None:
    oracle = read_oracle(write_oracle(tmp_path, **ORACLE), WORLD, PROTOCOL)
    better = contender("high", ua="a", ub="b", uc="c", ud="ed")
    assert judge([UNICORN, better], WORLD, PROTOCOL, oracle=oracle)["oracle"]["covered"] == {"recommendation": {}}


def test_without_baselines_there_is_no_share(tmp_path: Path) -> None:
    oracle = read_oracle(write_oracle(tmp_path, **ORACLE), WORLD, PROTOCOL)
    found = judge([UNICORN], WORLD, PROTOCOL, oracle=oracle)["oracle"]
    assert found["covered"] == {"recommendation": {}}
    assert found["tasks"]["recommendation"]["requests"] == 4


def test_a_task_whose_targets_were_all_seen_has_no_figures(tmp_path: Path) -> None:
    table = rows(
        {"item_id": "a", "user_id": "u", "split": "train"},
        {"item_id": "a", "user_id": "u", "request_id": "r"},
        {"item_id": "a", "user_id": "u", "request_id": "s", "task": "search"},
    )
    found = judged(catalogue(*"abz"), table, PROTOCOL)
    oracle = read_oracle(write_oracle(tmp_path, s="a"), found, PROTOCOL)
    evaluation = judge([contender("unicorn", u="b"), contender("low", u="z")], found, PROTOCOL, oracle=oracle)
    assert evaluation["oracle"]["tasks"]["recommendation"]["metrics"] == {}
    assert evaluation["oracle"]["covered"]["recommendation"] == {}
    assert evaluation["oracle"]["covered"]["search"]["mrr"]["value"] == 0.0


def test_the_tables_show_it_last_and_the_shares_below(evaluation: dict[str, Any]) -> None:
    text = io.StringIO()
    print_evaluation(evaluation, Console(file=text, width=140))
    lines = text.getvalue().splitlines()
    names = (*evaluation["rankers"], "oracle (truth)")
    rankers = [name for line in lines for name in names if line.strip().startswith(name)]
    assert rankers[0] == "unicorn"
    assert rankers[len(evaluation["rankers"])] == "oracle (truth)"
    at = next(n for n, line in enumerate(lines) if "share of the distance from the best baseline" in line)
    below = "\n".join(lines[at:])
    assert "ndcg_at_10" in below
    assert "recall_at_20" in below
    assert "high" in below


def test_the_truth_is_no_table(tmp_path: Path) -> None:
    catalogue("a").write_parquet(tmp_path / "items.parquet")
    rows({"item_id": "a"}).write_parquet(tmp_path / "events.parquet")
    before = data_hash(open_data(tmp_path))
    assert data_hash(open_data(write_oracle(tmp_path, r="a"))) == before
