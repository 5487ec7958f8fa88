from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from features.config import FeatureConfig, ImputationConfig
from features.errors import DataError
from serving.config import CandidateConfig, ServingConfig
from serving.settings import from_dict

SERVING = ServingConfig(candidates=CandidateConfig(space=7), exclude_seen=("similar",))


@pytest.mark.parametrize(
    "config",
    [
        SERVING,
        ServingConfig(),
        FeatureConfig(quality=("rating",), imputation=ImputationConfig(user="country")),
    ],
)
def test_settings_come_back_from_json(config):
    values = json.loads(json.dumps(asdict(config)))
    assert from_dict(type(config), values, "here") == config


def test_an_unknown_key_is_named_with_its_place():
    values = asdict(SERVING)
    values["candidates"]["levitation"] = 3
    with pytest.raises(DataError, match=r"model\.json: serving\.candidates: unknown setting 'levitation'"):
        from_dict(ServingConfig, values, "model.json: serving")
