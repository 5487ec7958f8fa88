from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from features.encoder import StaticEncoder, TextEncoder
from features.errors import DataError
from features.vector_cache import VectorCache
from tests.tiny_encoder import SPECIAL, WIDTH

TEXTS = ["red chair", "blue lamp", "", "red chair"]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNICORN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def parts(cache: Path) -> list[Path]:
    return sorted(cache.rglob("part-*.safetensors"))


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)


ENCODE = """
import sys
from features.encoder import TextEncoder
encoder = TextEncoder(sys.argv[1])
vectors = encoder.encode(["red chair", "blue lamp"])
static = encoder.distil().encode(["red lamp"])
print(vectors.shape, static.shape, sorted({"torch", "transformers", "sentence_transformers"} & set(sys.modules)))
"""


def test_a_local_model_is_quiet_and_with_everything_cached_not_even_imported(
    tiny_encoder: str, empty_cache: Path
) -> None:
    first, second = run(ENCODE, tiny_encoder), run(ENCODE, tiny_encoder)
    assert first.stdout.strip() == "(2, 16) (1, 16) ['sentence_transformers', 'torch', 'transformers']"
    assert second.stdout.strip() == "(2, 16) (1, 16) []"
    assert first.stderr == second.stderr == ""


def test_vectors_have_unit_norm_and_equal_texts_equal_vectors(tiny_encoder: str) -> None:
    vectors = TextEncoder(tiny_encoder).encode(TEXTS)
    assert vectors.shape == (4, WIDTH) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert not np.allclose(vectors[0], vectors[1])


def test_no_texts_have_the_width_of_the_model(tiny_encoder: str) -> None:
    assert TextEncoder(tiny_encoder).encode([]).shape == (0, WIDTH)


def test_cached_vectors_are_those_of_the_model(tiny_encoder: str, empty_cache: Path) -> None:
    fresh = TextEncoder(tiny_encoder).encode(TEXTS)
    cached = TextEncoder(tiny_encoder)
    np.testing.assert_array_equal(cached.encode(TEXTS), fresh)
    assert cached._loaded is None
    assert len(parts(empty_cache)) == 1


def test_only_new_texts_are_encoded(tiny_encoder: str, empty_cache: Path) -> None:
    TextEncoder(tiny_encoder).encode(["red chair"])
    TextEncoder(tiny_encoder).encode(["blue lamp", "red chair"])
    rows = [len(VectorCache(part.parent).read([VectorCache.key("red chair")])) for part in parts(empty_cache)]
    assert rows == [1, 1]
    assert len(parts(empty_cache)) == 2


def test_other_settings_and_other_weights_have_a_cache_of_their_own(
    tiny_encoder: str, empty_cache: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in Path(tiny_encoder).iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    same, fewer, changed = TextEncoder(tiny_encoder), TextEncoder(tiny_encoder, 8), TextEncoder(str(other))
    assert len({same._identity(), fewer._identity(), changed._identity()}) == 3
    assert same._identity() == TextEncoder(tiny_encoder)._identity()


def test_max_tokens_cuts_a_text_and_never_reads_beyond_the_model(tiny_encoder: str, empty_cache: Path) -> None:
    cut = TextEncoder(tiny_encoder, max_tokens=3).encode(["red", "red chair lamp"])
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-6)  # [CLS] red [SEP]
    long = TextEncoder(tiny_encoder, max_tokens=500).encode(["red " * 200])  # the model has 32 places
    assert np.isfinite(long).all()


@pytest.mark.parametrize("content", [b"", b"half of a part", b"\x10\0\0\0\0\0\0\0{}"])
def test_a_broken_part_is_one_that_is_not_there(tiny_encoder: str, empty_cache: Path, content: bytes) -> None:
    fresh = TextEncoder(tiny_encoder).encode(TEXTS)
    static = TextEncoder(tiny_encoder).distil()
    for part in empty_cache.rglob("*.safetensors"):
        part.write_bytes(content)
    mended = TextEncoder(tiny_encoder)
    np.testing.assert_allclose(mended.encode(TEXTS), fresh, atol=1e-6)
    np.testing.assert_array_equal(mended.distil().vectors, static.vectors)
    assert TextEncoder(tiny_encoder)._cache.read([VectorCache.key("red chair")])


def test_parts_that_hold_something_else_are_left_alone(tiny_encoder: str, empty_cache: Path) -> None:
    fresh = TextEncoder(tiny_encoder).encode(TEXTS)
    folder = parts(empty_cache)[0].parent
    save_file({"other": np.zeros(3)}, folder / "part-other.safetensors")
    save_file({"keys": np.zeros((2, 16), np.uint8), "vectors": np.zeros((3, 4))}, folder / "part-odd.safetensors")
    save_file({"vectors": np.zeros((3, 4))}, folder / "static.safetensors")
    (folder / ".part-unfinished.safetensors.1234").write_bytes(b"killed while it was written")
    np.testing.assert_array_equal(TextEncoder(tiny_encoder).encode(TEXTS), fresh)
    assert TextEncoder(tiny_encoder).distil().width == WIDTH


def test_a_part_that_vanishes_under_a_reader_is_encoded_again(tiny_encoder: str, empty_cache: Path) -> None:
    fresh = TextEncoder(tiny_encoder).encode(TEXTS)
    reader = TextEncoder(tiny_encoder)
    for part in parts(empty_cache):
        part.unlink()
    np.testing.assert_allclose(reader.encode(TEXTS), fresh, atol=1e-6)


