"""Numbers as people read them: milliseconds, counts, bytes and durations in three significant digits."""

from __future__ import annotations

import math
from collections.abc import Callable

NAMES = {"hidden": "hidden features", "vocabulary": "rows"}
"""What units are called where a kind is not."""


def plural(kind: str) -> str:
    """`kv groups` of the kind `kv_group`."""
    return NAMES.get(kind, f"{kind.replace('_', ' ')}s")


def milliseconds(value: float, digits: int = 3) -> str:
    """`31.2 ms`."""
    return f"{_significant(value, digits)} ms"


def count(value: float, digits: int = 3) -> str:
    """`135 M`, `1.24 B`, `912`."""
    return _scaled(value, digits, ("", " k", " M", " B", " T"))


def size(value: float, digits: int = 3) -> str:
    """`538 MB`: powers of 1000, as disks and downloads are sold."""
    return _scaled(value, digits, (" B", " kB", " MB", " GB", " TB"))


def factor(value: float, digits: int = 3) -> str:
    """`1.61x`, with a true multiplication sign."""
    return f"{_significant(value, digits)}\N{MULTIPLICATION SIGN}"


def duration(seconds: float) -> str:
    """`0.8 s`, `12 s`, `4 min 12 s`, `1 h 3 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def change(before: float, after: float) -> str:
    """`-31.5 %`, or `unchanged`."""
    if before == after or not before:
        return "unchanged"
    percent = 100 * (after - before) / before
    return f"{signed(percent, 1)} %"


def share(part: float, whole: float) -> str:
    """`44 %`, never rounded to nothing or all: `<1 %`, `>99 %`."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "<1 %"
    return ">99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def signed(value: float, decimals: int) -> str:
    """`+0.175` or `-0.175`, with a true minus sign."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def distinct(first: float, second: float, form: Callable[[float, int], str]) -> tuple[str, str]:
    """Both numbers, with as many digits as it takes to tell them apart (up to six)."""
    for digits in (3, 4, 5, 6):
        texts = form(first, digits), form(second, digits)
        if first == second or texts[0] != texts[1]:
            break
    return texts


def _significant(value: float, digits: int) -> str:
    """`digits` significant digits, more for whole numbers that are longer, never an exponent."""
    if not math.isfinite(value):
        return str(value)
    magnitude = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{min(6, max(0, digits - 1 - magnitude))}f}"


def _scaled(value: float, digits: int, suffixes: tuple[str, ...]) -> str:
    """`value` in the largest of the units (each a thousand of the one before) that keeps it at 1 or more."""
    if value < 1000:
        return f"{value:.0f}{suffixes[0]}"
    power = 0
    while power < len(suffixes) - 1 and abs(value) >= 999.5:
        value /= 1000
        power += 1
    return f"{_significant(value, digits)}{suffixes[power]}"
