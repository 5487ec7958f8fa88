from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.tiny_encoder import build_tiny_encoder

# Machines are shared: how long an example takes says more of its neighbours than of the code.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def kept_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that outlives the run, for what takes seconds to make and never changes."""
    cache = getattr(request.config, "cache", None)  # there is none under -p no:cacheprovider
    return tmp_path_factory.mktemp("kept") if cache is None else cache.mkdir("unicorn")


@pytest.fixture(scope="session", autouse=True)
def vector_cache(kept_folder: Path) -> Iterator[Path]:
    """Text vectors of the tests, apart from those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNICORN_CACHE", str(kept_folder / "cache"))
        yield kept_folder / "cache"


@pytest.fixture(scope="session")
def tiny_encoder(kept_folder: Path) -> str:
    """The path of a sentence-transformers model with random weights, as small as one can be."""
    return str(build_tiny_encoder(kept_folder / "tiny-encoder-1"))
