"""What shoppers type when they look for a product type with some attributes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from features.simulate.lexicon import KINDS, Lexicon
from features.simulate.titles import pick, rotated

SYNONYM: Final = 0.35
"""Probability that a word is typed as a synonym of the seller's word, where it has one."""
TYPE_FIRST: Final = 0.2
"""Share of the queries with attributes that begin with the type; the others end with it."""
NO_TYPE: Final = 0.04
"""Share of the queries with at least two attributes that leave the type out."""
FILLER: Final = 0.06
"""Share of the queries with words that say nothing of the item."""
TYPO: Final = 0.05
"""Share of the queries with one wrong letter, or one wrong syllable in Korean."""
PREFIX: Final = 0.07
"""Share of the queries that are sent before they are typed to the end; they have no typo."""

_TYPE: Final = len(KINDS)
_TURN, _ORDER, _LEFT_OUT, _FILL, _SLIP, _WORD, _PLACE, _CHANGE, _LETTER, _CUT = range(_TYPE + 1, _TYPE + 11)
DRAWS: Final = _CUT + 1
"""Random numbers of a query, whatever becomes of it, so that no query depends on the ones before."""

_SHORTEST_WORD: Final = 4
"""Letters of a word that can have a typo; two syllables in Korean."""
_SHORTEST_PREFIX: Final = 3
"""Letters of a query that is cut; two syllables in Korean."""
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_HANGUL: Final = ("가", "힣")


def type_queries(
    lexicon: Lexicon,
    language: NDArray[Any],
    kind_of: NDArray[Any],
    values: NDArray[Any],
    random: np.random.Generator,
) -> list[str]:
    """Return what R shoppers type, in lower case; never empty.

    Args:
        lexicon: the words.
        language: (R,) language index.
        kind_of: (R,) product type index that is looked for.
        values: (R, 6) index of the value that is asked for by attribute kind, -1 = any will do.
        random: gives ``DRAWS`` numbers for every query.
    """
    draws = random.random((len(values), DRAWS))
    meant = phrase_queries(lexicon, language, kind_of, values, draws)
    typed = draws[:, _SLIP]
    for row in np.flatnonzero(typed < TYPO + PREFIX).tolist():
        meant[row] = (_with_typo if typed[row] < TYPO else _cut)(meant[row], draws[row].tolist())
    return meant


def phrase_queries(
    lexicon: Lexicon,
    language: NDArray[Any],
    kind_of: NDArray[Any],
    values: NDArray[Any],
    draws: NDArray[np.float64],
) -> list[str]:
    """Return the queries that R shoppers mean, without typos and typed to the end; ``draws`` (R, DRAWS) in [0, 1)."""
    types = [[_lower(names) for names in kind.names] for kind in lexicon.types]
    words = [[[_lower(names) for names in value.names] for value in kind] for kind in lexicon.values]
    fillers = lexicon.fillers
    queries = []
    rows = zip(language.tolist(), kind_of.tolist(), values.tolist(), draws.tolist(), strict=True)
    for spoken, kind, asked, numbers in rows:
        attributes = [
            _name(words[number][value][spoken], numbers[number]) for number, value in enumerate(asked) if value >= 0
        ]
        query = _phrase(_name(types[kind][spoken], numbers[_TYPE]), attributes, numbers)
        if numbers[_FILL] < FILLER:
            query = pick(fillers[spoken], numbers[_FILL] / FILLER).format(query)
        queries.append(query)
    return queries


def _phrase(name: str, attributes: list[str], numbers: Sequence[float]) -> str:
    if not attributes:
        return name
    words = rotated(attributes, numbers[_TURN])
    if len(attributes) >= 2 and numbers[_LEFT_OUT] < NO_TYPE:
        return " ".join(words)
    return " ".join([name, *words] if numbers[_ORDER] < TYPE_FIRST else [*words, name])


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _name(names: Sequence[str], uniform: float) -> str:
    """Return the seller's name, or one of the synonyms."""
    if uniform >= SYNONYM or len(names) == 1:
        return names[0]
    return names[1 + int(uniform / SYNONYM * (len(names) - 1))]


def _with_typo(query: str, numbers: Sequence[float]) -> str:
    """Return ``query`` with one wrong letter in one of its words; unchanged where all words are short."""
    words = query.split(" ")
    long = [at for at, word in enumerate(words) if len(word) >= (2 if _is_korean(word) else _SHORTEST_WORD)]
    if not long:
        return query
    at = long[int(numbers[_WORD] * len(long))]
    words[at] = _misspelt(words[at], numbers)
    return " ".join(words)


def _misspelt(word: str, numbers: Sequence[float]) -> str:
    """Return ``word`` with two neighbours swapped, or a letter dropped, doubled or replaced; never ``word`` itself."""
    change = int(numbers[_CHANGE] * (2 if _is_korean(word) else 4))
    at = int(numbers[_PLACE] * (len(word) - (change == 0)))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    if change == 0 and after[0] != letter:
        return before + after[0] + letter + after[1:]
    if change == 2:
        return before + letter + letter + after
    if change == 3:
        others = _ALPHABET.replace(letter, "")
        return before + others[int(numbers[_LETTER] * len(others))] + after
    return before + after  # Two equal neighbours cannot be swapped, so one is dropped


def _cut(query: str, numbers: Sequence[float]) -> str:
    """Return the beginning of ``query``, never all of it; unchanged where it is too short to be cut."""
    least = 2 if _is_korean(query) else _SHORTEST_PREFIX
    letters = accumulate(map(str.isalnum, query[:-1]))
    ends = [end + 1 for end, known in enumerate(letters) if known >= least and query[end] != " "]
    return query[: ends[int(numbers[_CUT] * len(ends))]] if ends else query


def _is_korean(text: str) -> bool:
    return any(_HANGUL[0] <= letter <= _HANGUL[1] for letter in text)
