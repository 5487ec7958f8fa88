"""What holds of every block, and of all else that is fitted on events: a new block is in here by being registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.blocks.registry import BLOCKS
from features.history import History
from features.statistics import load_statistics, save_statistics
from tests.features.blocks.contract_world import (
    KINDS,
    PARTS,
    ROWS,
    SCORES,
    SHARED,
    Fit,
    asked,
    before,
    catalogue,
    fitted_on,
    kept_rows,
    knowing_all,
    learns,
    numbers,
    only,
    other_rows,
    part,
    says,
    shuffled,
    trained,
    with_rows,
    without_the_others,
    world,
)
from tests.features.feature_world import ABOUT_ORDER, assert_same, columns, file_of, told

READ_TEXT = {"lexical", "text", "words", "similar_queries", "groups"}
"""Blocks to which a new query of known words is no stranger."""
READ_NO_REQUEST = {"popularity", "shown", "dynamics"}
"""Blocks that speak of the candidates of a request that says nothing."""
READ_NO_EVENT = {"lexical", "text", "external"}
"""Blocks that speak where nothing was engaged with."""
block = pytest.mark.parametrize("name", BLOCKS)
fitted_part = pytest.mark.parametrize("name", PARTS)


@pytest.fixture(scope="module", params=[True, False], ids=["ordered", "set"])
def fit(request: pytest.FixtureRequest, tiny_encoder: str) -> Fit:
    return world(tiny_encoder, request.param)


def every_request(fit: Fit) -> tuple[tuple[Any, ...], ...]:
    """Return requests as they are served, and as they are trained on."""
    return asked(fit.features, *KINDS), trained(fit, np.arange(0, ROWS, 7))


def speaks(fit: Fit, name: str) -> bool:
    """Whether a part has anything to say: blocks that are about order are silent without one."""
    about_order = name in BLOCKS and set(BLOCKS[name].columns) <= ABOUT_ORDER
    return fit.features.history.ordered or not about_order


# What is fitted


@fitted_part
def test_fitting_on_some_rows_is_fitting_on_a_table_without_the_others(fit: Fit, tiny_encoder: str, name: str) -> None:
    kept = kept_rows(fit.events)
    assert 0.5 < kept.mean() < 0.8
    alone = without_the_others(tiny_encoder, fit.features.history.ordered).features
    assert_same(alone.known, fit.features.known)
    assert_same(part(fit.fitted.statistics(kept), name), part(alone.statistics, name))


@fitted_part
def test_rows_that_are_not_kept_may_hold_anything(fit: Fit, name: str) -> None:
    kept = kept_rows(fit.events)
    expected = part(fit.fitted.statistics(kept), name)
    for seed in range(3):
        assert_same(part(other_rows(fit, kept, seed).statistics(kept), name), expected)


@pytest.mark.parametrize("name", [name for name in PARTS if learns(name)])
def test_rows_that_are_kept_are_read(fit: Fit, name: str) -> None:
    """The control of the test above; what is about order learns nothing without one."""
    counted, held = (np.random.default_rng(seed).random(ROWS) < 0.5 for seed in (0, 1))
    if not speaks(fit, name):
        assert not any(array.any() for array in numbers(part(fit.features.statistics, name)))
        return
    with pytest.raises(AssertionError):
        assert_same(
            part(other_rows(fit, held, 0).statistics(counted), name), part(fit.fitted.statistics(counted), name)
        )


@fitted_part
def test_the_same_rows_give_the_same_bits(fit: Fit, name: str) -> None:
    assert_same(part(fit.fitted.statistics(np.ones(ROWS, dtype=bool)), name), part(fit.features.statistics, name))


@fitted_part
def test_the_order_of_the_table_means_nothing(fit: Fit, tiny_encoder: str, name: str) -> None:
    """Where pages have times, these say what came first; where they have none, nothing did."""
    other = shuffled(tiny_encoder, fit.features.history.ordered).features
    assert_same(part(other.statistics, name), part(fit.features.statistics, name))
    if name in BLOCKS:
        served = (says(one, name, asked(one, *KINDS)) for one in (fit.features, other))
        np.testing.assert_array_equal(*served)


@fitted_part
def test_saved_is_loaded_bit_for_bit_from_disk(fit: Fit, tmp_path: Path, name: str) -> None:
    save_statistics(fit.features.statistics, tmp_path)
    loaded = load_statistics(tmp_path, fit.features.config.use)
    assert_same(part(loaded, name), part(fit.features.statistics, name))
    assert loaded.scale == fit.features.statistics.scale and list(loaded.blocks) == list(fit.features.statistics.blocks)
    assert all(path.suffix in (".npy", ".parquet", ".safetensors") for path in tmp_path.rglob("*") if path.is_file())
    for array in numbers(part(loaded, name)) if name != "quality" else ():
        assert file_of(array) is not None and not array.flags.writeable
    if name in BLOCKS:  # what is on disk cannot be written to, so reading it must change nothing
        for read in every_request(fit):
            expected = says(fit.features, name, read)
            np.testing.assert_array_equal(says(replace(fit.features, statistics=loaded), name, read), expected)


@fitted_part
def test_no_row_is_kept(fit: Fit, name: str) -> None:
    found = fit.fitted.statistics(np.zeros(ROWS, dtype=bool))
    full = part(fit.features.statistics, name)
    assert part(found, name).keys() == full.keys()
    assert all(np.isfinite(array).all() for array in numbers(part(found, name)))
    if name in BLOCKS:
        none = np.zeros(0, dtype=np.int64)
        nobody = History.build(none, none, fit.features.known.users.size, ordered=True)
        empty = replace(fit.features, statistics=found, history=nobody, query_history=nobody, query_keys=none)
        read = asked(fit.features, *KINDS)
        pairs = says(empty, name, with_rows(read, knowing_all(empty, read[0])))
        assert np.isfinite(pairs).all()
        assert pairs.any() == (name in READ_NO_EVENT)


GONE = (
    *(("events", (name,)) for name in ("user_id", "query", "country", "source_item_id", "timestamp", "request_id")),
    ("events", ("user_id", "query", "country", "source_item_id", "timestamp", "request_id")),
    *(("items", (name,)) for name in ("title", "text", "category", "countries", "created_at", "rating")),
    ("items", ("title", "text", "category", "countries", "created_at", "rating")),
)


def null(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    return frame.with_columns(pl.lit(None, dtype=frame.schema[name]).alias(name) for name in names)


@pytest.fixture(scope="module")
def gaps(fit: Fit, tiny_encoder: str) -> list[Fit]:
    """Return what is fitted on tables that lack what they may lack."""
    found = [
        fitted_on(tiny_encoder, null(fit.events, names))
        if where == "events"
        else fitted_on(tiny_encoder, fit.events, items=null(catalogue(), names))
        for where, names in GONE
    ]
    return [
        *found,
        fitted_on(tiny_encoder, fit.events, users=None, scores=None),
        fitted_on(tiny_encoder, fit.events, scores=SCORES.clear()),
        fitted_on(tiny_encoder, fit.events.with_columns(label=pl.lit(1.0, dtype=pl.Float32))),
        fitted_on(tiny_encoder, fit.events.with_columns(label=pl.lit(0.0, dtype=pl.Float32))),
        fitted_on(tiny_encoder, fit.events.head(1)),
        fitted_on(tiny_encoder, fit.events.head(0)),
    ]


@fitted_part
def test_columns_may_be_null(gaps: list[Fit], name: str) -> None:
    for gap in gaps:
        assert all(np.isfinite(array).all() for array in numbers(part(gap.features.statistics, name)))
        if name in BLOCKS:
            for read in (asked(gap.features, *KINDS), trained(gap, np.arange(0, gap.events.height, 7))):
                pairs = says(gap.features, name, read)
                assert pairs.shape == (len(read[0].task), 13, len(BLOCKS[name].columns)) and np.isfinite(pairs).all()


# What is read


@block
def test_declared_columns_are_delivered_in_their_order(fit: Fit, name: str) -> None:
    for read in every_request(fit):
        alone, every = says(fit.features, name, read), told(fit.features, *read)[0]
        assert alone.shape == (len(read[0].task), 13, len(BLOCKS[name].columns)) and alone.dtype == np.float32
        places = [columns().index(column) for column in BLOCKS[name].columns]
        np.testing.assert_array_equal(alone, every[:, :, places])
        assert np.isfinite(alone).all() and every.shape[2] == len(columns())
        silent = {column for column, values in zip(BLOCKS[name].columns, alone.T, strict=True) if not values.any()}
        assert silent == (set() if fit.features.history.ordered else ABOUT_ORDER & set(BLOCKS[name].columns))


@block
def test_sources_of_candidates_are_evidence_of_every_item(fit: Fit, name: str) -> None:
    rows, table, title_row = asked(fit.features, *KINDS)
    filled, _ = fit.features.imputer.apply(rows, fit.features.history, title_row)
    found = only(fit.features, name).evidence(rows, filled, table).sources()
    assert {source: size for source, (size, _) in found.items()} == dict(BLOCKS[name].sources)
    for _, scores in found.values():
        assert scores.shape == (len(KINDS), 13) and scores.dtype == np.float32
        assert np.isfinite(scores).all() and not scores[:, 0].any()


@block
def test_no_requests_and_no_candidates(fit: Fit, name: str) -> None:
    width = len(BLOCKS[name].columns)
    assert says(fit.features, name, asked(fit.features)).shape == (0, 13, width)
    nothing = np.zeros((len(KINDS), 0), dtype=np.int64)
    assert says(fit.features, name, asked(fit.features, *KINDS), candidates=nothing).shape == (len(KINDS), 0, width)
    assert told(fit.features, *asked(fit.features))[1].shape == (0, 5)


STRANGERS = {"user_id": "nobody", "country": "XX", "source_item_id": "gone", "query": "!?"}


@block
@pytest.mark.parametrize("field", STRANGERS)
def test_what_is_not_known_is_as_what_is_missing(fit: Fit, name: str, field: str) -> None:
    with_it = [dict(kind) | {field: STRANGERS[field]} for kind in KINDS]
    without = [{key: value for key, value in kind.items() if key != field} for kind in KINDS]
    stand_in = {"query": "source_item_id", "country": "user_id"}.get(field)  # from which what is missing is imputed
    with_it, without = ([kind for kind in kinds if stand_in not in kind] for kinds in (with_it, without))
    found = (says(fit.features, name, asked(fit.features, *kinds)) for kinds in (with_it, without))
    np.testing.assert_array_equal(*found)


@block
def test_what_is_imputed_is_read_as_if_it_were_said(fit: Fit, name: str) -> None:
    """The home country of a user, and the title of a source item."""
    title = catalogue().filter(pl.col("item_id") == "i03")["title"].item()
    for kind, said in (({"user_id": "u1"}, {"country": "DE"}), ({"source_item_id": "i03"}, {"query": title})):
        imputed, stated = (says(fit.features, name, asked(fit.features, one)) for one in (kind, kind | said))
        np.testing.assert_array_equal(imputed, stated)


@block
def test_a_new_query_of_known_words_is_known_by_its_text_alone(fit: Fit, name: str) -> None:
    new, none = (says(fit.features, name, asked(fit.features, kind)) for kind in ({"query": "chair jazz red"}, {}))
    assert np.array_equal(new, none) == (name not in READ_TEXT)


@block
def test_a_request_that_says_nothing_knows_what_is_popular_and_no_more(fit: Fit, name: str) -> None:
    found = says(fit.features, name, asked(fit.features, {}))
    assert found.any() == (name in READ_NO_REQUEST and speaks(fit, name))


@block
def test_padding_is_zero_and_a_candidate_does_not_depend_on_the_others(fit: Fit, name: str) -> None:
    rng = np.random.default_rng(0)
    for read in every_request(fit):
        every = says(fit.features, name, read)
        assert not every[:, 0].any()
        candidates = rng.integers(0, 13, (len(every), 9))  # padding anywhere, items twice
        found = says(fit.features, name, read, candidates=candidates)
        np.testing.assert_array_equal(found, np.take_along_axis(every, candidates[:, :, None], axis=1))


@block
def test_a_request_does_not_depend_on_its_block(fit: Fit, name: str) -> None:
    for read in every_request(fit):
        together = says(fit.features, name, read)
        for at in np.array_split(np.arange(len(together)), 5):
            found = says(fit.features, name, with_rows(read, read[0].take(at)))
            np.testing.assert_allclose(found, together[at], rtol=1e-5, atol=1e-6)


@block
def test_a_served_request_knows_the_whole_past_and_a_row_what_came_before_it(fit: Fit, name: str) -> None:
    """With an order, a row is told what it would be told had everything after it not happened.

    Without one, what it would be told had the items of its page never been engaged with by its user.
    """
    rows = fit.fitted.rows
    at = np.flatnonzero((rows.user > 1) & (rows.item > 0))[::9]
    found = says(fit.features, name, trained(fit, at))
    for place, row in enumerate(at):
        past, read = before(fit, int(row)), trained(fit, np.array([row]))
        alone = says(past, name, with_rows(read, knowing_all(past, read[0])))
        np.testing.assert_allclose(alone[0], found[place], rtol=1e-5, atol=1e-6)


def test_the_world_leaves_nothing_out(fit: Fit) -> None:
    statistics = fit.features.statistics
    assert tuple(statistics.blocks) == tuple(BLOCKS)
    assert {"blocks", "scale", "fitted", *SHARED.values()} == set(vars(statistics))
    silent = set() if fit.features.history.ordered else {"timed", "recent"}
    for name in SHARED:
        said = {key: value for key, value in part(statistics, name).items() if key not in silent}
        assert all(array.any() for array in numbers(said))
    assert len(PARTS) == len(set(PARTS))
