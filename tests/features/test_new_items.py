"""Items that came after the fit, beside the same items in the catalogue of a fit in which nobody engaged with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from features.blocks.registry import BLOCKS
from features.errors import DataError
from features.new_items import with_items
from features.quality import ItemEvents, signals
from tests.features.blocks.contract_world import KINDS, SCORES, USERS, asked, catalogue, log
from tests.features.feature_world import EVERYTHING, fit, told

LATER = pl.DataFrame(
    {
        "item_id": ["z3", "i02b", "z1", "z2"],
        "title": ["Red piano", None, None, "blue chair the"],
        "text": [None, "rock jazz lamp", None, "red red lamp"],
        "category": ["Music", "Home > Seats", None, "Home > Light > New"],
        "countries": [None, ["DE"], ["ZZ"], None],
        "created_at": pl.Series(["2024-01-03", None, "2024-01-09", "2024-03-01"]).str.to_datetime(),
        "price": [3.0, None, 1.0, 1e9],
        "vector_image": pl.Series([[1.0, 0.0], [3.0, 4.0], None, [0.0, 2.0]], dtype=pl.Array(pl.Float32, 2)),
    }
)
QUALITY = ("price kind=price", "price direction=down name=cheap")


def items() -> pl.DataFrame:
    found = catalogue()
    rng = np.random.default_rng(0)
    vectors = pl.Series(rng.normal(size=(found.height, 2)).astype(np.float32), dtype=pl.Array(pl.Float32, 2))
    return found.with_columns(price=pl.Series(rng.random(found.height)), vector_image=vectors)


def fitted(encoder: str, table: pl.DataFrame, ordered: bool = True):
    known = fit(table, log(ordered=ordered), encoder, users=USERS, scores=SCORES, quality=QUALITY, vectors=("image",))
    return known[0]


@pytest.fixture(scope="module", params=[True, False], ids=["ordered", "set"])
def extended(request, tiny_encoder):
    """The features of a fit, and the same with items that came later."""
    before = fitted(tiny_encoder, items(), request.param)
    return before, with_items(before, LATER)


@pytest.fixture(scope="module")
def whole(tiny_encoder):
    """A fit that has all items from the start, in an order of its own."""
    later = LATER.with_columns(pl.col("created_at").dt.replace_time_zone("UTC"))
    both = pl.concat([items(), later], how="diagonal_relaxed")
    return fitted(tiny_encoder, both)


def test_all_that_was_fitted_stays(extended):
    before, after = extended
    first = before.catalogue.rows
    assert after.catalogue.rows == first + LATER.height
    assert after.catalogue.frame.head(first - 1).equals(before.catalogue.frame)
    for kinds in ([kind] for kind in KINDS):
        (pairs, facts), (later, later_facts) = (told(one, *asked(one, *kinds)) for one in (before, after))
        columns = list(range(pairs.shape[2]))
        best = told_columns(before).index("lexical_of_best")  # the best of the catalogue may be a new item
        columns.remove(best)
        np.testing.assert_allclose(later[:, :first][..., columns], pairs[..., columns], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(later_facts, facts, rtol=1e-5, atol=1e-6)
        assert np.isfinite(later).all()


def told_columns(features):
    return [column for name, block in BLOCKS.items() if name in features.statistics.blocks for column in block.columns]


def test_their_content_is_read_as_that_of_a_fit(extended, whole):
    after = extended[1].catalogue
    for name in LATER["item_id"]:
        (own,), (other,) = (found.ids.rows(pl.Series([name])) for found in (after, whole.catalogue))
        for part in ("text", "tokens", "vectors", "restricted"):
            np.testing.assert_array_equal(getattr(after, part)[own], getattr(whole.catalogue, part)[other])
        levels = [whole.known.categories.values.to_list()[row - 2] for row in whole.catalogue.category[other] if row]
        known = extended[0].known.categories.rows(pl.Series(levels, dtype=pl.String))
        assert after.category[own][: len(known)].tolist() == known.tolist()
        weights = (found.lexical[:, [row]].toarray() > 0 for found, row in ((after, own), (whole.catalogue, other)))
        np.testing.assert_array_equal(*weights)


def test_their_quality_is_on_the_scale_of_the_fit(extended):
    before, after = (one.statistics.quality for one in extended)
    new = dict(zip(LATER["item_id"].sort(), after.values[len(before.values) :], strict=True))
    unknown = dict(zip(LATER["item_id"].sort(), after.missing[len(before.values) :], strict=True))
    np.testing.assert_array_equal(after.values[: len(before.values)], before.values)
    cheap, price = (after.names.index(name) for name in ("cheap", "price"))
    middle, spread = (part[cheap] for part in before.scaling)
    assert new["z3"][cheap] == pytest.approx(max((-3.0 - middle) / spread, -1))
    assert new["z2"][cheap] == -1  # a price far beyond
    assert unknown["i02b"][[cheap, price]].tolist() == [1, 1] and not new["i02b"][[cheap, price]].any()
    engaged = after.names.index("engagements")
    silent = before.values[1:][before_engaged(extended[0]) == 0, engaged]
    assert (np.array([values[engaged] for values in new.values()]) <= (silent.min() if len(silent) else 1)).all()
    assert (np.abs(after.values) <= 1).all()


def before_engaged(features):
    return features.statistics.events.engaged[1:]


def test_nothing_is_known_of_what_anybody_did_with_them(extended):
    before, after = extended
    new = slice(before.catalogue.rows, None)
    assert not after.statistics.exposure[new].any() and not after.statistics.popularity[new].any()
    assert after.statistics.item_map.shape == (after.catalogue.rows,) * 2
    for kind in KINDS:
        pairs = told(after, *asked(after, kind))[0][0, new]
        counted = [
            at for at, name in enumerate(told_columns(after)) if name in ("query_count", "popularity", "affinity")
        ]
        assert not pairs[:, counted].any()


def test_an_item_without_edges_has_the_graph_vector_that_its_text_says(extended):
    before, after = extended
    graph = after.statistics.graph[before.catalogue.rows :]
    told_by_text = (after.catalogue.text[before.catalogue.rows :] != 0).any(axis=1)
    np.testing.assert_allclose(np.linalg.norm(graph, axis=1), told_by_text, atol=1e-5)


def test_a_group_is_the_deepest_level_that_is_known(extended):
    before, after = extended
    group = after.statistics.blocks["groups"].group[before.catalogue.rows :]
    named = [None if row == 0 else after.known.categories.values.to_list()[row - 2] for row in group]
    assert dict(zip(LATER["item_id"].sort(), named, strict=True)) == {
        "i02b": "Home > Seats",
        "z1": None,
        "z2": "Home > Light",
        "z3": "Music",
    }


def test_a_filter_by_country_holds_for_them_too(extended):
    before, after = extended
    shown = {
        name: after.catalogue.shown_in(int(after.known.countries.rows(pl.Series([name]))[0]))
        for name in ("DE", "KR", "ZZ")
    }
    rows = dict(zip(LATER["item_id"], after.catalogue.ids.rows(LATER["item_id"]), strict=True))
    assert [shown[name][rows["i02b"]] for name in shown] == [True, False, False]
    assert [shown[name][rows["z1"]] for name in shown] == [False, False, False]  # the model does not know ZZ
    assert all(mask[rows["z3"]] for mask in shown.values())
    for name, mask in shown.items():
        country = int(before.known.countries.rows(pl.Series([name]))[0])
        np.testing.assert_array_equal(mask[: before.catalogue.rows], before.catalogue.shown_in(country))


def test_twice_is_at_once(tiny_encoder):
    before = fitted(tiny_encoder, items())
    once = with_items(before, LATER)
    steps = with_items(
        with_items(before, LATER.filter(pl.col("item_id") < "z2")), LATER.filter(pl.col("item_id") >= "z2")
    )
    np.testing.assert_array_equal(once.catalogue.allowed, steps.catalogue.allowed)
    for kind in KINDS:
        one, two = (told(features, *asked(features, kind))[0] for features in (once, steps))
        np.testing.assert_array_equal(one, two)
    for part in ("values", "missing"):
        np.testing.assert_array_equal(*(getattr(one.statistics.quality, part) for one in (once, steps)))
    np.testing.assert_array_equal(once.statistics.graph, steps.statistics.graph)


RATED = (
    "rating kind=rating by=ratings",
    "sold kind=rate by=seen",
    "price kind=price",
    "day kind=freshness half_life=9",
)


def test_what_an_item_is_told_by_does_not_depend_on_those_that_come_with_it(tiny_encoder):
    """Means, positions and the latest date are those of the fitted catalogue."""

    def numbered(table, start):
        place = pl.int_range(start, start + table.height)
        return table.with_columns(
            rating=1.0 + place % 5, ratings=place, sold=place % 3, seen=3 * place, day=pl.date(2024, 1, 1 + place % 28)
        )

    table = numbered(catalogue().with_columns(price=pl.int_range(pl.len()).cast(pl.Float64)), 1)
    before = fit(table, log(ordered=False), tiny_encoder, quality=RATED)[0]
    later = numbered(LATER.drop("vector_image"), 20)
    once = with_items(before, later)
    for row in later.iter_slices(1):
        alone = with_items(before, row).statistics.quality
        (at,) = once.catalogue.ids.rows(row["item_id"])
        np.testing.assert_array_equal(once.statistics.quality.values[at], alone.values[-1])
        np.testing.assert_array_equal(once.statistics.quality.missing[at], alone.missing[-1])
    assert len(np.unique(once.statistics.quality.values[before.catalogue.rows :], axis=0)) == later.height


def test_a_fitted_item_has_the_position_that_a_later_one_of_its_price_has(tiny_encoder):
    """Of five prices in a category, the middle one; an item that comes later stands beside the five."""
    table = catalogue().with_columns(price=pl.int_range(pl.len()).cast(pl.Float64), category=pl.lit("Home"))
    before = fit(table, log(ordered=True), tiny_encoder, quality=("price kind=price",))[0]
    raw = signals(
        pl.concat([table, table.head(1).with_columns(item_id=pl.lit("z"), price=5.5)]),
        ItemEvents.nothing(table.height + 2),
        ("price kind=price",),
        table.height,
    )["price"]
    np.testing.assert_allclose(raw[1:13], (2 * np.arange(1, 13) - 1) / 12 - 1)
    assert raw[13] == pytest.approx((2 * 7 - 1) / 13 - 1)  # the seventh of thirteen
    assert before.statistics.fitted == table.height


def test_what_json_cannot_say_is_read_as_it_was_fitted(tiny_encoder):
    before = fitted(tiny_encoder, items())
    once = with_items(before, LATER).catalogue.vectors
    lists = with_items(before, LATER.with_columns(pl.col("vector_image").cast(pl.List(pl.Float64)))).catalogue.vectors
    np.testing.assert_allclose(lists, once)
    dated = fit(
        catalogue(), log(ordered=True), tiny_encoder, quality=("created_at kind=freshness half_life=9 name=d",)
    )[0]
    assert with_items(dated, LATER.drop("price", "vector_image")).catalogue.rows == dated.catalogue.rows + 4


@pytest.mark.parametrize("off", [(), ("graph", "graph_part"), ("text",), tuple(vars(EVERYTHING))])
def test_what_is_off_stays_off(tiny_encoder, off):
    use = replace(EVERYTHING, **dict.fromkeys(off, False))
    before = fit(catalogue(), log(ordered=True), tiny_encoder, users=USERS, scores=SCORES, use=use)[0]
    after = with_items(before, LATER.drop("price", "vector_image"))
    pairs = told(after, *asked(after, *KINDS))[0]
    if "text" in off:
        assert not after.statistics.graph[before.catalogue.rows :].any()
    assert np.isfinite(pairs).all() and pairs.shape[1:] == (after.catalogue.rows, len(told_columns(after)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (LATER.drop("item_id"), 'new items: the column "item_id" is missing; it is required. Add it as String.'),
        (LATER.with_columns(item_id=pl.lit("i03")), "new items: 'i03' is there twice. Keep one of its rows."),
        (
            LATER.with_columns(item_id=pl.Series(["i03", "a", "b", "c"])),
            "new items: 1 are in the catalogue already, e.g. 'i03'. Leave them out.",
        ),
        (
            LATER.with_columns(item_id=pl.Series([None, "a", "b", "c"])),
            "new items: 1 of 4 have no item_id. Name them.",
        ),
        (LATER.drop("price"), "features.quality: items has no column 'price'."),
        (LATER.drop("vector_image"), "features.vectors: items.vector_image is absent"),
        (
            LATER.with_columns(vector_image=pl.Series([[1.0, 2.0, 3.0]] * 4)),
            "new items: their vectors have 3 components in all, the run reads 2. Mend them.",
        ),
        (
            LATER.with_columns(vector_image=pl.Series([[1.0, 2.0], [3.0], None, None])),
            "new items: vector_image holds vectors of ",
        ),
    ],
)
def test_a_wrong_table_is_refused(tiny_encoder, table, message):
    before = fitted(tiny_encoder, items())
    with pytest.raises(DataError) as error:
        with_items(before, table)
    assert str(error.value).startswith(message)
