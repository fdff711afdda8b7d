"""The page of an inspection: which rows are one, how layers and pins are told."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from prunec.report.data import Machine, Stage
from prunec.report.inspection import (
    Family,
    Floor,
    GraphInput,
    InspectedModel,
    Inspection,
    Latency,
    Pin,
    Sublayer,
    Weight,
)
from prunec.report.inspection_page import TIMES, one_line, print_inspection
from prunec.report.latency import Measured

ALIKE = [Pin(f"up.{n}.weight, axis 0", f"{n + 4} units are read by {n + 2} products, not by one") for n in range(3)]


def sample(names: tuple[str, ...], families: tuple[Family, ...] = (), pins: tuple[Pin, ...] = ()) -> Inspection:
    """Equal feed-forward sublayers of 8 neurons called `names`, and other `families`."""
    sublayers = tuple(Sublayer(name, "ffn", (f"{name}.down",), 100, 1.5) for name in names)
    inside = tuple(Family(f"{name}.down", "neuron", (name,), 8, 12, (), 1.25) for name in names)
    return Inspection(
        prunec="0",
        model=InspectedModel(
            "folder", "Net", "fill-mask", "encode", 1000, 4000, 50, (GraphInput("x", "int64", ("batch", "3")),), ("y",)
        ),
        sublayers=sublayers,
        families=(*inside, *families),
        floor=Floor(1000 - 100 * len(names), (Weight("embed.weight", 400),)),
        pins=pins,
        latency=None,
        stages=(Stage("load", 1, 2.0, 1), Stage("structure", 1, 0.5, 1)),
    )


def page(inspection: Inspection, width: int = 100, everything: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_inspection(inspection, console, everything)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def rows(inspection: Inspection) -> list[list[str]]:
    """The table's cells, without its title."""
    lines = page(inspection)
    start = next(number for number, line in enumerate(lines) if line.startswith("layer "))
    return [line.split("  ") for line in lines[start + 1 :] if line.endswith("%")]


def test_equal_sublayers_are_one_row_with_their_layers() -> None:
    ((where, *cells),) = rows(sample(("layers.0.mlp", "layers.1.mlp", "layers.3.mlp")))
    assert where == "0-1, 3"
    assert [cell.strip() for cell in cells if cell] == [f"3 {TIMES} ffn", "8 neurons", "12", "288", "28.8 %"]


def test_layers_are_told_by_stack_where_there_are_several() -> None:
    ((where, *_),) = rows(sample(("enc.layers.0.f", "enc.layers.1.f", "dec.layers.0.f")))
    assert where == "enc 0-1, dec 0"


def test_many_ranges_are_told_by_their_ends() -> None:
    ((where, *_),) = rows(sample(tuple(f"layers.{n}.mlp" for n in (0, 2, 4, 6))))
    assert where == "0 … 6"


def test_places_without_a_number_are_told_by_name() -> None:
    ((where, *_),) = rows(sample(("first", "second")))
    assert where == "first, second"
    ((where, *_),) = rows(sample(("a", "b", "c")))
    assert where == "a … c"


def test_units_outside_any_sublayer_are_told_apart() -> None:
    lines = page(sample(("layers.0.mlp",), (Family("pooler", "neuron", (), 8, 12, ()),)))
    assert any(line.startswith("pooler  outside any") for line in lines)
    assert "outside any: units in no residual branch are known but not cut." in lines


def test_sublayers_without_units_are_listed() -> None:
    found = sample(())
    lines = page(replace(found, sublayers=(Sublayer("layers.0.mlp", "ffn", (), 100),)))
    assert any(line.split() == ["0", "ffn", "no", "units", "100", "10.0", "%"] for line in lines)


def test_the_headline_says_what_could_go() -> None:
    found = sample(("layers.0.mlp",))
    assert page(found)[0] == "Net for fill-mask: 100 of 1.00 k parameters (10.0 %) could go"
    assert page(sample(()))[0] == "Net for fill-mask, 1.00 k parameters: nothing can be removed"
    assert one_line(found).endswith("could go; 1 family in 1 sublayer, 0 pins")


def test_square_brackets_are_printed_as_they_are() -> None:
    assert "inputs    x int64[batch, 3]" in page(sample(()))


def test_measured_savings_are_summed_by_row() -> None:
    machine, measured = Machine("a processor", 4, 1, 8, "Linux"), Measured(10.0, 9.0, 11.0, 5)
    timed = Latency("encode:1x8", "runtime 1", machine, measured, replace(measured, median_ms=7.0))
    lines = page(replace(sample(("layers.0.mlp", "layers.1.mlp")), latency=timed))
    assert lines[0].endswith("(20.0 %), 3.00 ms of 10.0 ms, could go")
    assert "latency   dense 10.0 ms, floor 7.00 ms: encode:1x8, 1 thread, runtime 1" in lines
    assert any(line.split()[-2:] == ["2.50", "3.00"] for line in lines)


def test_pins_are_grouped_by_reason_and_operators_named() -> None:
    pins = (*ALIKE, *(Pin(f"pad_{n} (aten.pad.default)", "has no rule", "aten.pad.default") for n in range(4)))
    lines = page(sample((), pins=pins))
    start = lines.index("7 pins: what might have been cut and is not, and why")
    assert [line.split("  ")[:3] for line in lines[start + 1 :]] == [
        [f"4 {TIMES}", "aten.pad.default", ""],
        [f"3 {TIMES}", "up.0.weight, axis 0 and 2 more", "4 units are read by 2 products, not by one"],
    ]


def test_every_pin_is_listed_where_that_is_asked_for() -> None:
    lines = page(sample((), pins=tuple(ALIKE)), everything=True)
    assert [sum(pin.what in line and pin.why in line for line in lines) for pin in ALIKE] == [1, 1, 1]


def test_a_narrow_terminal_gets_no_longer_lines() -> None:
    found = sample(tuple(f"encoder_with_a_long_name.{n}.mlp" for n in range(4)), pins=tuple(ALIKE))
    assert max(map(len, page(found, width=60))) <= 60
