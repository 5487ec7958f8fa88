from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from features.simulate.lexicon import Lexicon, load_lexicon
from features.simulate.queries import DRAWS, phrase_queries, type_queries

R = 20_000


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load_lexicon()


class Asked:
    """Random requests of all types and languages: no, one, two or three attributes."""

    def __init__(self, lexicon: Lexicon, count: int = R) -> None:
        random = np.random.default_rng(7)
        self.language = random.integers(0, 3, count)
        self.kind_of = random.integers(0, len(lexicon.types), count)
        self.values = np.full((count, 6), -1)
        number = random.integers(0, 4, count)
        place = random.random((count, 6)).argsort(axis=1)
        for kind, values in enumerate(lexicon.values):
            self.values[:, kind] = np.where(place[:, kind] < number, random.integers(0, len(values), count), -1)

    def query(self, lexicon: Lexicon, seed: int) -> list[str]:
        return type_queries(lexicon, self.language, self.kind_of, self.values, np.random.default_rng(seed))

    def phrase(self, lexicon: Lexicon, draws: NDArray[np.float64]) -> list[str]:
        return phrase_queries(lexicon, self.language, self.kind_of, self.values, draws)


@pytest.fixture(scope="module")
def asked(lexicon: Lexicon) -> Asked:
    return Asked(lexicon)


@pytest.fixture(scope="module")
def typed(lexicon: Lexicon, asked: Asked) -> list[str]:
    return asked.query(lexicon, 1)


@pytest.fixture(scope="module")
def meant(lexicon: Lexicon, asked: Asked) -> list[str]:
    """The same queries, before anything goes wrong."""
    return asked.phrase(lexicon, np.random.default_rng(1).random((R, DRAWS)))


def named(query: str, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if f" {name.lower()} " in f" {query} "]


def test_same_state_same_queries(lexicon: Lexicon, asked: Asked, typed: list[str]) -> None:
    assert asked.query(lexicon, 1) == typed
    assert asked.query(lexicon, 2) != typed


def test_a_query_does_not_depend_on_the_others(lexicon: Lexicon, asked: Asked, typed: list[str]) -> None:
    part = type_queries(lexicon, asked.language[:50], asked.kind_of[:50], asked.values[:50], np.random.default_rng(1))
    assert part == typed[:50]


def test_by_hand(lexicon: Lexicon) -> None:
    sofa = next(number for number, kind in enumerate(lexicon.types) if kind.key == "sofa")
    values = np.full((3, 6), -1)
    values[:, 0] = [value.key for value in lexicon.values[0]].index("black")
    draws = np.full((3, DRAWS), 0.9)
    language, kind_of = np.arange(3), np.full(3, sofa)
    assert phrase_queries(lexicon, language, kind_of, values, draws) == ["black sofa", "schwarz sofa", "검정 소파"]
    draws[:] = 0.0  # every synonym, the type first, the first filler
    assert phrase_queries(lexicon, language, kind_of, values, draws) == [
        "best couch ebony",
        "beste couch schwarz",
        "인기 카우치 블랙",
    ]


def test_every_query_has_lower_case_words(typed: list[str]) -> None:
    assert all(query and query == query.strip().lower() and "  " not in query for query in typed)


def test_what_is_asked_is_in_what_is_meant(lexicon: Lexicon, asked: Asked, meant: list[str]) -> None:
    for row, query in enumerate(meant):
        for kind, value in enumerate(asked.values[row]):
            if value >= 0:
                assert named(query, lexicon.values[kind][value].names[asked.language[row]]), query


def test_rates_of_what_is_meant(lexicon: Lexicon, asked: Asked, meant: list[str]) -> None:
    attributes = (asked.values >= 0).sum(axis=1)
    types = [lexicon.types[kind].names[spoken] for kind, spoken in zip(asked.kind_of, asked.language, strict=True)]
    found = [named(query, names) for query, names in zip(meant, types, strict=True)]
    with_type = np.array([bool(names) for names in found])
    assert with_type[attributes < 2].all()
    assert 0.03 <= 1 - with_type[attributes >= 2].mean() <= 0.05

    synonym = [names[0] not in hits for hits, names in zip(found, types, strict=True) if hits]
    assert 0.33 <= np.mean(synonym) <= 0.37

    fillers = [tuple(text.replace("{}", "").strip() for text in texts) for texts in lexicon.fillers]
    filled = [bool(named(query, fillers[spoken])) for query, spoken in zip(meant, asked.language, strict=True)]
    assert 0.05 <= np.mean(filled) <= 0.07

    first = [
        query.startswith(tuple(name.lower() for name in hits))
        for query, hits, number, extra in zip(meant, found, attributes, filled, strict=True)
        if hits and number and not extra
    ]
    assert 0.18 <= np.mean(first) <= 0.22


@pytest.mark.parametrize("language", [0, 1, 2])
def test_rates_of_what_goes_wrong(asked: Asked, typed: list[str], meant: list[str], language: int) -> None:
    pairs = [pair for *pair, spoken in zip(typed, meant, asked.language, strict=True) if spoken == language]
    wrong = [(query, whole) for query, whole in pairs if query != whole]
    letters = {True: 2, False: 3}
    cut = [
        query
        for query, whole in wrong
        if whole.startswith(query) and sum(map(str.isalnum, query)) >= letters[language == 2]
    ]
    typos = len(wrong) - len(cut)
    # A typo that drops the last letter looks like a prefix; a name of one or two letters has neither.
    assert 0.055 <= len(cut) / len(pairs) <= 0.09
    assert 0.035 <= typos / len(pairs) <= 0.06


def test_a_typo_is_one_letter_in_one_word(typed: list[str], meant: list[str]) -> None:
    for query, whole in zip(typed, meant, strict=True):
        if whole.startswith(query):
            continue
        assert query.count(" ") == whole.count(" ")
        changed = [(a, b) for a, b in zip(query.split(" "), whole.split(" "), strict=True) if a != b]
        assert len(changed) == 1
        now, before = changed[0]
        korean = any("가" <= letter <= "힣" for letter in before)
        assert len(before) >= (2 if korean else 4)
        assert abs(len(now) - len(before)) <= 1
        if len(now) == len(before):
            assert sum(a != b for a, b in zip(now, before, strict=True)) <= 2


def test_short_words_are_spared(lexicon: Lexicon) -> None:
    keys = [kind.key for kind in lexicon.types]
    rug, nothing = np.full(500, keys.index("rug")), np.full((500, 6), -1)
    queries = set(type_queries(lexicon, np.zeros(500, np.int64), rug, nothing, np.random.default_rng(0)))
    assert "rug" in queries
    assert not [query for query in queries if len(query) < 3]


def test_no_requests(lexicon: Lexicon) -> None:
    none = np.zeros(0, dtype=np.int64)
    assert type_queries(lexicon, none, none, np.zeros((0, 6), np.int64), np.random.default_rng(0)) == []
