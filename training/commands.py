"""The commands of training, from ``fit`` to ``demo``. At module level typer alone, so that help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A data folder.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar, no summary.")]
Judged = Annotated[Path, typer.Option(help="The data folder that is judged.")]
Split = Annotated[str, typer.Option(help="valid or test.")]
K = Annotated[str, typer.Option(metavar="K,…", help="Cut-offs.")]
ExcludeSeen = Annotated[
    str | None,
    typer.Option(
        metavar="all|none|TASK,…",
        help="Tasks for which items that the user has engaged with are left out; by default all but search.",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(metavar="NAME,…", help="Metrics in which rankers are compared; by default ndcg_at_10,recall_at_20."),
]
Json = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the evaluation as JSON.")]
Seed = Annotated[int, typer.Option(help="Of the resamples.")]


def fit(
    context: typer.Context,
    data: Data,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    config: Annotated[list[Path] | None, typer.Option(help="YAML files of settings; later ones win.")] = None,
    refit: Annotated[
        bool | None,
        typer.Option("--refit/--no-refit", help="Whether to fit again on train and valid; the default is yes."),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(metavar="TASK,…", help="Train on the rows of these tasks alone; the others stay known."),
    ] = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print every setting, and stop.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier fit left in --out.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train one model for all tasks; any setting can follow as --section.key=value."""
    import sys

    from training.settings import read_config, show_config

    settings = read_config(config or [], context.args)
    from training.fit import fit as train
    from training.fit import with_options

    settings = with_options(settings, tasks, refit)
    if print_config:
        typer.echo(show_config(settings), nl=False)
        return
    run = train(data, out, settings, overwrite=overwrite, quiet=quiet, progress=not quiet and sys.stderr.isatty())
    typer.echo(str(run))


fit.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}  # type: ignore[attr-defined]


def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, runs:/ID or models:/NAME@ALIAS.")],
    data: Judged,
    split: Split = "test",
    k: K = "1,5,10,20,100",
    baselines: Annotated[
        str, typer.Option(metavar="NAME,…|none", help="Baselines that are judged beside the run.")
    ] = "popularity",
    exclude_seen: ExcludeSeen = None,
    metrics: Metrics = None,
    json: Json = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the evaluation as a page.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Judge a run per task, with intervals, beside baselines."""
    from training.evaluate import evaluate as judge_run

    outputs: dict[str, Any] = {"html": html, "quiet": quiet, "progress": not quiet}
    judge_run(run, data, split, k, baselines, exclude_seen, json, seed, metrics=metrics, **outputs)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN_A RUN_B …", help="Runs; those that differ in their seed alone count as one."),
    ],
    data: Judged,
    split: Split = "test",
    k: K = "1,5,10,20,100",
    exclude_seen: ExcludeSeen = None,
    metrics: Metrics = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Compare runs per task on the same requests: the first one's lead over each other one, with intervals and p.

    A run that was fitted with --tasks is judged in these tasks.
    """
    from training.compare import compare as compare_runs

    compare_runs(runs, data, split, k, exclude_seen, json, seed, metrics=metrics, quiet=quiet)


def diagnose(
    data: Data,
    exclude_seen: ExcludeSeen = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the diagnosis as JSON.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is sampled.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Say what the data tells of joining its tasks, before any training: what they share, and what each would gain."""
    from training.diagnose.run import diagnose as diagnose_folder

    diagnose_folder(data, exclude_seen, json, seed, quiet=quiet)


def tune_quality(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    data: Annotated[Path, typer.Option(help="The data folder that the run was fitted on.")],
    trials: Annotated[int, typer.Option(help="Weights tried on each half of the valid requests of a task.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the halves, the trials and the intervals.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Tune how much the quality of items counts in the space, per task, on what users engaged with in valid.

    The weights are chosen with the model that was fitted on train alone, and kept where requests confirm them that did
    not choose them; the ranker stays as it is.
    """
    from training.quality.tune import tune_quality as tune

    tune(run, data, trials, seed, quiet=quiet, progress=not quiet)


def demo(
    out: Annotated[Path, typer.Option(help="The folder that takes everything.")] = Path("demo"),
    items: Annotated[int | None, typer.Option(help="Items of the world.")] = None,
    users: Annotated[int | None, typer.Option(help="Users of the world.")] = None,
    events: Annotated[int | None, typer.Option(help="Rows of its log.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the world.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what another demo left in --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No word on the steps, only the results.")] = False,
) -> None:
    """Show the whole main job on a simulated marketplace: simulate, fit, evaluate, export, report.

    A demo that was killed goes on where it stopped when the same command is given again.
    """
    from features.simulate.knobs import Knobs
    from training.demo import demo as show

    asked: dict[str, Any] = {"items": items, "users": users, "events": events, "seed": seed}
    knobs = Knobs(**{name: size for name, size in asked.items() if size is not None})
    show(out, knobs, overwrite=overwrite, quiet=quiet)
