"""Runs an export with the fake ranker and kills itself at a given point: ``kill_export.py REQUESTS OUT POINT``."""

import os
import signal
import sys
from pathlib import Path

import serving.export as module
from serving.export import ExportSettings, export
from serving.journal import Journal
from tests.serving.fake_ranker import FakeRanker


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(owner, name, call, half=None):
    """Let call number ``call`` of ``owner.name`` do half of its work, and no more."""
    whole, calls = getattr(owner, name), []

    def instead(*arguments, **options):
        calls.append(arguments)
        if len(calls) == call:
            if half is not None:
                half(*arguments)
            die()
        return whole(*arguments, **options)

    setattr(owner, name, instead)


def half_a_line(journal, block):
    with journal.path.open("a") as file:
        file.write('{"block": 2, "reque')


def main(requests, out, point):
    match point:
        case "while ranking":
            die_at(FakeRanker, "rank", 3)
        case "before the rename of a part":
            die_at(os, "replace", 4)
        case "after the rename of a part":
            die_at(module, "file_hash", 4)
        case "before the journal":
            die_at(Journal, "add", 3)
        case "within a line of the journal":
            die_at(Journal, "add", 3, half_a_line)
        case "before the manifest":
            die_at(module, "_summarise", 1)
        case "before anything":
            die_at(Journal, "start", 1)
    settings = ExportSettings(top_k=3, exclude_seen=(), block_size=7, partition_by="task")
    export(FakeRanker(), Path(requests), Path(out), settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
