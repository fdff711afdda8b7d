"""Lines of points as a picture that a Markdown page can show: SVG, without a script or a browser to draw it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Point = tuple[float, float]

WIDTH, LEFT, RIGHT, TOP, UNDER = 900, 70, 660, 40, 46
LEAST_HEIGHT, ROW = 420, 18
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A7A00", "#555555")
"""The palette of Okabe and Ito (2008), its yellow darkened; numbers in the picture tell lines of one colour apart."""


@dataclass(frozen=True)
class Axis:
    """One direction.

    Attributes:
        title: what is along it, with the unit.
        logarithmic: whether equal factors are equal distances.
    """

    title: str
    logarithmic: bool = False


@dataclass(frozen=True)
class _Scale:
    """From figures to places in the picture, `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool

    @staticmethod
    def over(values: Sequence[float], begin: float, end: float, axis: Axis) -> _Scale:
        low, high = min(values), max(values)
        if axis.logarithmic:
            low, high = math.log10(low), math.log10(high)
        room = 0.06 * (high - low) or 0.5
        return _Scale(low - room, high + room, begin, end, axis.logarithmic)

    def place(self, value: float) -> float:
        at = math.log10(value) if self.logarithmic else value
        return round(self.begin + (at - self.low) / (self.high - self.low) * (self.end - self.begin), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Round figures, about six of them."""
        if self.logarithmic:
            exponents = range(math.floor(self.low), math.ceil(self.high) + 1)
            steps = (1.0,) if self.high - self.low > 3 else (1.0, 2.0, 5.0)
            values = [factor * 10.0**power for power in exponents for factor in steps]
            values = [value for value in values if self.low <= math.log10(value) <= self.high]
        else:
            rough = (self.high - self.low) / 5
            unit = 10.0 ** math.floor(math.log10(rough))
            step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
            values = [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [(self.place(value), f"{value:g}" if self.logarithmic else f"{round(value, 6):g}") for value in values]


def chart(title: str, x: Axis, y: Axis, lines: Mapping[str, Sequence[Point]], strong: str = "") -> str:
    """`lines` by name, each of points in their order, as an SVG file's text.

    Args:
        title: what it shows.
        x: what is along it, to the right.
        y: what is along it, upwards.
        lines: at least one, with at least one point; those on a logarithmic axis are above 0.
        strong: lines whose name begins so are drawn heavier.
    """
    points = [point for line in lines.values() for point in line]
    height = max(LEAST_HEIGHT, TOP + UNDER + ROW * len(lines))
    across = _Scale.over([place for place, _ in points], LEFT, RIGHT, x)
    upwards = _Scale.over([place for _, place in points], height - UNDER, TOP, y)
    drawn = []
    for number, (name, line) in enumerate(lines.items()):
        places = [(across.place(one), upwards.place(other)) for one, other in line]
        drawn.append(
            {
                "name": name,
                "number": number + 1,
                "points": places,
                "path": " ".join(f"{one},{other}" for one, other in places),
                "colour": COLOURS[number % len(COLOURS)],
                "strong": bool(strong) and name.startswith(strong),
                "legend": TOP + 10 + ROW * number,
            }
        )
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("chart.svg.j2").render(
        title=title, width=WIDTH, height=height, left=LEFT, right=RIGHT, top=TOP, bottom=height - UNDER,
        x_title=x.title, y_title=y.title, x_ticks=across.ticks(), y_ticks=upwards.ticks(), lines=drawn,
    )  # fmt: skip
