"""Titles and texts of items: what a seller writes about what an item is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from features.simulate.lexicon import LANGUAGES, Lexicon

IN_TITLE: Final = 0.7
"""Probability that an attribute is named in the title; else it is left for the text."""
BRAND_FIRST: Final = 0.65
"""Share of the titles that begin with the brand; the others end with it."""
WITH_MODEL: Final = 0.3
"""Share of the titles with a model number."""
NO_TEXT: Final = 0.08
"""Share of the items without a text."""
ATTRIBUTES_FIRST: Final = (0.8, 0.2, 0.9)
"""By language index: share of the titles that name attributes before the type. German sellers put them after it."""

_TURN, _ORDER, _FRONT, _MODEL, _SILENT, _OPENING, _DETAIL = range(7)
_DRAWS: Final = 7
_ENGLISH: Final = LANGUAGES.index("en")
_LETTERS: Final = "ABCDEFGHKLMNPRSTVXZ"
_ONSETS: Final = ("b", "br", "d", "f", "fl", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "z")
_VOWELS: Final = ("a", "e", "i", "o", "u", "ia", "eo")
_ENDINGS: Final = ("", "", "l", "n", "r", "s", "x")
_MOST_BRANDS: Final = 100_000


def compose_titles(
    lexicon: Lexicon,
    language: NDArray[Any],
    kind_of: NDArray[Any],
    values: NDArray[Any],
    brand: Sequence[str],
    random: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """Return the titles and the texts of N items; a text is "" where the seller wrote none.

    A title has the seller's name of the type, the brand and most of the attributes. A text has one sentence on the
    item, and one on the attributes that the title leaves out.

    Args:
        lexicon: the words.
        language: (N,) language index.
        kind_of: (N,) product type index.
        values: (N, 6) index of the value by attribute kind, -1 = the item has none.
        brand: (N,) names of brands.
        random: draws the same count of numbers for every item.
    """
    shown = random.random(values.shape) < IN_TITLE  # (N, 6)
    draws = random.random((len(values), _DRAWS))
    types = [[name[0] for name in kind.names] for kind in lexicon.types]
    words = [[[name[0] for name in value.names] for value in kind] for kind in lexicon.values]
    titles, texts = [], []
    rows = zip(language.tolist(), kind_of.tolist(), values.tolist(), shown.tolist(), brand, draws.tolist(), strict=True)
    for spoken, kind, own, in_title, maker, numbers in rows:
        name = types[kind][spoken]
        named: list[str] = []
        left: list[str] = []
        for number, value in enumerate(own):
            if value >= 0:
                (named if in_title[number] else left).append(words[number][value][spoken])
        titles.append(_title(name, named, maker, spoken, numbers))
        texts.append(_text(lexicon, name, left, maker, spoken, numbers))
    return titles, texts


def _title(name: str, attributes: list[str], brand: str, language: int, numbers: Sequence[float]) -> str:
    words = rotated(attributes, numbers[_TURN])
    words = [*words, name] if numbers[_ORDER] < ATTRIBUTES_FIRST[language] else [name, *words]
    words = [brand, *words] if numbers[_FRONT] < BRAND_FIRST else [*words, brand]
    if numbers[_MODEL] < WITH_MODEL:
        words.append(_model(numbers[_MODEL] / WITH_MODEL))
    title = " ".join(words)
    return _headline(title) if language == _ENGLISH else _sentence(title)


def _text(
    lexicon: Lexicon, name: str, attributes: list[str], brand: str, language: int, numbers: Sequence[float]
) -> str:
    if numbers[_SILENT] < NO_TEXT:
        return ""
    text = pick(lexicon.openings[language], numbers[_OPENING]).format(name=name, brand=brand)
    if attributes:
        detail = pick(lexicon.details[language], numbers[_DETAIL]).format(attributes=", ".join(attributes))
        text = f"{text} {detail}"
    return _sentence(text)


def make_brands(count: int, random: np.random.Generator) -> list[str]:
    """Return ``count`` distinct invented names of three syllables, in the order in which they come to mind.

    Raises:
        ValueError: ``count`` is negative, or more than the syllables can give without long waiting.
    """
    if not 0 <= count <= _MOST_BRANDS:
        raise ValueError(f"{count:,} brands: the count must be between 0 and {_MOST_BRANDS:,}.")
    brands: dict[str, None] = {}
    while len(brands) < count:
        for numbers in random.random((count, 7)).tolist():
            brands.setdefault(_brand(numbers))
    return list(brands)[:count]


def _brand(numbers: Sequence[float]) -> str:
    syllables = (pick(_ONSETS, numbers[at]) + pick(_VOWELS, numbers[at + 1]) for at in (0, 2, 4))
    return ("".join(syllables) + pick(_ENDINGS, numbers[6])).capitalize()


def _model(uniform: float) -> str:
    """Return a letter, a dash and three digits."""
    number = int(uniform * len(_LETTERS) * 900)
    return f"{_LETTERS[number // 900]}-{100 + number % 900}"


def _headline(title: str) -> str:
    """Return ``title`` with large first letters; what follows them stays ("Chef's Knife", "T-Shirt")."""
    return " ".join(map(_sentence, title.split(" ")))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def rotated(words: list[str], uniform: float) -> list[str]:
    """Return ``words`` in their order, from one that ``uniform`` in [0, 1) picks around to the one before it."""
    at = int(uniform * len(words))
    return words[at:] + words[:at]


def pick(choices: Sequence[str], uniform: float) -> str:
    """Return the one of ``choices`` that ``uniform`` in [0, 1) picks."""
    return choices[int(uniform * len(choices))]
