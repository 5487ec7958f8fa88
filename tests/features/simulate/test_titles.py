from __future__ import annotations

import re

import numpy as np
import pytest

from features.simulate.lexicon import Lexicon, load_lexicon
from features.simulate.titles import compose_titles, make_brands

N = 20_000


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load_lexicon()


class Items:
    """Random items of all types and languages, each with a value of every kind that applies."""

    def __init__(self, lexicon: Lexicon, count: int = N) -> None:
        random = np.random.default_rng(7)
        self.language = random.integers(0, 3, count)
        self.kind_of = random.integers(0, len(lexicon.types), count)
        self.values = np.full((count, 6), -1)
        for kind, values in enumerate(lexicon.values):
            applies = np.array([kind in one.kinds for one in lexicon.types])[self.kind_of]
            self.values[applies, kind] = random.integers(0, len(values), applies.sum())
        self.brand = [("Velunor", "Takiro")[number] for number in random.integers(0, 2, count)]


@pytest.fixture(scope="module")
def items(lexicon: Lexicon) -> Items:
    return Items(lexicon)


@pytest.fixture(scope="module")
def written(lexicon: Lexicon, items: Items) -> tuple[list[str], list[str]]:
    return compose(lexicon, items, 1)


def compose(lexicon: Lexicon, items: Items, seed: int) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(seed)
    return compose_titles(lexicon, items.language, items.kind_of, items.values, items.brand, random)


def has(text: str, name: str) -> bool:
    return f" {name.lower()} " in f" {text.lower()} "


def test_same_state_same_words(lexicon: Lexicon, items: Items, written: tuple[list[str], list[str]]) -> None:
    assert compose(lexicon, items, 1) == written
    assert compose(lexicon, items, 2) != written


def test_a_title_has_the_sellers_name_and_the_brand(
    lexicon: Lexicon, items: Items, written: tuple[list[str], list[str]]
) -> None:
    for row, title in enumerate(written[0]):
        name = lexicon.types[items.kind_of[row]].names[items.language[row]][0]
        assert has(title, name), (title, name)
        assert has(title, items.brand[row]), title


def test_what_the_title_leaves_out_is_in_the_text(
    lexicon: Lexicon, items: Items, written: tuple[list[str], list[str]]
) -> None:
    in_title = total = 0
    for row, (title, text) in enumerate(zip(*written, strict=True)):
        for kind, value in enumerate(items.values[row]):
            if value < 0:
                continue
            name = lexicon.values[kind][value].names[items.language[row]][0]
            total += 1
            in_title += has(title, name)
            assert has(title, name) or not text or name in text, (title, text, name)
    assert 0.68 <= in_title / total <= 0.72


def test_an_item_without_attributes(lexicon: Lexicon) -> None:
    sofa = next(number for number, kind in enumerate(lexicon.types) if kind.key == "sofa")
    language = np.repeat([0, 1, 2], 100)
    nothing = np.full((300, 6), -1)
    titles, texts = compose_titles(
        lexicon, language, np.full(300, sofa), nothing, ["Velunor"] * 300, np.random.default_rng(0)
    )
    plain = {re.sub(r" [A-Z]-\d{3}$", "", title) for title in titles}
    assert plain == {"Velunor Sofa", "Sofa Velunor", "Velunor 소파", "소파 Velunor"}
    assert {text.count(".") for text in texts} == {0, 1}  # one sentence, or no text


def test_rates(written: tuple[list[str], list[str]]) -> None:
    titles, texts = written
    assert 0.07 <= sum(not text for text in texts) / N <= 0.09
    assert 0.28 <= sum(bool(re.search(r" [A-Z]-\d{3}$", title)) for title in titles) / N <= 0.32
    assert 0.63 <= sum(title.startswith(("Velunor ", "Takiro ")) for title in titles) / N <= 0.67
    assert len(set(titles)) > 0.95 * N


def test_large_letters(lexicon: Lexicon) -> None:
    knife = next(number for number, kind in enumerate(lexicon.types) if kind.key == "chefs-knife")
    values = np.full((2, 6), -1)
    values[:, 1] = [value.key for value in lexicon.values[1]].index("steel")
    for seed in range(20):
        random = np.random.default_rng(seed)
        (english, german), _ = compose_titles(
            lexicon, np.array([0, 1]), np.full(2, knife), values, ["Velunor"] * 2, random
        )
        assert "Chef's Knife" in english
        assert "Kochmesser" in german
        assert not re.search(r"\b[a-z]{2}", english)


def test_no_slot_is_left_open(written: tuple[list[str], list[str]]) -> None:
    assert not [words for part in written for words in part if "{" in words or "  " in words]
    assert all(text.endswith(".") for text in written[1] if text)


def test_no_items(lexicon: Lexicon) -> None:
    none = np.zeros(0, dtype=np.int64)
    assert compose_titles(lexicon, none, none, np.zeros((0, 6), np.int64), [], np.random.default_rng(0)) == ([], [])


def test_brands_are_distinct_and_pronounceable() -> None:
    brands = make_brands(3_000, np.random.default_rng(0))
    assert len(set(brands)) == len(brands) == 3_000
    assert all(re.fullmatch(r"[A-Z][a-z]{5,14}", brand) for brand in brands)
    assert not [brand for brand in brands if re.search("[bcdfghjklmnpqrstvwxz]{4}", brand.lower())]
    assert brands == make_brands(3_000, np.random.default_rng(0))
    assert make_brands(0, np.random.default_rng(0)) == []


@pytest.mark.parametrize("count", [-1, 100_001])
def test_an_impossible_count_of_brands_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"the count must be between 0 and 100,000"):
        make_brands(count, np.random.default_rng(0))
