"""The model that is served: loaded anew without a pause when its run changes."""

from __future__ import annotations

import logging
import threading
from copy import copy
from pathlib import Path

import polars as pl

from features.columns import Col
from features.errors import DataError
from features.new_items import conformed
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
        self._failed = ""  # the mark of a run that could not be loaded
        self._changes = threading.Lock()  # one change at a time; reading needs none

    def add(self, items: pl.DataFrame) -> Ranker:
        """Rank ``items`` as well, and return the ranker that does.

        Raises:
            DataError: the table is not as it should be, or an item is there already.
        """
        items = conformed(items)
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
            return fresh

    def remove(self, ids: list[str]) -> Ranker:
        """Rank items no more, and return the ranker.

        Raises:
            DataError: an item is not in the catalogue.
        """
        with self._changes:
            fresh = copy(self.ranker)
            fresh.remove_items(ids)
            self.ranker = fresh
            self._removed |= dict.fromkeys(ids)
            return fresh

    def reload(self) -> bool:
        """Load the run again if it is another one by now, and return whether it was.

        What was added is added again unless the new catalogue has it, or cannot take it, and what was removed stays
        away. A run that cannot be loaded leaves the old one at work, and is not tried again before it changes.
        """
        try:
            found = mark(self.run)
        except Exception:  # whatever a store or a file system raises; the next look may find it
            logger.exception("%s: cannot be looked at, the model at work stays", self.run)
            return False
        if found in (self._mark, self._failed):
            return False
        try:
            fresh = Ranker.load(self.run)
        except Exception:  # whatever a damaged run raises
            logger.exception("%s: cannot be loaded, the model at work stays", self.run)
            self._failed = found
            return False
        with self._changes:
            self._catch_up(fresh)
            self.ranker, self._mark, self._failed = fresh, found, ""
        return True

    def _catch_up(self, fresh: Ranker) -> None:
        """Add to a model that was just loaded what came since, and remove what went."""
        known = set(fresh.items.get_column(Col.ITEM))
        for name, row in list(self._added.items()):
            try:
                if name not in known:
                    fresh.add_items(row)
                    continue
            except DataError as error:
                logger.error("%s: left out of the new model, %s", name, error)
            del self._added[name]
        known |= self._added.keys()
        self._removed = {name: None for name in self._removed if name in known}
        fresh.remove_items(self._removed)


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
