"""The folder that a demo fills: free, unfinished by the same demo, or in use by something else."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from features.errors import DataError
from serving.atomic import write_text

DATA, RUN, EVALUATION, EXPORT, REPORT = "data", "run", "evaluation.json", "export", "report.html"
STATE: Final = "demo.json"
"""What a demo is of, and how long its steps took; there from the first moment, and the mark of a demo."""
STORE, ARTIFACTS = "mlflow.db", "mlruns"
_OLD: Final = ".old"
"""Ends the name of what is being removed."""
_MADE: Final = (REPORT, EXPORT, EVALUATION, RUN, DATA, STORE, ARTIFACTS)
"""What a demo makes beside its state: the last step first, so that a removal that is killed leaves earlier steps."""


@dataclass(frozen=True)
class DemoFolder:
    """An ``--out`` that may be filled, and what is known of the steps that were done."""

    out: Path
    identity: dict[str, Any]
    """What has to agree for an unfinished demo to be the same one."""
    seconds: dict[str, float]
    """By step that is done, how long it took."""

    @property
    def data(self) -> Path:
        """The simulated tables."""
        return self.out / DATA

    @property
    def run(self) -> Path:
        """The fitted run."""
        return self.out / RUN

    @property
    def evaluation(self) -> Path:
        """The evaluation, as JSON."""
        return self.out / EVALUATION

    @property
    def export(self) -> Path:
        """The answers to the requests that come with the data."""
        return self.out / EXPORT

    @property
    def report(self) -> Path:
        """The page, which is written last: where it is, the demo is complete."""
        return self.out / REPORT

    def took(self, step: str, seconds: float) -> DemoFolder:
        """Return the folder with the time of a step, written at once."""
        found = DemoFolder(self.out, self.identity, self.seconds | {step: round(seconds, 1)})
        found.write()
        return found

    def write(self) -> None:
        """Write the state."""
        state = {"identity": self.identity, "seconds": self.seconds}
        write_text(self.out / STATE, json.dumps(state, indent=1, ensure_ascii=False) + "\n")


def claim(out: Path, identity: dict[str, Any], *, overwrite: bool) -> DemoFolder:
    """Make ``out`` this demo's and return it with the times of the steps that are done, or refuse and touch nothing.

    Raises:
        DataError: it holds a complete demo, an unfinished one of something else, or what no demo makes.
    """
    identity = json.loads(json.dumps(identity))  # as it reads back
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: a file is in the way. Give --out a folder.")
    before = _read(out) if out.is_dir() else None
    _refuse_strangers(out, known={STATE, *_MADE} if before else set())
    if before and not overwrite:
        if (out / REPORT).is_file():
            raise DataError(f"{out}: holds a complete demo. Pass --overwrite to replace it, or another --out.")
        differs = [name for name in identity if before.identity.get(name) != identity[name]]
        if differs:
            raise DataError(
                f"{out}: holds an unfinished demo of {_difference(differs[0], before.identity, identity)}. "
                "Finish that one, pass --overwrite to replace it, or another --out."
            )
        _remove_partial_data(out)
        return before
    if before:
        _remove(out)
    out.mkdir(parents=True, exist_ok=True)
    folder = DemoFolder(out, identity, {})
    folder.write()
    return folder


def _read(out: Path) -> DemoFolder | None:
    """Return the demo that ``out`` holds, complete or not; None where there is none."""
    file = out / STATE
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return DemoFolder(out, dict(found["identity"]), dict(found["seconds"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not what a demo writes ({error!r}). Remove it, or give another --out.") from error


def _refuse_strangers(out: Path, known: set[str]) -> None:
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    strangers = [name for name in names if name not in known and not name.startswith((".", f"{STORE}-"))]
    if strangers:
        raise DataError(f"{out}: holds {strangers[0]!r}, which no demo has made. Give an --out of its own.")


def _difference(name: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say in what an unfinished demo differs, by its first value that does."""
    old, new = before.get(name), now[name]
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(key for key in (*new, *old) if old.get(key) != new.get(key))
        return f"another world ({key} {old.get(key)!r}, asked is {new.get(key)!r})"
    return f"other {name}"


def _remove_partial_data(out: Path) -> None:
    """Remove what was left by a simulation or a removal that was killed; the other steps clean up after themselves."""
    for path in {*out.glob(f".{DATA}.*"), *out.glob(f".*{_OLD}")}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove(out: Path) -> None:
    """Remove what a demo made; its state is left until another takes its place.

    Each thing is put out of sight first, so that none is ever there in part.
    """
    for name in _MADE:
        if (out / name).exists():
            (out / name).rename(out / f".{name}{_OLD}")
    for path in out.glob(f"{STORE}-*"):  # journals of SQLite
        path.unlink()
    _remove_partial_data(out)
