"""Whether transformers itself can load what is left of a model: a config that says its sizes, found by trying.

No table says which entry of a config is what. Each whole number in it that could have shrunk as a tensor did is tried:
the model is built without weights, and all shapes are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

from prunec.errors import InputError
from prunec.frontends.skeleton import skeleton

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Path = tuple[str, ...]
SWEEPS = 4
"""How often all entries are tried: some fit only after others have changed."""


@dataclass(frozen=True)
class StockConfig:
    """A config that says what is left.

    Attributes:
        config: its entries.
        names: what each tensor is called now: layers are numbered anew where some are gone.
    """

    config: Mapping[str, Any]
    names: Mapping[str, str]


@dataclass(frozen=True)
class _Layers:
    """A list of layers of which some are gone.

    Attributes:
        path: of the list, with a dot at the end.
        kept: the numbers of those that stay, ascending.
        count: how many there were.
    """

    path: str
    kept: tuple[int, ...]
    count: int

    def renamed(self, name: str) -> str | None:
        """`name` with the new number of its layer; None where that is gone."""
        if not name.startswith(self.path):
            return name
        number, dot, rest = name.removeprefix(self.path).partition(".")
        if int(number) not in self.kept:
            return None
        return f"{self.path}{self.kept.index(int(number))}{dot}{rest}"


@dataclass(frozen=True)
class Stock:
    """What transformers can load of one model.

    Attributes:
        config: of the model before anything went.
        loader: its class.
        names: of the tensors that its program reads.
    """

    config: PreTrainedConfig
    loader: Any
    names: frozenset[str]

    def find(self, shapes: Shapes) -> StockConfig | str:
        """The config of a model with tensors of `shapes` among those it reads; or why there is none."""
        dense = self._dense
        if foreign := sorted(set(shapes) - self.names):
            return f"{foreign[0]} is new"
        left = {name: shape for name, shape in shapes.items() if name in dense}
        if joined := sorted(name for name, shape in left.items() if len(shape) != len(dense[name])):
            return f"{joined[0]} is stored in another form"
        if differing := _differing(left, dense):
            return differing
        layers = self._shortened(left)
        if isinstance(layers, str):
            return layers
        names = {name: _renamed(layers, name) for name in dense}
        wanted = {new: left[old] for old, new in names.items() if new is not None and old in left}
        goal = _Goal(wanted, frozenset(new for new in names.values() if new is not None))
        config = _fitting(self.config, self.loader, goal, _ratios(left, dense), layers)
        if isinstance(config, str):
            return config
        return StockConfig(config, {old: new for old, new in names.items() if new is not None})

    def refusal(self, shapes: Shapes) -> str:
        """Why transformers cannot load a model with tensors of `shapes`; empty where it might."""
        found = self.find(shapes)
        return found if isinstance(found, str) else ""

    @cached_property
    def state(self) -> frozenset[str]:
        """The names of all tensors that a checkpoint of the model has."""
        return frozenset(self._dense)

    def spare(self) -> Shapes:
        """The tensors of a checkpoint that the program does not read, under no other name either."""
        groups: dict[int, set[str]] = {}
        for name, parameter in self._model.named_parameters(remove_duplicate=False):
            groups.setdefault(id(parameter), set()).add(name)
        read = set(self.names).union(*(names for names in groups.values() if names & self.names))
        return {name: shape for name, shape in self._dense.items() if name not in read}

    @cached_property
    def _model(self) -> nn.Module:
        return skeleton(deepcopy(self.config), self.loader, "meta")

    @cached_property
    def _dense(self) -> Shapes:
        return _shapes(self._model)

    def _shortened(self, left: Shapes) -> list[_Layers] | str:
        """The lists that lost layers, or which layer is gone in part."""
        read = self.names & self._dense.keys()
        gone = read - left.keys()
        found: list[_Layers] = []
        for path, module in self._model.named_modules():
            numbers = [int(name) for name, _ in module.named_children() if name.isdigit()]
            prefix = f"{path}." if path else ""
            kept = [number for number in numbers if not _is_gone(f"{prefix}{number}.", read, gone)]
            if kept and len(kept) < len(numbers):
                found.append(_Layers(prefix, tuple(kept), len(numbers)))
        for name in sorted(gone):
            if all(item.renamed(name) is not None for item in found):
                return f"{name.rpartition('.')[0]} is gone, and not all of its layer"
        return found


@dataclass(frozen=True)
class _Goal:
    """The shapes that count, and all names that may be there."""

    shapes: Shapes
    names: frozenset[str]

    def misses(self, shapes: Shapes) -> list[str]:
        """The names that are not as they should be."""
        wrong = [name for name, shape in self.shapes.items() if shapes.get(name) != shape]
        return [*wrong, *sorted(shapes.keys() - self.names)]


def _fitting(
    config: PreTrainedConfig, loader: Any, goal: _Goal, ratios: Sequence[Fraction], layers: Sequence[_Layers]
) -> Mapping[str, Any] | str:
    """The entries of a config, changed one by one for as long as fewer shapes are wrong; or what stayed wrong."""
    entries = config.to_dict()
    misses = _misses(type(config), entries, loader, goal)
    assert misses is not None, "the dense config builds"
    for _ in range(SWEEPS):
        before = len(misses)
        for changed in _changes(config.to_dict(), ratios, layers):
            if not misses:
                return entries
            tried = _merged(entries, changed)
            now = _misses(type(config), tried, loader, goal)
            if now is not None and len(now) < len(misses):
                entries, misses = tried, now
        if len(misses) == before:
            break
    if not misses:
        return entries
    shape = goal.shapes.get(misses[0])
    return f"no entry of the config says that {misses[0]} is {list(shape) if shape else 'gone'}"


def _misses(kind: type[PreTrainedConfig], entries: Mapping[str, Any], loader: Any, goal: _Goal) -> list[str] | None:
    """What is wrong in a model of these entries; None where they make none."""
    try:
        config = kind.from_dict(deepcopy(dict(entries)))
        return goal.misses(_shapes(skeleton(config, loader, "meta")))
    except (InputError, ValueError, TypeError, AssertionError):
        return None
    except Exception:  # configs are checked by code that raises what it likes
        return None


def _changes(
    entries: Mapping[str, Any], ratios: Sequence[Fraction], layers: Sequence[_Layers]
) -> Iterator[dict[Path, Any]]:
    """Entries that could be others: numbers of layers with their lists, whole numbers that shrink as a tensor did."""
    for path, value in _entries(entries):
        if isinstance(value, bool) or not isinstance(value, int) or value < 2:
            continue
        for item in layers:
            if value == item.count:
                yield {path: len(item.kept), **_thinned(entries, path[:-1], item)}
        for ratio in ratios:
            if (value * ratio).denominator == 1:
                yield {path: int(value * ratio)}


def _thinned(entries: Mapping[str, Any], within: Path, layers: _Layers) -> dict[Path, Any]:
    """Lists beside a number of layers that have an item for each layer, without those of layers that are gone."""
    return {
        path: [value[number] for number in layers.kept]
        for path, value in _entries(entries)
        if path[:-1] == within and isinstance(value, list) and len(value) == layers.count
    }


def _entries(entries: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from _entries(value, (*path, name))
        else:
            yield (*path, name), value


def _merged(entries: Mapping[str, Any], changed: Mapping[Path, Any]) -> dict[str, Any]:
    merged = deepcopy(dict(entries))
    for path, value in changed.items():
        place = merged
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
    return merged


def _ratios(left: Shapes, dense: Shapes) -> list[Fraction]:
    """By what tensors shrank along an axis, each once."""
    pairs = [pair for name, shape in left.items() for pair in zip(shape, dense[name], strict=True)]
    return list(dict.fromkeys(Fraction(now, before) for now, before in pairs if now != before))


def _differing(left: Shapes, dense: Shapes) -> str:
    """Where tensors of several layers have other sizes that had the same; empty where none do."""
    first: dict[tuple[str, Shape], str] = {}
    for name, shape in left.items():
        other = first.setdefault((re.sub(r"\d+", "N", name), dense[name]), name)
        if left[other] != shape:
            return f"layers differ: {other} is {list(left[other])}, and {name} is {list(shape)}"
    return ""


def _is_gone(prefix: str, names: frozenset[str], gone: frozenset[str]) -> bool:
    """Whether all is gone that was read under `prefix`."""
    own = {name for name in names if name.startswith(prefix)}
    return bool(own) and own <= gone


def _renamed(layers: Sequence[_Layers], name: str) -> str | None:
    renamed: str | None = name
    for item in layers:
        renamed = item.renamed(renamed) if renamed is not None else None
    return renamed


def _shapes(model: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}
