"""The configuration of a fit, read by jsonargparse: types are the schema, files compose, an unknown key is an error."""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from jsonargparse import ArgumentParser, Namespace

from features.errors import DataError
from training.config import FitConfig


def parser() -> ArgumentParser:
    """Return the parser of every setting, as ``--section.key``."""
    made = ArgumentParser(prog="unicorn fit", exit_on_error=False, default_env=False)
    made.add_class_arguments(FitConfig, None)
    return made


def read_config(files: Sequence[Path], options: Sequence[str]) -> FitConfig:
    """Return the settings of YAML ``files``, later ones winning, and of ``options`` such as ``--section.key=value``.

    Raises:
        DataError: a file is absent, is no YAML or names an unknown setting.
        ArgumentError: an option is unknown or has a wrong value, which is wrong usage.
    """
    reader = parser()
    values = reader.get_defaults()
    for file in files:
        if not file.is_file():
            raise DataError(f"{file}: no such file of settings.")
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            _require_sections(found, FitConfig, "the file")
            values = reader.parse_object(found, namespace=values)
            _made(reader, values)
        except (yaml.YAMLError, ArgumentError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            message = f"{file}: not settings of a fit ({reason[:300]}). See `unicorn fit --print-config`."
            raise DataError(message) from error
    parsed = reader.parse_args(list(options), namespace=values)
    try:
        return _made(reader, parsed)
    except ValueError as error:
        raise ArgumentError(None, str(error)) from error


def _require_sections(found: object, kind: Any, place: str) -> None:
    """Refuse a bare value where the dataclass ``kind`` has a section; jsonargparse would stumble over it."""
    if not isinstance(found, dict):
        raise ValueError(f"{place} is {found!r}, it must be sections with keys")
    for name, part in get_type_hints(kind).items():
        if is_dataclass(part) and name in found:
            _require_sections(found[name], part, name)


def _made(reader: ArgumentParser, values: Namespace) -> FitConfig:
    made = reader.instantiate(values)
    return FitConfig(**{name: made[name] for name in FitConfig.__dataclass_fields__})


def show_config(config: FitConfig) -> str:
    """Return the settings as YAML that ``--config`` reads."""
    return yaml.safe_dump(_lists(asdict(config)), sort_keys=False, allow_unicode=True)


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {name: _lists(entry) for name, entry in value.items()}
    return [_lists(entry) for entry in value] if isinstance(value, tuple | list) else value
