"""Text to tokens: one normal form, whole words and hashed n-grams of characters, for any language."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_LAST_MARK = 0x1E94A
"""The last combining mark of a script; the variation selectors behind it are about glyphs, not letters."""
_SELECTORS = range(0xFE00, 0xFE10)


def _marks() -> str:
    """Return the combining marks of all scripts, such as the vowels of Hindi, which ``re`` takes for separators."""
    marks = (code for code in range(0x300, _LAST_MARK + 1) if code not in _SELECTORS)
    return "".join(chr(code) for code in marks if unicodedata.category(chr(code)).startswith("M"))


_WORD = re.compile(rf"\w[\w{_marks()}]*")
_PLAIN_WORD = re.compile(r"\w+", re.ASCII)
"""The same where a text has no letters but ASCII: several times as fast."""
GRAM_SIZES = (2, 3, 4)
"""Lengths of the character n-grams; 2 makes two-syllable Korean and Chinese words match."""
PREFIX_SIZES = (1, 2, 3, 4, 5, 6)
"""Word prefixes that are tokens of their own, so that a query matches while it is being typed."""


def normalise(text: str) -> str:
    """Return ``text`` in the form in which texts are compared: NFKC, case folded, single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())  # case folding may leave what NFKC composes


def words(text: str) -> list[str]:
    """Return the words of ``text`` in its normal form, in their order."""
    form = normalise(text)
    return (_PLAIN_WORD if form.isascii() else _WORD).findall(form)


def word_hash(word: str, buckets: int) -> int:
    """Return the bucket of a whole word, in [0, buckets)."""
    return zlib.crc32(word.encode()) % buckets


def _grams(word: str) -> list[str]:
    """Return the word itself, its prefixes and its n-grams with marked ends; most telling first."""
    marked = f"<{word}>"
    prefixes = [f"^{word[:size]}" for size in PREFIX_SIZES if size < len(word)]
    grams = [marked[at : at + size] for size in GRAM_SIZES for at in range(len(marked) - size + 1)]
    return list(dict.fromkeys([f"={word}", f"^{word}", *reversed(prefixes), *grams]))


class Words(NamedTuple):
    """The words of texts, each distinct word once. n = texts, M = words of all of them, V = distinct words."""

    start: NDArray[np.int64]  # (n + 1,) where the words of each text start
    word: NDArray[np.int64]  # (M,) places in ``distinct``
    distinct: list[str]  # (V,)

    @property
    def length(self) -> NDArray[np.int64]:
        """Words (n,) of each text."""
        return np.diff(self.start)


def split_words(texts: Iterable[str | None]) -> Words:
    """Return the words of ``texts``, in their order; none where there is no text."""
    known: dict[str, int] = {}
    word: list[int] = []
    start = [0]
    for text in texts:
        if text:
            word.extend([known.setdefault(one, len(known)) for one in words(text)])
        start.append(len(word))
    return Words(np.array(start, dtype=np.int64), np.array(word, dtype=np.int64), list(known))


class NgramHasher:
    """Hashed tokens of texts, padded to one length.

    Words and n-grams share one table of ``buckets`` rows; row 0 is padding. The words of a text take turns, each with
    its most telling token that is left, so that cutting at ``length`` loses n-grams first, and of all words alike.
    """

    def __init__(self, buckets: int) -> None:
        """Hash into rows 1 to ``buckets`` - 1."""
        self.buckets = buckets

    def matrix(self, texts: Words, length: int) -> NDArray[np.int32]:
        """Return tokens (n, length) int32 of ``texts``; 0 = padding, and a row of zeros where there is no word."""
        tokens = [self._tokens(word)[:length] for word in texts.distinct]
        size = np.array([len(one) for one in tokens], dtype=np.int64)
        flat = np.array([token for one in tokens for token in one], dtype=np.int32)
        first = np.concatenate([[0], np.cumsum(size)[:-1]]) if len(size) else size
        out = np.zeros((len(texts.length), length), dtype=np.int32)
        for start in range(0, len(out), _CHUNK):
            stop = min(start + _CHUNK, len(out))
            word = texts.word[texts.start[start] : texts.start[stop]]
            _take_turns(out[start:stop], texts.length[start:stop], flat, first[word], size[word])
        return out

    def _tokens(self, word: str) -> list[int]:
        return [1 + zlib.crc32(gram.encode()) % (self.buckets - 1) for gram in _grams(word)]


_CHUNK = 8192
"""Texts whose tokens are laid out at once."""


def _take_turns(
    out: NDArray[np.int32],
    words_of: NDArray[np.int64],
    flat: NDArray[np.int32],
    first: NDArray[np.int64],
    size: NDArray[np.int64],
) -> None:
    """Lay the tokens of texts into ``out`` (n, length), the words of each text taking turns.

    Args:
        out: zeros, filled in place.
        words_of: (n,) words of each text.
        flat: tokens of all distinct words.
        first: (M,) where the tokens of each word start in ``flat``.
        size: (M,) how many they are.
    """
    length = out.shape[1]
    row = np.repeat(np.arange(len(out)), words_of)
    filled = np.zeros(len(out), dtype=np.int64)
    turn = 0
    while len(row):
        place = filled[row] + _place_in_run(row)
        kept = place < length
        out[row[kept], place[kept]] = flat[first[kept] + turn]
        filled += np.bincount(row, minlength=len(out))
        turn += 1
        left = kept & (size > turn)
        row, first, size = row[left], first[left], size[left]


def _place_in_run(row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each entry among those of the same ascending ``row``."""
    return np.arange(len(row)) - np.searchsorted(row, row, side="left")


def bag_of_words(texts: Words, buckets: int) -> sparse.csr_matrix:
    """Return word counts (n, buckets) float32 of ``texts``, words hashed whole."""
    bucket = np.array([word_hash(word, buckets) for word in texts.distinct], dtype=np.int64)
    ones = np.ones(len(texts.word), dtype=np.float32)
    counts = sparse.csr_matrix((ones, bucket[texts.word], texts.start), shape=(len(texts.length), buckets))
    counts.sum_duplicates()
    return counts
