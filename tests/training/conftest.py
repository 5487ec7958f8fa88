from __future__ import annotations

from pathlib import Path

import pytest

from serving.ranker import Ranker
from tests.training.worlds import fitted_run


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str) -> Path:
    """The run folder of the tiny world; it is read, never written."""
    return fitted_run(tmp_path_factory.getbasetemp() / "fitted", tiny_encoder)


@pytest.fixture(scope="session")
def ranker(fitted: Path) -> Ranker:
    return Ranker.load(fitted)
