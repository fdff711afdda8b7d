"""Frozen dataclass trees to JSON text and back, by their type hints."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

DataT = TypeVar("DataT")

_NUMBER = r"-?\d[\d.eE+-]*"
_NUMBERS = re.compile(rf"\[\n\s+((?:{_NUMBER},\n\s+)*{_NUMBER})\n\s+\]")
"""A list of numbers over several lines; JSON texts hold no line breaks, so it is never part of one."""


def encode(value: object) -> str:
    """JSON text of a tree of dataclasses, tuples, string-keyed mappings and scalars.

    A dataclass may name properties in `derived`: they are written for readers and skipped by `decode`.
    Numbers that JSON lacks are written as the texts `nan`, `inf` and `-inf`. A list of numbers is one line.
    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def decode(kind: type[DataT], text: str) -> DataT:
    """The `kind` that `encode` wrote.

    Raises:
        ValueError: the text is not JSON, or does not fit `kind`; the message names the place.
    """
    value: DataT = _build(kind, json.loads(text), kind.__name__)
    return value


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)] + list(getattr(value, "derived", ()))
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} is not plain data")


def _build(kind: Any, value: Any, where: str) -> Any:
    """`value`, read from JSON, as an instance of the type hint `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is object:
        return value
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _build(next(item for item in arguments if item is not type(None)), value, where)
    if origin is tuple:
        items = _expect(list, value, where)
        return tuple(_build(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is Mapping:
        return {key: _build(arguments[1], item, f"{where}.{key}") for key, item in _expect(dict, value, where).items()}
    if kind is float and (type(value) is int or value in ("nan", "inf", "-inf")):
        return float(value)
    return _expect(kind, value, where)


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    values = _expect(dict, value, where)
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.name in values or _is_required(field)]
    missing = [name for name in names if name not in values]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    return kind(**{name: _build(hints[name], values[name], f"{where}.{name}") for name in names})


def _is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no value by itself: one that has may be newer than the text."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _expect(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{where} is {type(value).__name__}, not {kind.__name__}")
    return value
