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
INT8_STEPS = 127
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
        opset: version of the operators that files name, where the backend's is not wanted.
    """

    dtype: str = PLAIN
    device: str = DEVICES[0]
    fine: frozenset[str] = frozenset()
    opset: int | None = None


@runtime_checkable
class Numerical(Backend, Protocol):
    """A backend that computes in more than one type, or on more than one device."""

    @property
    def int8_steps(self) -> int:
        """Of weights in int8 either side of zero: `INT8_STEPS`, or fewer where integer products would overflow here."""
        ...

    def at(self, numerics: Numerics) -> Backend:
        """The same backend for other numerics.

        Raises:
            InputError: its runtime does not have the device, or no kernels for the type there.
        """
        ...


def int8_steps(backend: Backend) -> int:
    """Steps of weights in int8 either side of zero, in the artifacts of `backend`."""
    return backend.int8_steps if isinstance(backend, Numerical) else INT8_STEPS


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
    if numerics.opset is not None:
        raise InputError(
            f"--opset {numerics.opset} is asked for, and {backend.name} artifacts name no operators of ONNX",
            "use an .onnx file, or leave --opset out",
        )
    return backend
