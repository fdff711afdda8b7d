"""How long discovery takes, and how that grows with layers and width: on meta tensors, no weights needed.

python tools/bench/discovery.py                           # a table as Markdown
python tools/bench/discovery.py --json discovery.json     # and as JSON
python tools/bench/discovery.py --model PATH              # a model on disk too
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prunec.facts import Structure
from prunec.frontends.huggingface import load
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass

LAYERS = (2, 4, 8, 16, 32, 64)
WIDTHS = (256, 512, 1024, 2048, 4096, 8192)
SEVEN_B = "Llama-2 7B"


@dataclass(frozen=True)
class Shape:
    """A Llama: `inner` neurons a layer, `heads` query heads on as many keys."""

    name: str
    layers: int
    width: int
    inner: int
    heads: int

    def program(self) -> Program:
        """The model traced on meta tensors."""
        config = LlamaConfig(
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            vocab_size=32000,
        )
        with torch.device("meta"):
            model = LlamaForCausalLM(config)
        tokens = torch.zeros(2, 7, dtype=torch.long)
        return trace(model, {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}).program


@dataclass(frozen=True)
class Row:
    """One measurement, seconds."""

    model: str
    layers: int | None
    width: int | None
    parameters: int
    nodes: int
    trace_s: float
    discovery_s: float
    families: int
    units: int
    sublayers: int


def shapes() -> Iterator[Shape]:
    """Every shape that is measured."""
    for layers in LAYERS:
        yield Shape(f"{layers} layers", layers, 256, 688, 8)
    for width in WIDTHS:
        yield Shape(f"width {width}", 4, width, width * 43 // 16, width // 64)
    yield Shape(SEVEN_B, 32, 4096, 11008, 32)


def measure(name: str, program: Program, traced: float, shape: Shape | None = None) -> Row:
    """Discover once and count."""
    started = time.perf_counter()
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    took = time.perf_counter() - started
    assert isinstance(structure, Structure)
    return Row(
        model=name,
        layers=shape.layers if shape else None,
        width=shape.width if shape else None,
        parameters=program.parameter_count(),
        nodes=len(program.graph.nodes),
        trace_s=round(traced, 2),
        discovery_s=round(took, 2),
        families=len(structure.families),
        units=sum(family.units for family in structure.families),
        sublayers=len(structure.sublayers),
    )


def rows(models: list[Path]) -> Iterator[Row]:
    """Measure, one model after the other."""
    for path in models:
        started = time.perf_counter()
        program = load(path).program
        yield measure(path.name, program, time.perf_counter() - started)
    for shape in shapes():
        started = time.perf_counter()
        program = shape.program()
        yield measure(shape.name, program, time.perf_counter() - started, shape)


def markdown(measured: list[Row]) -> str:
    """The rows as a table."""
    head = ("model", "parameters", "nodes", "trace, s", "discovery, s", "families", "units", "sublayers")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in measured:
        cells = (row.model, f"{row.parameters:,}", row.nodes, row.trace_s, row.discovery_s, row.families, row.units)
        lines.append(f"| {' | '.join(map(str, (*cells, row.sublayers)))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append", default=[], help="a model folder, measured first")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    arguments = parser.parse_args()
    measured = list(rows(arguments.model))
    print(markdown(measured))
    if arguments.json:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        record = {"machine": machine, "rows": [asdict(row) for row in measured]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
