"""What stays of fine-tunings in and out of one module in memory: only the entries that they change are written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from prunec.calibration.checkpoint import counterpart
from prunec.calibration.kendelta import KenDelta
from prunec.calibration.kenfile import load_delta
from prunec.errors import InputError


@dataclass(frozen=True)
class _Entries:
    """Entries of one of the module's tensors: what stands there by the base, and by the tuned model.

    Attributes:
        name: of the tensor, which is looked up each time: a module that is moved has others.
        positions: `[n]`, of the tensor seen flat.
        base, tuned: `[n]`, the values.
    """

    name: str
    positions: Tensor
    base: Tensor
    tuned: Tensor


class LoadedKen:
    """A delta that fits a module. `load` and `unload` put it in and out; a `with` block ends by putting it out.

    Of one module's deltas one is in at a time: putting one in puts the other out.
    """

    def __init__(self, module: nn.Module, entries: list[_Entries]) -> None:
        self._module, self._entries = ref(module), entries

    def load(self) -> None:
        """Put the tuned values in, in the place of another delta's if one is there. Reads and checks nothing again."""
        module = self._module()
        if module is None:
            return
        unload_ken(module)
        state = module.state_dict()
        for each in self._entries:
            _put(state[each.name], each.positions, each.tuned)
        _LOADED[module] = self

    def unload(self) -> None:
        """Put the base's values back; nothing happens where this delta is not in."""
        module = self._module()
        if module is not None and _LOADED.get(module) is self:
            state = module.state_dict()
            for each in self._entries:
                _put(state[each.name], each.positions, each.base)
            del _LOADED[module]

    def __enter__(self) -> LoadedKen:
        return self

    def __exit__(self, *_: Any) -> None:
        self.unload()


_LOADED: WeakKeyDictionary[nn.Module, LoadedKen] = WeakKeyDictionary()
"""What is in each module. Values hold their module weakly, or no module would ever go."""


def load_ken(module: nn.Module, path: str | os.PathLike[str]) -> LoadedKen:
    """Put the delta at `path` into `module`, which holds the base's weights; in the place of another, if one is in.

    Only entries that the delta holds are written. Tensors that the tuned model alone has, such as a classifier's, must
    be there under their names, with any values: these come back when it is put out.

    Args:
        module: of the tuned model's class, or of the base's where they have the same tensors, on any device.
        path: the file that `ken` wrote.

    Returns:
        What puts it out and in again, and ends a `with` block by putting it out.

    Raises:
        InputError: the file cannot be used, the module lacks a tensor or has another shape or type of it, or its
            weights are not the base's. The module is as it was.
    """
    delta = load_delta(Path(path))
    before = _LOADED.get(module)
    unload_ken(module)
    try:
        loaded = LoadedKen(module, _entries(module, delta))
    except BaseException:
        if before is not None:
            before.load()
        raise
    loaded.load()
    return loaded


def unload_ken(module: nn.Module) -> None:
    """Put the base's values back into `module`; nothing happens where no delta is in."""
    if module in _LOADED:
        _LOADED[module].unload()


def _entries(module: nn.Module, delta: KenDelta) -> list[_Entries]:
    state = module.state_dict()
    delta.require_base(_under_base_names(state, delta.names), "the module")
    entries = []
    for name, patch in delta.patches.items():
        place = _place(state, name)
        entries.append(_of(place, state[place], torch.from_numpy(patch.positions), patch.values))
    for name, whole in delta.whole.items():
        place = _place(state, name)
        tensor = state[place]
        if (tensor.shape, tensor.dtype) != (whole.shape, whole.dtype):
            held, wanted = (f"{list(each.shape)} of {each.dtype}" for each in (tensor, whole))
            raise InputError(
                f"{name} of the module is {held}, and of the delta {wanted}", "build the tuned model's class"
            )
        entries.append(_of(place, tensor, torch.arange(whole.numel()), whole.reshape(-1)))
    return entries


def _of(name: str, tensor: Tensor, positions: Tensor, tuned: Tensor) -> _Entries:
    positions = positions.to(tensor.device)
    return _Entries(name, positions, tensor.take(positions), tuned.to(tensor.device))


def _put(tensor: Tensor, positions: Tensor, values: Tensor) -> None:
    tensor.put_(positions.to(tensor.device), values.to(tensor.device))


def _under_base_names(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The module's tensors as the base calls them, as far as it has them."""
    found = {place: counterpart(name, state) for name, place in names.items()}
    return {place: state[name] for place, name in found.items() if name is not None}


def _place(state: Mapping[str, Tensor], name: str) -> str:
    found = counterpart(name, state)
    if found is None:
        raise InputError(f"the module has no {name}, which the delta holds", "build the tuned model's class")
    return found
