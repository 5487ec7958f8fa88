"""The commands of serving: rank, index, export and serve. At module level typer alone, so that help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, runs:/ID or models:/NAME@ALIAS.")]
ExcludeSeen = Annotated[
    str | None,
    typer.Option(
        metavar="all|none|TASK,…",
        help="Tasks for which items that the user has engaged with are left out; by default all but search.",
    ),
]
TopK = Annotated[int, typer.Option(min=1, help="Most items per request.")]


def rank(
    run: Run,
    task: Annotated[str, typer.Option(help="The surface that asks, e.g. search.")],
    user: Annotated[str | None, typer.Option(help="Who asks.")] = None,
    query: Annotated[str | None, typer.Option(help="What they typed.")] = None,
    country: Annotated[str | None, typer.Option(help="Where they are (ISO 3166).")] = None,
    source_item: Annotated[str | None, typer.Option(help="The item that they are looking at.")] = None,
    top_k: TopK = 10,
    exclude_seen: ExcludeSeen = None,
) -> None:
    """Answer one request, as a table with titles."""
    from serving.exclusion import parse
    from serving.ranker import Ranker
    from serving.table import print_ranking, ranking

    ranker = Ranker.load(run)
    request = {"task": task, "user_id": user, "query": query, "country": country, "source_item_id": source_item}
    left_out = ranker.exclude_seen if exclude_seen is None else parse(exclude_seen, ranker.tasks)
    answer = ranker.rank([request], top_k, left_out)
    print_ranking(ranking(answer, ranker.items))


def index(
    run: Run,
    factory: Annotated[
        str | None, typer.Option(help="auto, Flat, compressed, or a factory string of faiss, e.g. HNSW32,SQ8.")
    ] = None,
    ef_construction: Annotated[int | None, typer.Option(min=1, help="What a graph looks at when it is built.")] = None,
    ef_search: Annotated[int | None, typer.Option(min=1, help="What a graph keeps in view in a search.")] = None,
    nprobe: Annotated[int | None, typer.Option(min=1, help="Inverted lists that a search reads.")] = None,
    over_fetch: Annotated[float | None, typer.Option(min=1.0, help="Times as many items to score exactly.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads that build.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No summary.")] = False,
) -> None:
    """Build the index of a run folder again; what is not given stays as it was."""
    from serving.index_rebuild import rebuild
    from serving.locate import locate

    given = {
        "factory": factory,
        "ef_construction": ef_construction,
        "ef_search": ef_search,
        "nprobe": nprobe,
        "over_fetch": over_fetch,
        "threads": threads,
    }
    built = rebuild(locate(run), {name: value for name, value in given.items() if value is not None})
    if not quiet:
        typer.echo(f"{run}: {built.factory} of {built.items:,} items, {built.width} components")


def export(
    run: Run,
    requests: Annotated[Path, typer.Option(help="A Parquet file of requests, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="The folder that takes the answers.")],
    top_k: TopK,
    exclude_seen: ExcludeSeen = None,
    partition_by: Annotated[Literal["task"] | None, typer.Option(help="One folder of parts per task.")] = None,
    engine: Annotated[Literal["local"], typer.Option(help="Where requests are ranked.")] = "local",
    block_size: Annotated[int, typer.Option(min=1, help="Requests per part.")] = 4096,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what another export left in --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar, no summary.")] = False,
) -> None:
    """Answer a file of requests, to Parquet; a killed export goes on where it stopped."""
    from features.progress import progress_bar
    from serving.exclusion import parse
    from serving.export import ExportSettings
    from serving.export import export as write_answers
    from serving.ranker import Ranker

    ranker = Ranker.load(run)
    settings = ExportSettings(
        top_k=top_k,
        exclude_seen=ranker.exclude_seen if exclude_seen is None else parse(exclude_seen, ranker.tasks),
        block_size=block_size,
        partition_by=partition_by,
        engine=engine,
    )
    with progress_bar("requests", quiet) as progress:
        manifest = write_answers(ranker, requests, out, settings, overwrite=overwrite, progress=progress)
    if not quiet:
        parts = len(manifest["parts"])
        typer.echo(f"{out}: {manifest['rows']:,} rows for {manifest['requests']:,} requests in {parts:,} parts")


def serve(
    run: Run,
    host: Annotated[
        str, typer.Option(help="Address to listen at; elsewhere than here, UNICORN_TOKEN has to be set.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any that is free.")] = 8000,
    reload_seconds: Annotated[
        float, typer.Option(min=0.0, help="How often RUN is looked at for another model; 0 = never.")
    ] = 10.0,
    beside: Annotated[str | None, typer.Option(metavar="RUN", help="Another run, to explore side by side.")] = None,
) -> None:
    """Answer requests over HTTP, with a page to explore them; if UNICORN_TOKEN is set, callers have to show it."""
    from serving.http.server import run_server

    run_server(run, host, port, reload_seconds, beside)
