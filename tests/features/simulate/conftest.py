from __future__ import annotations

import pytest

from features.simulate.block import Requests, World
from features.simulate.world import log, make_world
from tests.features.simulate.world_tables import Tables, write_world


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """A world like the default one, a quarter of its size."""
    root = tmp_path_factory.mktemp("market") / "data"
    return write_world(root, items=10_000, users=4_000, events=120_000, requests=1_000)


@pytest.fixture(scope="session")
def world(market: Tables) -> World:
    """What the market's tables were made of."""
    return make_world(market.knobs)


@pytest.fixture(scope="session")
def blocks(world: World) -> list[Requests]:
    """The requests of the market's log, with what the tables do not tell of them."""
    return [requests for requests, _, after in log(world) if not after]
