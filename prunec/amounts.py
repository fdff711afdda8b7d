"""Amounts as people write them: a latency, a number of parameters, a size, a factor."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from prunec.errors import InputError

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?)\s*([^\d\s.]*)", re.IGNORECASE)
_LATENCY_UNITS = {"us": "0.001", "µs": "0.001", "ms": "1", "s": "1000"}
_COUNT_UNITS = {"": "1", "k": "1e3", "m": "1e6", "b": "1e9", "g": "1e9"}
_SIZE_UNITS = {
    **{"b": "1", "kb": "1e3", "mb": "1e6", "gb": "1e9", "tb": "1e12"},
    **{"kib": str(2**10), "mib": str(2**20), "gib": str(2**30), "tib": str(2**40)},
}
_SPEEDUP_UNITS = {"": "1", "x": "1", "\N{MULTIPLICATION SIGN}": "1"}


def parse_latency(value: str | float) -> float:
    """Milliseconds in `20ms`, `0.5s` or `800us`; a bare number counts as milliseconds, bare text does not.

    Raises:
        InputError: not a positive number with one of these units.
    """
    return _parse(value, _LATENCY_UNITS, "latency", "write it with its unit, such as 20ms, 0.5s or 800us")


def parse_count(value: str | float) -> float:
    """A whole number of parameters in `80M`, `1.2B` or `80000000`.

    Raises:
        InputError: not a number with one of these suffixes, or less than 1.
    """
    fix = "write a whole number of parameters, such as 80M, 1.2B or 80000000"
    return _whole(_parse(value, _COUNT_UNITS, "number of parameters", fix), value, fix)


def parse_size(value: str | float) -> float:
    """A whole number of bytes in `200MB` (1000²) or `1GiB` (1024³); a bare number counts as bytes, bare text does not.

    Raises:
        InputError: not a number with one of these units, or less than 1 byte.
    """
    fix = "write it with its unit, such as 200MB, 1.5GB or 1GiB"
    return _whole(_parse(value, _SIZE_UNITS, "size", fix), value, fix)


def parse_speedup(value: str | float) -> float:
    """The factor in `2`, `2x` or `1.5x`.

    Raises:
        InputError: not a number, or not above 1.
    """
    fix = "write a factor above 1, such as 2, 1.5 or 1.5x"
    factor = _parse(value, _SPEEDUP_UNITS, "speedup", fix)
    if factor <= 1:
        raise InputError(f"speedup '{value}' is not above 1", fix)
    return factor


def _parse(value: str | float, units: Mapping[str, str], what: str, fix: str) -> float:
    """A positive finite number; text needs one of `units`, a bare number is taken in the unit whose factor is 1."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"{value!r} is not a {what}", fix)
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if isinstance(value, str):
        unit = units.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise InputError(f"'{value}' is not a {what}", fix)
        number = float(Decimal(match[1]) * Decimal(unit))
    else:
        number = float(value) if abs(value) < 1e300 else math.inf
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{what} '{value}' is not a positive, finite number", fix)
    return number


def _whole(number: float, value: str | float, fix: str) -> float:
    if number < 1:
        raise InputError(f"'{value}' is less than 1", fix)
    return float(math.floor(number))
