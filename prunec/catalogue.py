"""Finds passes and backends by name, through the entry points of every installed package.

A package adds to prunec by an entry point named `passes` or `backends` in the group `prunec`. It leads to a
table from names to a class, to `"module:Class"` imported on demand, or to a function that returns the class.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from prunec.cost.timer import Backend
from prunec.errors import InputError, PassError
from prunec.facts import Plan
from prunec.passbase import Pass, is_search

GROUP = "prunec"
FIRST_PARTY = "prunec"


@dataclass(frozen=True)
class Entry:
    """One line of a table: where a class is, and which distribution says so."""

    name: str
    target: object
    distribution: str

    def load(self) -> type[object]:
        """The class.

        Raises:
            PassError: it cannot be imported, or is none, or goes by another name.
        """
        try:
            found = self._resolve()
        except Exception as error:
            raise self.broken(f"{type(error).__name__}: {error}") from error
        if not isinstance(found, type):
            raise self.broken(f"{found!r} is not a class")
        if getattr(found, "name", None) != self.name:
            raise self.broken(f"{found.__name__} calls itself {getattr(found, 'name', None)!r}")
        return found

    def _resolve(self) -> object:
        if isinstance(self.target, str):
            module, _, attribute = self.target.partition(":")
            return getattr(importlib.import_module(module), attribute)
        if isinstance(self.target, type) or not callable(self.target):
            return self.target
        return self.target()

    def broken(self, why: str) -> PassError:
        """The error that says why this entry cannot be used."""
        return PassError(
            f"`{self.name}` of the package {self.distribution} cannot be loaded ({why})",
            f"update {self.distribution} or remove it",
        )


class Catalogue:
    """The passes and backends of the given entry points (tests make their own; the functions below use all)."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points = tuple(points)

    @cached_property
    def passes(self) -> Mapping[str, Entry]:
        """Every pass by name."""
        return self._table("passes")

    @cached_property
    def backends(self) -> Mapping[str, Entry]:
        """Every backend by name."""
        return self._table("backends")

    def find_pass(self, name: str) -> type[Pass]:
        """The pass called `name`.

        Raises:
            InputError: there is none; the nearest names are given.
            PassError: it cannot be loaded.
        """
        entry = _find(self.passes, "pass", name)
        found = entry.load()
        if not issubclass(found, Pass):
            raise entry.broken(f"{found.__name__} is not a Pass")
        return found

    def find_backend(self, name: str) -> type[Backend]:
        """The backend called `name`; raises as `find_pass` does."""
        return cast("type[Backend]", _find(self.backends, "backend", name).load())

    def backend_for(self, path: Path) -> type[Backend]:
        """The backend that writes files such as `path`, by its suffix.

        Raises:
            InputError: none does; the suffixes that there are are listed.
            PassError: a backend cannot be loaded.
        """
        found = {name: self.find_backend(name) for name in self.backends}
        for backend in found.values():
            if path.name.lower().endswith(backend.suffixes):
                return backend
        suffixes = ", ".join(sorted(f"{suffix} ({name})" for name, item in found.items() for suffix in item.suffixes))
        raise InputError(f"no backend writes {path.name}", f"end the output's name in one of: {suffixes or 'none'}")

    def find_artifact(self, path: Path) -> tuple[Path, type[Backend]]:
        """The artifact that `path` is, or the one that lies in the folder `path`; and the backend that runs it.

        Raises:
            InputError: there is none, or several.
            PassError: a backend cannot be loaded.
        """
        if not path.is_dir():
            return path, self.backend_for(path)
        suffixes = tuple(suffix for name in self.backends for suffix in self.find_backend(name).suffixes)
        found = [file for file in sorted(path.iterdir()) if file.name.lower().endswith(suffixes)]
        if len(found) != 1:
            held = f"{len(found)} artifacts" if found else "no artifact"
            raise InputError(f"the folder {path} holds {held} ({', '.join(suffixes)})", "name the file")
        return found[0], self.backend_for(found[0])

    def givers(self, fact: type) -> tuple[type[Pass], ...]:
        """The passes that may give `fact`, by name."""
        return tuple(found for found in map(self.find_pass, sorted(self.passes)) if fact in found.gives)

    def find_search(self, name: str) -> type[Pass]:
        """The search called `name`: a pass that gives a plan for a budget and needs none.

        Raises:
            InputError: there is none; the nearest names are given.
            PassError: a pass cannot be loaded.
        """
        searches = {found.name: self.passes[found.name] for found in self.givers(Plan) if is_search(found)}
        _find(searches, "search", name)
        return self.find_pass(name)

    def _table(self, kind: str) -> dict[str, Entry]:
        """Every package's table of `kind` in one, prunec's own first."""
        points = [point for point in self._points if point.group == GROUP and point.name == kind]
        table: dict[str, Entry] = {}
        for point in sorted(points, key=lambda point: (_distribution(point) != FIRST_PARTY, _distribution(point))):
            for name, target in _load_table(point).items():
                entry = Entry(name, target, _distribution(point))
                if name in table:
                    raise PassError(
                        f"{kind}: `{name}` comes from {table[name].distribution} and from {entry.distribution}",
                        "remove one of the two packages, or have one rename its entry",
                    )
                table[name] = entry
        return table


def find_pass(name: str) -> type[Pass]:
    """The installed pass called `name`; raises as `Catalogue.find_pass` does."""
    return _installed().find_pass(name)


def find_search(name: str) -> type[Pass]:
    """The installed search called `name`; raises as `Catalogue.find_search` does."""
    return _installed().find_search(name)


def pass_names() -> tuple[str, ...]:
    """The names of all installed passes, sorted."""
    return tuple(sorted(_installed().passes))


def givers(fact: type) -> tuple[type[Pass], ...]:
    """The installed passes that may give `fact`, by name."""
    return _installed().givers(fact)


def find_backend(name: str) -> type[Backend]:
    """The installed backend called `name`; raises as `find_pass` does."""
    return _installed().find_backend(name)


def backend_names() -> tuple[str, ...]:
    """The names of all installed backends, sorted."""
    return tuple(sorted(_installed().backends))


def backend_for(path: Path) -> type[Backend]:
    """The installed backend that writes files such as `path`; raises as `Catalogue.backend_for` does."""
    return _installed().backend_for(path)


def find_artifact(path: Path) -> tuple[Path, type[Backend]]:
    """The artifact at or in `path` and its installed backend; raises as `Catalogue.find_artifact` does."""
    return _installed().find_artifact(path)


@cache
def _installed() -> Catalogue:
    return Catalogue(entry_points(group=GROUP))


def _find(table: Mapping[str, Entry], kind: str, name: str) -> Entry:
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=3)
    fix = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(table)) or 'none'}"
    raise InputError(f"no {kind} is called `{name}`", fix)


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _load_table(point: EntryPoint) -> Mapping[str, object]:
    try:
        table = point.load()
        if not isinstance(table, Mapping):
            raise TypeError(f"{point.value} is a {type(table).__name__}, not a mapping")
    except Exception as error:
        name = _distribution(point)
        raise PassError(
            f"the {point.name} of the package {name} cannot be loaded ({type(error).__name__}: {error})",
            f"update {name} or remove it",
        ) from error
    return table