def test_a_cache_that_cannot_be_written_costs_time_and_not_the_fit(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNICORN_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert TextEncoder(tiny_encoder).encode(TEXTS).shape == (4, WIDTH)
    assert "Set UNICORN_CACHE to a folder to write to." in caplog.text


def test_processes_that_share_a_cache_do_not_disturb_each_other(tiny_encoder: str, empty_cache: Path) -> None:
    TextEncoder(tiny_encoder).distil()
    code = """
import sys
import numpy as np
from features.vector_cache import VectorCache
folder, name = sys.argv[1:]
from pathlib import Path
cache = VectorCache(Path(folder))
for turn in range(20):
    keys = [VectorCache.key(f"shared {turn} {row}") for row in range(50)]
    cache.add(keys, np.full((50, 4), turn, dtype=np.float32))
    assert VectorCache(Path(folder)).read(keys)[keys[-1]].tolist() == [turn] * 4
"""
    folder = str(empty_cache / "shared")
    started = [subprocess.Popen([sys.executable, "-c", code, folder, str(name)]) for name in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    names = [path.name for path in Path(folder).iterdir()]
    assert len(names) == 20 and not [name for name in names if name.startswith(".")]


@pytest.mark.parametrize("model", ["./no/such/model", "README.md"])
def test_a_model_that_cannot_be_loaded_is_one_line(model: str, empty_cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "modules.json").write_text("not json")
    for path in (str(tmp_path / model), str(broken)):
        with pytest.raises(DataError) as error:
            TextEncoder(path).encode(["red chair"])
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(f"features.text.model={path!r} cannot be loaded (")
        assert "'packaged'" in str(error.value)


def test_a_model_of_token_vectors_works_as_well(tiny_encoder: str, empty_cache: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(tiny_encoder) / "tokenizer.json"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    model.save(str(tmp_path / "static"))
    encoder = TextEncoder(str(tmp_path / "static"))
    assert encoder.encode(["red chair"]).shape == encoder.distil().encode(["red chair"]).shape == (1, 8)


def test_the_packaged_model_knows_what_words_mean() -> None:
    chair, seat, jazz = TextEncoder().encode(["a wooden chair", "seat made of oak", "saxophone concert"])
    assert chair.shape == (384,)
    assert chair @ seat > chair @ jazz + 0.2


def test_distilled_tokens_follow_the_arithmetic(tiny_encoder: str) -> None:
    encoder = TextEncoder(tiny_encoder)
    static = encoder.distil()
    tokens = json.loads(static.tokenizer)["model"]["vocab"]
    order = sorted(tokens, key=tokens.__getitem__)
    vectors = encoder.encode([token.removeprefix("##") for token in order])
    row = tokens["chair"]
    rate = 1 / (np.arange(len(order)) + 2.7)
    weight = 1e-3 / (1e-3 + rate[row] / rate.sum())
    expected = (vectors[row] - vectors.mean(axis=0)) * weight
    np.testing.assert_allclose(static.vectors[row], expected, atol=2e-3)  # half precision
    assert not static.vectors[[tokens[token] for token in SPECIAL]].any()


def test_a_static_vector_is_the_unit_mean_of_its_tokens(tiny_encoder: str) -> None:
    static = TextEncoder(tiny_encoder).distil()
    tokens = json.loads(static.tokenizer)["model"]["vocab"]
    total = static.vectors[[tokens["red"], tokens["chair"]]].astype(np.float32).sum(axis=0)
    found = static.encode(["Red  CHAIR", "", "红", "red"])
    np.testing.assert_allclose(found[0], total / np.linalg.norm(total), rtol=1e-5)
    assert not found[1].any() and not found[2].any()  # no text; a letter that the tokeniser does not know
    np.testing.assert_allclose(np.linalg.norm(found[3]), 1, rtol=1e-5)
    assert static.encode([]).shape == (0, WIDTH)


def test_a_static_vector_does_not_depend_on_its_neighbours(tiny_encoder: str) -> None:
    static = TextEncoder(tiny_encoder).distil()
    together = static.encode(["", "red", "blue lamp", "", "piano"])
    for row, text in enumerate(["", "red", "blue lamp", "", "piano"]):
        np.testing.assert_array_equal(together[row], static.encode([text])[0])


def test_saved_is_loaded(tiny_encoder: str, tmp_path: Path) -> None:
    static = TextEncoder(tiny_encoder).distil()
    static.save(tmp_path / "static")
    loaded = StaticEncoder.load(tmp_path / "static")
    np.testing.assert_array_equal(loaded.encode(["red chair", "jazz"]), static.encode(["red chair", "jazz"]))


def test_vectors_in_bfloat16_are_unit_and_near_those_in_float32(tiny_encoder, monkeypatch, tmp_path):
    texts = ["red chair", "a much longer text about a green lamp", "x"]
    found = {}
    for halves in (True, False):
        monkeypatch.setenv("UNICORN_CACHE", str(tmp_path / str(halves)))
        monkeypatch.setattr("features.encoder.has_bfloat16", lambda halves=halves: halves)
        found[halves] = TextEncoder(tiny_encoder).encode(texts)
        np.testing.assert_allclose(np.linalg.norm(found[halves], axis=1), 1.0, rtol=1e-6)
    assert (found[True] != found[False]).any()  # they are not the same numbers
    assert ((found[True] * found[False]).sum(axis=1) > 0.99).all()
