"""The model that is served: loaded anew without a pause when its run changes."""

from __future__ import annotations

import logging
import threading
from copy import copy
from pathlib import Path

import polars as pl

from features.columns import Col
from features.errors import DataError
from serving import manifest
from serving.locate import SCHEMES, locate, use_tracking_store
from serving.ranker import Ranker

logger = logging.getLogger(__name__)


class Holder:
    """A ranker, and what was added to it and removed from it since it was loaded.

    Whoever takes ``ranker`` may finish with it, whatever is loaded meanwhile.
    """

    def __init__(self, run: str) -> None:
        """Load ``run``: a folder, ``runs:/…`` or ``models:/name@alias``.

        Raises:
            DataError: there is no such run.
        """
        self.run = run
        self._mark = mark(run)
        self.ranker = Ranker.load(run)
        self._added: dict[str, pl.DataFrame] = {}  # by item, one row each
        self._removed: dict[str, None] = {}
        self._changes = threading.Lock()  # one change at a time; reading needs none

    def add(self, items: pl.DataFrame) -> Ranker:
        """Rank ``items`` as well, and return the ranker that does.

        Raises:
            DataError: the table is not as it should be, or an item is there already.
        """
        with self._changes:
            fresh = copy(self.ranker)  # whoever ranks right now goes on with the items that they began with
            fresh.add_items(items)
            self.ranker = fresh
            for row in items.iter_slices(1):
                name = row.get_column(Col.ITEM).item()
                if name in self._removed:
                    del self._removed[name]
                else:
                    self._added[name] = row
            return self.ranker

    def remove(self, ids: list[str]) -> Ranker:
        """Rank items no more, and return the ranker.

        Raises:
            DataError: an item is not in the catalogue.
        """
        with self._changes:
            self.ranker.remove_items(ids)
            self._removed |= dict.fromkeys(ids)
            return self.ranker

    def reload(self) -> bool:
        """Load the run again if it is another one by now, and return whether it was.

        What was added is added again unless the new catalogue has it, and what was removed stays away. A run that
        cannot be loaded leaves the old one at work.
        """
        try:
            found = mark(self.run)
            if found == self._mark:
                return False
            fresh = Ranker.load(self.run)
            with self._changes:
                known = set(fresh.items.get_column(Col.ITEM))
                self._added = {name: row for name, row in self._added.items() if name not in known}
                if self._added:
                    fresh.add_items(pl.concat(self._added.values(), how="diagonal_relaxed"))
                known |= self._added.keys()
                self._removed = {name: None for name in self._removed if name in known}
                fresh.remove_items(self._removed)
                self.ranker, self._mark = fresh, found
        except DataError as error:
            logger.error("%s: the model at work stays, %s", self.run, error)
            return False
        return True


def mark(run: str) -> str:
    """Return what tells a run from the one that was there before under its name.

    Raises:
        DataError: there is no such run.
    """
    if not run.startswith(SCHEMES):
        path = Path(locate(run)) / manifest.NAME
        return manifest.file_hash(path)
    if "@" not in run:
        return run
    return _version(run)


def _version(run: str) -> str:
    """Return the version that an alias of MLflow stands for."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    use_tracking_store()
    name, _, alias = run.removeprefix("models:/").partition("@")
    try:
        return str(MlflowClient().get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        raise DataError(f"{run}: there is no such model in MLflow ({error}).") from error
