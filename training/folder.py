"""The folder that a fit fills: free, unfinished by the same fit, or in use by something else."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.errors import DataError
from serving import manifest
from serving.atomic import write_text
from training.config import FitConfig

WORK = ".fit"
"""What an unfinished fit keeps, in the run folder; it is gone when the run is complete."""
_STATE = "state.json"


@dataclass(frozen=True)
class FitFolder:
    """An ``--out`` that may be filled, and what an earlier, unfinished fit left in it."""

    out: Path
    state: dict[str, Any]

    @property
    def work(self) -> Path:
        """Where checkpoints and notes of the unfinished fit lie."""
        return self.out / WORK

    def note(self, **facts: Any) -> FitFolder:
        """Return the folder with more facts in its state, written at once."""
        state = self.state | facts
        self.work.mkdir(parents=True, exist_ok=True)
        write_text(self.work / _STATE, json.dumps(state, indent=1))
        return FitFolder(self.out, state)

    def finish(self) -> None:
        """Remove what only an unfinished fit needs, and the run that this one replaces."""
        shutil.rmtree(self.work)
        shutil.rmtree(_replaced(self.out), ignore_errors=True)

    def abandon(self) -> None:
        """Remove the folder if nothing was trained yet that one could go on with; what it replaced comes back."""
        trained = any(path.suffix in (".ckpt", ".safetensors") for path in self.out.rglob("*"))
        if trained:
            return
        shutil.rmtree(self.out)
        if _replaced(self.out).exists():
            _replaced(self.out).rename(self.out)


def _replaced(out: Path) -> Path:
    """Return where the run that is being replaced waits until the new one is complete."""
    return out.absolute().with_name(f".{out.absolute().name}.replaced")


def claim(out: Path, data_hash: str, config: FitConfig, *, overwrite: bool) -> FitFolder:
    """Return ``out`` if this fit may fill it; nothing is written yet, except that ``overwrite`` puts it aside.

    Raises:
        DataError: it holds a complete run, a fit of other data or settings, or something else.
    """
    state = {"data": data_hash, "config": config_hash(config)}
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return FitFolder(out, state)
    if not out.is_dir():
        raise DataError(f"{out}: a file is there. Name a folder as --out.")
    ours = manifest.is_complete(out) or (out / WORK).is_dir()
    if overwrite and ours:
        if manifest.is_complete(out):
            shutil.rmtree(_replaced(out), ignore_errors=True)
            out.rename(_replaced(out))
        else:
            shutil.rmtree(out)
        return FitFolder(out, state)
    if manifest.is_complete(out):
        raise DataError(f"{out}: holds a complete run. Name another --out, or pass --overwrite.")
    if not ours:
        raise DataError(f"{out}: holds files that are no run. Name another --out.")
    if not (out / WORK / _STATE).is_file():  # killed before it could say what it is
        return FitFolder(out, state)
    found: dict[str, Any] = json.loads((out / WORK / _STATE).read_text())
    different = [name for name in ("data", "config") if found.get(name) != state[name]]
    if different:
        raise DataError(
            f"{out}: holds an unfinished fit of another {' and '.join(different)}. Finish that one, "
            "name another --out, or pass --overwrite."
        )
    return FitFolder(out, found)


def config_hash(config: FitConfig) -> str:
    """Return the hash of every setting that decides what is fitted; where it is tracked decides nothing."""
    deciding = {name: value for name, value in asdict(config).items() if name != "tracking"}
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
