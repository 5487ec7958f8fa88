from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

import features.simulate.lexicon as module
from features.simulate.lexicon import KINDS, LANGUAGES, Lexicon, ProductType, load_lexicon, parse_lexicon

WORDS = Path(module.__file__).with_name("lexicon.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load_lexicon()


def type_named(lexicon: Lexicon, key: str) -> ProductType:
    return next(kind for kind in lexicon.types if kind.key == key)


def words(names: tuple[str, ...]) -> set[str]:
    return {word for name in names for word in name.lower().split()}


def pieces(names: tuple[str, ...], length: int) -> set[str]:
    return {word[at : at + length] for word in words(names) for at in range(len(word) - length + 1)}


def test_a_type_by_hand(lexicon: Lexicon) -> None:
    kind = type_named(lexicon, "sofa")
    assert kind.path == ("Home", "Living Room", "Sofas")
    assert kind.names == (("sofa", "couch", "settee"), ("Sofa", "Couch", "Kanapee"), ("소파", "카우치"))
    assert (kind.price, kind.consumable) == (690.0, False)
    assert [lexicon.types[other].key for other in kind.complements] == ["rug", "table-lamp"]
    assert [KINDS[number] for number in kind.kinds] == ["colour", "style", "pattern", "size"]


def test_sizes(lexicon: Lexicon) -> None:
    assert LANGUAGES == ("en", "de", "ko")
    assert len(lexicon.types) == 96
    departments = Counter(kind.path[0] for kind in lexicon.types)
    assert list(departments.values()) == [12] * 8
    assert set(Counter(kind.path[:2] for kind in lexicon.types).values()) == {3}
    assert len({kind.path for kind in lexicon.types}) == 96
    assert 17 <= sum(kind.consumable for kind in lexicon.types) <= 22
    assert all(2 <= len(kind.kinds) <= 4 and 2 <= len(kind.complements) <= 3 for kind in lexicon.types)
    assert all(2 <= len(names) <= 4 for kind in lexicon.types for names in kind.names)
    assert len(lexicon.values) == 6
    assert all(8 <= len(values) <= 12 for values in lexicon.values)
    assert all(len(sentences) == 3 for sentences in (lexicon.openings, lexicon.details, lexicon.fillers))


def test_complements_go_both_ways(lexicon: Lexicon) -> None:
    for number, kind in enumerate(lexicon.types):
        assert all(number in lexicon.types[other].complements for other in kind.complements), kind.key


@pytest.mark.parametrize(("language", "length"), [(0, 4), (1, 4), (2, 2)])
def test_complements_share_no_word_nor_a_piece_of_one(lexicon: Lexicon, language: int, length: int) -> None:
    for kind in lexicon.types:
        own = kind.names[language]
        for other in (lexicon.types[number] for number in kind.complements):
            theirs = other.names[language]
            assert not words(own) & words(theirs), (kind.key, other.key)
            assert not pieces(own, length) & pieces(theirs, length), (kind.key, other.key)


@pytest.mark.parametrize("language", range(3))
def test_a_name_means_one_thing(lexicon: Lexicon, language: int) -> None:
    kinds = [name for kind in lexicon.types for name in kind.names[language]]
    values = [name for kind in lexicon.values for value in kind for name in value.names[language]]
    assert not [name for name, count in Counter(map(str.lower, kinds + values)).items() if count > 1]
    assert not words(tuple(kinds)) & words(tuple(values))


@pytest.mark.parametrize("language", range(3))
def test_most_types_have_a_synonym_without_a_word_of_the_sellers(lexicon: Lexicon, language: int) -> None:
    clean = [
        any(not words((first,)) & words((other,)) for other in others)
        for first, *others in (kind.names[language] for kind in lexicon.types)
    ]
    assert sum(clean) >= 94


def test_every_korean_name_is_korean_and_no_other_is(lexicon: Lexicon) -> None:
    for thing in chain(lexicon.types, *lexicon.values):
        for language, names in enumerate(thing.names):
            hangul = [any("가" <= letter <= "힣" for letter in name) for name in names]
            assert hangul == [language == 2] * len(names), thing.key


def test_the_lexicon_is_read_once() -> None:
    assert load_lexicon() is load_lexicon()
    assert parse_lexicon(WORDS) == load_lexicon()


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        (
            'complements = ["rug", "table-lamp"]',
            'complements = ["rag"]',
            r'types.sofa.complements has the unknown "rag"',
        ),
        ('complements = ["rug", "table-lamp"]', "complements = []", r"types.sofa.complements is empty"),
        ('complements = ["rug", "table-lamp"]', 'complements = ["sofa"]', r"types.sofa is its own complement"),
        ('["소파", "카우치"]]', "[]]", r"types.sofa needs names in each of en, de, ko"),
        ("price = 690.0", "price = 0", r"types.sofa has the price 0; it must be above 0"),
        ("price = 690.0", "prize = 690.0", r"types.sofa lacks, or has and should not: price, prize"),
        ('"Living Room", "Sofas"', '"Sofas"', r"types.sofa has a path of 2 levels"),
        ('kinds = ["colour",', 'kinds = ["color",', r'kinds has the unknown "color"'),
        (
            'black = [["black", "ebony"], ["schwarz"],',
            'black = [["black"],',
            r"values.colour.black needs names in each",
        ),
        ("[values.colour]", "[values.color]", r"values lacks, or has and should not: color, colour"),
        ('"{} online"', '"online"', r'fillers has "online"; it needs \{\} once each'),
        ("{brand}의 {name}입니다", "{name}입니다", r"openings has .*; it needs \{name\} and \{brand\} once each"),
    ],
)
def test_what_contradicts_itself_is_named(good: str, bad: str, says: str) -> None:
    assert good in WORDS
    with pytest.raises(ValueError, match=says):
        parse_lexicon(WORDS.replace(good, bad))
