"""Whether what a tool left equals the dense model with what it removed set to zero, whatever the tool is.

Weights keep their names, so what went can be read off their shapes: the slices of a dense weight that the pruned one
has no more. A dense model with those slices at zero computes what the pruned one has to, where nothing else was
changed: a neuron or a head that is not written is not read either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

TOLERANCE = 1e-4
"""Of the largest output."""
Arrays = Mapping[str, np.ndarray]


class NotMaskedError(Exception):
    """What is left is no part of what was there."""


def masked(dense: Arrays, pruned: Arrays) -> dict[str, np.ndarray]:
    """The arrays of `dense` that the tool cut, with zeros in the place of what went.

    Raises:
        NotMaskedError: nothing went, weights have other values, or more than one axis of a weight was cut.
    """
    found = {}
    for name, left in pruned.items():
        whole = dense.get(name)
        if whole is None or left.dtype != whole.dtype or left.ndim != whole.ndim:
            continue
        if left.shape == whole.shape:
            if not np.array_equal(left, whole):
                raise NotMaskedError(f"{name} has other values")
            continue
        found[name] = _zeroed(name, whole, left)
    if not found:
        raise NotMaskedError("nothing was removed")
    return found


def _zeroed(name: str, whole: np.ndarray, left: np.ndarray) -> np.ndarray:
    axes = [axis for axis, (old, new) in enumerate(zip(whole.shape, left.shape, strict=True)) if old != new]
    if len(axes) > 1:
        raise NotMaskedError(f"{name} was cut along {len(axes)} axes")
    (axis,) = axes
    known = {np.ascontiguousarray(part).tobytes(): index for index, part in enumerate(np.moveaxis(whole, axis, 0))}
    kept = [known.get(np.ascontiguousarray(part).tobytes()) for part in np.moveaxis(left, axis, 0)]
    if None in kept:
        raise NotMaskedError(f"{name} has other values")
    result = np.zeros_like(whole)
    index = [slice(None)] * whole.ndim
    index[axis] = kept  # type: ignore[call-overload]
    result[tuple(index)] = whole[tuple(index)]
    return result


def distance(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference of an output, over the largest output or 1; infinite where they do not compare."""
    if [item.shape for item in found] != [item.shape for item in expected]:
        return float("inf")
    apart = [np.abs(one - other).max() for one, other in zip(found, expected, strict=True) if one.size]
    largest = [np.abs(item).max() for item in expected if item.size]
    worst = float(max(apart, default=0.0) / max(1.0, *largest))
    return worst if np.isfinite(worst) else float("inf")
