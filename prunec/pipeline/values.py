"""Option values as text, read and written by the type of the option's field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from prunec.errors import PassError
from prunec.pipeline.syntax import BARE, Atom, quote

NONE = "none"
EMPTY = "()"
_BOOLS = {"true": True, "false": False}


def read_value(atoms: tuple[Atom, ...], kind: object) -> object:
    """The value that `atoms` spell for a field of type `kind`.

    Raises:
        ValueError: they spell none; the message says what was expected.
        PassError: `kind` is not a type that options may have.
    """
    inner, optional = _without_none(kind)
    if optional and atoms == (Atom(NONE, quoted=False),):
        return None
    if get_origin(inner) is tuple:
        return _read_tuple(atoms, inner)
    if len(atoms) != 1:
        raise ValueError("one value, not several joined by `|`")
    return _read_scalar(atoms[0], inner)


def write_value(value: object, kind: object) -> str:
    """`value` as `read_value` reads it back.

    Raises:
        PassError: `kind` is not a type that options may have.
    """
    inner, optional = _without_none(kind)
    if value is None:
        return NONE
    reserved = {NONE} if optional else set()
    if get_origin(inner) is tuple:
        assert isinstance(value, tuple)
        kinds = _item_kinds(inner, len(value))
        pieces = [
            _write_scalar(item, item_kind, reserved | {EMPTY}) for item, item_kind in zip(value, kinds, strict=True)
        ]
        return "|".join(pieces) if pieces else EMPTY
    return _write_scalar(value, inner, reserved)


def _without_none(kind: object) -> tuple[object, bool]:
    """`T, True` for `T | None`, and `kind, False` for everything else."""
    if get_origin(kind) not in (Union, UnionType):
        return kind, False
    kinds = [item for item in get_args(kind) if item is not NoneType]
    if len(kinds) != 1:
        raise _unspeakable(kind)
    return kinds[0], len(kinds) < len(get_args(kind))


def _item_kinds(kind: object, count: int) -> tuple[object, ...]:
    """The types of a tuple's `count` items."""
    kinds = get_args(kind)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return (kinds[0],) * count
    if len(kinds) != count:
        raise ValueError(f"{len(kinds)} values joined by `|`")
    return kinds


def _read_tuple(atoms: tuple[Atom, ...], kind: object) -> tuple[object, ...]:
    if atoms == (Atom(EMPTY, quoted=False),):
        atoms = ()
    return tuple(_read_scalar(atom, item) for atom, item in zip(atoms, _item_kinds(kind, len(atoms)), strict=True))


def _read_scalar(atom: Atom, kind: object) -> object:
    if get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
        if atom.text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return choices[atom.text]
    return _codec(kind)[0](atom.text)


def _write_scalar(value: object, kind: object, reserved: set[str]) -> str:
    text = str(value) if get_origin(kind) is Literal else _codec(kind)[1](value)
    return text if BARE.fullmatch(text) and text not in reserved else quote(text)


def _codec(kind: object) -> tuple[Callable[[str], object], Callable[[Any], str]]:
    """How a plain type is read and written."""
    for known, codec in _CODECS.items():
        if kind is known:
            return codec
    raise _unspeakable(kind)


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _read_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("a number") from None
    if number != number:
        raise ValueError("a number")
    return number


def _read_bool(text: str) -> bool:
    if text not in _BOOLS:
        raise ValueError("true or false")
    return _BOOLS[text]


_CODECS: dict[object, tuple[Callable[[str], object], Callable[[Any], str]]] = {
    str: (str, str),
    int: (_read_int, lambda value: str(int(value))),
    float: (_read_float, lambda value: repr(float(value))),
    bool: (_read_bool, lambda value: str(bool(value)).lower()),
    Path: (Path, str),
}


def _unspeakable(kind: object) -> PassError:
    return PassError(
        f"an option of type {kind} has no text form",
        "use str, int, float, bool, Path, Literal, a tuple of those, or any of these or None",
    )
