"""Settings to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from features.errors import DataError

Config = TypeVar("Config")


def from_dict(kind: type[Config], values: Mapping[str, Any], place: str) -> Config:
    """Return the dataclass ``kind`` with ``values``, nested dataclasses from nested mappings, tuples from lists.

    Raises:
        DataError: a key that the dataclass does not have; ``place`` says where.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - {field.name for field in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise DataError(f"{place}: unknown setting {unknown[0]!r}. Use the version that wrote it.")
    found = {}
    for name, value in values.items():
        if is_dataclass(hints[name]):
            found[name] = from_dict(hints[name], value, f"{place}.{name}")
        else:
            found[name] = tuple(value) if isinstance(value, list) else value
    return kind(**found)
