from __future__ import annotations

from argparse import ArgumentError
from dataclasses import replace

import pytest

from features.errors import DataError
from serving.config import ServingConfig
from tests.training.worlds import config
from training.config import FitConfig, SpaceStageConfig, TrainingConfig
from training.fit import with_options
from training.settings import read_config, show_config


def written(folder, text, name="a.yaml"):
    (folder / name).write_text(text)
    return folder / name


def test_nothing_given_is_the_defaults():
    assert read_config([], []) == FitConfig()


def test_every_setting_comes_back_from_what_is_shown(tmp_path):
    shown = config("some/encoder", task_names=("search", "video"), train_tasks=("video",), refit=False)
    assert read_config([written(tmp_path, show_config(shown))], []) == shown
    assert read_config([written(tmp_path, show_config(FitConfig()))], []) == FitConfig()


def test_later_files_win_and_options_win_over_files(tmp_path):
    first = written(tmp_path, "model:\n  space:\n    width: 8\ntraining:\n  seed: 1\n", "first.yaml")
    second = written(tmp_path, "training:\n  seed: 2\n  space:\n    batch: 7\n", "second.yaml")
    found = read_config([first, second], ["--training.space.batch=9", "--serving.exclude_seen=[search]"])
    assert found.model.space.width == 8
    assert found.training.seed == 2
    assert found.training.space.batch == 9
    assert found.serving.exclude_seen == ("search",)
    assert found.training.ranker == FitConfig().training.ranker


def test_an_empty_file_changes_nothing(tmp_path):
    assert read_config([written(tmp_path, "")], []) == FitConfig()


@pytest.mark.parametrize(
    "text",
    [
        "levitation: 3\n",
        "model:\n  space:\n    widht: 8\n",
        "training:\n  seed: many\n",
        "training: 3\n",
        "model:\n  space: 3\n",
        "training:\n",
        "- a\n- list\n",
        "just text\n",
        "model: [unclosed\n",
        "model:\n  space:\n    width: 0\n",
        "features:\n  history: 0\n",
        "features:\n  imputation:\n    user: ghost\n",
    ],
)
def test_a_wrong_file_is_one_line_with_its_name(tmp_path, text):
    file = written(tmp_path, text)
    with pytest.raises(
        DataError, match=r"a\.yaml: not settings of a fit \(.*\)\. See `unicorn fit --print-config`"
    ) as error:
        read_config([file], [])
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.yaml: no such file of settings"):
        read_config([tmp_path / "nowhere.yaml"], [])


@pytest.mark.parametrize(
    "options",
    [
        ["--levitate"],
        ["--model.space.widht=8"],
        ["--training.seed=many"],
        ["--model.space.width=0"],
        ["--features.imputation.user=ghost"],
        ["stray"],
    ],
)
def test_a_wrong_option_is_wrong_usage(options):
    with pytest.raises(ArgumentError):
        read_config([], options)


def test_the_commands_own_options_win():
    base = FitConfig()
    assert with_options(base, None, None) == base
    assert with_options(base, "search, similar", False) == replace(base, train_tasks=("search", "similar"), refit=False)


@pytest.mark.parametrize(
    ("level", "loss", "message"),
    [
        (2, "softmax", "serving.prune_level: 2 needs learned thresholds. Set training.space.loss to hinge as well."),
        (5, "hinge", "serving.prune_level: 5 is no engagement level. Give 1 to 4, or 0 for none."),
        (-1, "hinge", "serving.prune_level: -1 is no engagement level. Give 1 to 4, or 0 for none."),
    ],
)
def test_only_learned_thresholds_prune(level, loss, message):
    training = TrainingConfig(space=SpaceStageConfig(loss=loss))
    with pytest.raises(DataError) as error:
        FitConfig(serving=ServingConfig(prune_level=level), training=training)
    assert str(error.value) == message
    FitConfig(serving=ServingConfig(prune_level=4), training=TrainingConfig(space=SpaceStageConfig(loss="hinge")))
