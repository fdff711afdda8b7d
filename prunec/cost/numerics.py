"""The protocol by which a backend is told which numbers to compute in, and on which device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from prunec.cost.timer import Backend
from prunec.errors import InputError
from prunec.options import DEVICES, DTYPES, require_device

PLAIN = DTYPES[0]
ROUNDED = ("int8", "int4")
"""The types whose grids are fitted to weights and text."""
BLOCK = 128
"""Features of a weight that share a grid where grids are by blocks."""


@dataclass(frozen=True)
class Numerics:
    """What an artifact computes in, and on what.

    Attributes:
        dtype: of products with weights, one of `options.DTYPES`.
        device: one of `options.DEVICES`.
        fine: weights that are rounded to 8 bits by blocks where `dtype` would round them coarser: the products with
            them lose too much otherwise.
    """

    dtype: str = PLAIN
    device: str = DEVICES[0]
    fine: frozenset[str] = frozenset()


@runtime_checkable
class Numerical(Backend, Protocol):
    """A backend that computes in more than one type, or on more than one device."""

    def at(self, numerics: Numerics) -> Backend:
        """The same backend for other numerics.

        Raises:
            InputError: its runtime does not have the device, or no kernels for the type there.
        """
        ...


def on_device(backend: type[Backend], device: str) -> Backend:
    """A backend that loads artifacts on `device`.

    Raises:
        InputError: there is no such device, or the backend, or its runtime here, does not have it.
    """
    require_device(device)
    return configured(backend(), Numerics(device=device))


def configured(backend: Backend, numerics: Numerics) -> Backend:
    """`backend` for `numerics`, checked before any long work.

    Raises:
        InputError: the backend, or its runtime here, cannot compute so.
    """
    if isinstance(backend, Numerical):
        return backend.at(numerics)
    plain = Numerics()
    for flag, asked, usual in (("dtype", numerics.dtype, plain.dtype), ("device", numerics.device, plain.device)):
        if asked != usual:
            raise InputError(
                f"--{flag} {asked} is asked for, and {backend.name} artifacts know {usual} alone",
                f"use an .onnx file, or leave --{flag} out",
            )
    return backend
