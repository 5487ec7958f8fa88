"""Settings of a fit: every value that is used, with its default, for every data set."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from features.columns import TASKS
from features.config import FeatureConfig
from features.errors import DataError
from serving.config import ServingConfig
from unicorn.config import LEVELS, ModelConfig


@dataclass(frozen=True, kw_only=True)
class DropoutConfig:
    """Shares of training requests in which a field is hidden, so that the model meets every gap."""

    query: float = 0.05
    """Query hidden."""
    source: float = 0.1
    """Source item hidden."""
    country: float = 0.1
    """Country hidden."""
    user: float = 0.05
    """User hidden, and the history with it."""
    history: float = 0.05
    """History hidden."""
    user_id: float = 0.5
    """User id replaced by "never seen", the history kept, so that a new user works."""
    item_id: float = 0.1
    """Item id hidden in the item tower, so that a new item works."""
    graph: float = 0.5
    """Graph vector hidden in the item tower: it was fitted on the very edges that the space learns from."""


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What both stages of training share."""

    learning_rate: float = 1e-3
    """Step size of Adam at its largest."""
    warmup: int = 20
    """Steps in which the step size rises to it."""
    decay_after: int = 300
    """Steps after which it falls with the square root of the step."""
    averaging: float = 0.98
    """What the moving average of the weights keeps of itself in a step; the average is what is validated and kept."""
    batch: int = 1024
    """Requests of a step; less where the data is small."""
    max_epochs: float = 30.0
    """Passes over the rows at most."""
    max_steps: int = 3000
    """Steps at most."""
    rounds_per_epoch: float = 2.0
    """Validations in a pass over the rows."""
    min_round: int = 40
    """Fewest steps between two validations."""
    max_rounds: int = 24
    """Most validations of a stage."""
    patience: int = 2
    """Rounds without a better validation before the stage stops."""
    least_gain: float = 5e-4
    """What NDCG must gain for a validation to count as better; the best round is kept all the same."""

    def rate_at(self, step: int) -> float:
        """Return the step size of ``step``, from 0, as a share of the largest."""
        return min((step + 1) / max(self.warmup, 1), 1.0, math.sqrt(self.decay_after / max(step, 1)))


@dataclass(frozen=True, kw_only=True)
class SpaceStageConfig(StageConfig):
    """Training of the space on engaged rows against negatives of several kinds."""

    max_steps: int = 1500
    """Steps at most."""
    max_rounds: int = 12
    """Most validations of the stage."""
    loss: Literal["softmax", "hinge"] = "softmax"
    """``softmax`` over sampled columns, or ``hinge`` with a learned threshold for each engagement level."""
    margin: float = 0.1
    """Distance in cosine that the hinge demands from a threshold."""
    uniform: int = 1024
    """Uniform negatives of a step, shared by its requests."""
    zeros: int = 0
    """Logged zeros of a step at most: what was shown beside a target and not engaged with, negative for its request."""
    hard: int = 0
    """Mined negatives of a step, shared by its requests: near a request in the space as it stood before the round."""
    hard_depth: int = 100
    """How far down the ranking of a request mined negatives come from."""
    hard_pool: int = 20_000
    """Items of a larger catalogue that are searched for them in a round."""
    hard_first: float = 0.0
    """Weight of mined negatives at the first step; uniform ones weigh what is left to 1."""
    hard_last: float = 0.5
    """Weight of mined negatives at the end of the ramp, which is linear."""
    hard_ramp: int = 500
    """Steps of the ramp."""
    task_balance: float = 0.5
    """0 weighs every row alike, 1 every task alike."""

    def hard_weight(self, step: int) -> float:
        """Return what mined negatives weigh at ``step``, from 0; 0 where there are none."""
        if not self.hard:
            return 0.0
        return self.hard_first + (self.hard_last - self.hard_first) * min(step / max(self.hard_ramp, 1), 1.0)


@dataclass(frozen=True, kw_only=True)
class RankerStageConfig(StageConfig):
    """Training of the ranker: binary cross-entropy on lists of a target and sampled candidates."""

    batch: int = 256
    """Lists of a step."""
    max_epochs: float = 24.0
    """Passes over the lists at most."""
    max_steps: int = 1500
    """Steps at most."""
    min_round: int = 80
    """Fewest steps between two validations."""
    targets: int = 4
    """Targets of a list at most; requests with more get several lists."""
    hard: int = 40
    """Negatives of a list that are drawn from the request's candidates."""
    uniform: int = 8
    """Negatives of a list that are drawn from the whole catalogue."""
    zeros: int = 8
    """Items of a list at most that were shown with its target and not engaged with."""
    max_lists: int = 30_000
    """Lists at most; a seeded sample of the rows beyond."""
    task_balance: float = 0.5
    """0 weighs every list alike, 1 every task alike."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the model is trained."""

    seed: int = 0
    """Of everything that is drawn."""
    threads: int = 0
    """Threads of torch; 0 leaves its own choice."""
    ranker_share: float = 0.25
    """Share of the rows that the ranker learns from, and that space and counts do not see while it learns."""
    valid_requests: int = 2000
    """Requests of each task at most that a validation ranks; a seeded sample beyond."""
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    """Hidden fields."""
    space: SpaceStageConfig = field(default_factory=SpaceStageConfig)
    """The first stage."""
    ranker: RankerStageConfig = field(default_factory=RankerStageConfig)
    """The second stage."""


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where a run is tracked."""

    enabled: bool = True
    """Whether the run is logged to MLflow."""
    uri: str | None = None
    """Tracking store; null = the environment's MLFLOW_TRACKING_URI, else ``sqlite:///mlflow.db``."""
    experiment: str = "unicorn"
    """Experiment that runs belong to."""
    log_model: bool = True
    """Whether the model itself is logged, so that ``runs:/…`` can be served."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Everything that decides a fit."""

    task_names: tuple[str, ...] = TASKS
    """Names of the tasks; a new task is one more name."""
    train_tasks: tuple[str, ...] | None = None
    """Tasks whose rows are trained on, the others staying known; null = all. ``--tasks`` sets it."""
    refit: bool = True
    """Whether everything is fitted again on train and valid for the steps that were chosen on valid."""
    features: FeatureConfig = field(default_factory=FeatureConfig)
    """What the model is told."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The model."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""
    serving: ServingConfig = field(default_factory=ServingConfig)
    """How it answers."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """Where the run is tracked."""

    def __post_init__(self) -> None:
        """Refuse to prune by thresholds that nothing learns."""
        level, learns = self.serving.prune_level, self.training.space.loss == "hinge"
        if not 0 <= level <= LEVELS:
            raise DataError(f"serving.prune_level: {level} is no engagement level. Give 1 to {LEVELS}, or 0 for none.")
        if level and not learns:
            raise DataError(
                f"serving.prune_level: {level} needs learned thresholds. Set training.space.loss to hinge as well."
            )
