"""On which architectures each tool removes heads, neurons and layers, and what is left is right.

    .venv/bin/pip install --no-deps --target .cache/rivals -r tools/bench/rivals.txt
    python -m tools.architectures --results .cache/architectures.jsonl
    python -m tools.bench.coverage .cache/architectures.jsonl --results docs/coverage.json --page docs/coverage.md

The models are some of those of docs/architectures.md, tiny and of random weights: the sample that the tests judge, one
to three of each kind. What prunec does with them is read from the results of `tools.architectures`. A tool passes a
kind on a model where something went, the model runs, and what it gives equals the dense model with what went set to
zero. Rows that the results file holds are kept.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunec.frontends.diagnosis import first_line
from prunec.frontends.trace import quiet
from tests.zoo.anatomy import NOT_HEADS
from tests.zoo.cases import case_named
from tests.zoo.judge import Judgement
from tests.zoo.sample import SAMPLE
from tools.architectures import read
from tools.bench import coverage_onnx, coverage_torch
from tools.bench.coverage_masks import TOLERANCE, NotMaskedError, distance, masked
from tools.bench.coverage_page import KINDS, page
from tools.bench.rows import Row, keep
from tools.workers import ask_all

ON_FILES = "onnxsim"
TOOLS = (*coverage_torch.TOOLS, ON_FILES)
LIMIT = 45
"""Seconds for one question."""


Asked = tuple[str, str, tuple[str, ...], str]
"""A case, a tool, kinds of units, and where tools are installed."""


def answer(asked: Asked) -> list[Row]:
    """What the tool does with each kind, a row each."""
    name, tool, kinds, packages = asked
    if packages not in sys.path:
        sys.path.append(packages)
    with quiet(), tempfile.TemporaryDirectory() as folder:
        try:
            model, inputs = case_named(name).build()
        except Exception as error:  # some need packages that are not here
            return _rows(name, tool, dict.fromkeys(kinds, f"build: {first_line(error)}"))
        _without_cache(model)
        try:
            begun = coverage_onnx.exported(model, inputs, Path(folder) / "dense.onnx") if tool == ON_FILES else None
        except Exception as error:  # whatever the exporter raises is the finding
            return _rows(name, tool, dict.fromkeys(kinds, f"export: {first_line(error.__cause__ or error)}"))
        return _rows(name, tool, {kind: _outcome(tool, kind, model, inputs, begun) for kind in kinds})


def _rows(case: str, tool: str, outcomes: Mapping[str, str]) -> list[Row]:
    return [
        {"case": case, "tool": tool, "kind": kind, "outcome": outcome, "lacking": int(outcome != "equal")}
        for kind, outcome in outcomes.items()
    ]


def _without_cache(model: nn.Module) -> None:
    """Models that would give a cache give none: it is no output to compare."""
    configs = {id(item): item for part in model.modules() if (item := getattr(part, "config", None)) is not None}
    for config in configs.values():
        if hasattr(config, "use_cache"):
            config.use_cache = False


def _outcome(tool: str, kind: str, model: nn.Module, inputs: Mapping[str, Tensor], begun: Path | None) -> str:
    """`equal`, or why it is not that."""
    try:
        error = _in_file(kind, begun, inputs) if begun else _in_torch(tool, kind, model, inputs)
    except coverage_torch.NotTriedError as why:
        return f"not tried: {why}"
    except NotMaskedError as why:
        return f"unlike: {why}"
    except Exception as problem:  # whatever the tool raises, or what it left, is the finding
        return f"failed: {type(problem).__name__}: {first_line(problem)}"
    return "equal" if error <= TOLERANCE else f"unlike: its outputs differ by {error:.1e}"


def _in_torch(tool: str, kind: str, model: Any, inputs: Mapping[str, Tensor]) -> float:
    with suppress(AttributeError, ValueError):  # models that have one way of attending
        model.set_attn_implementation("eager")
    dense = copy.deepcopy(model)
    pruned = coverage_torch.TOOLS[tool](kind, copy.deepcopy(model), inputs)
    found = coverage_torch.outputs_of(pruned, inputs)
    if kind == "sublayers":
        coverage_torch.bypass_last(dense, pruned)
    else:
        arrays, left = ({name: value.numpy() for name, value in item.state_dict().items()} for item in (dense, pruned))
        zeroed = masked(arrays, left)
        dense.load_state_dict({name: torch.from_numpy(value) for name, value in zeroed.items()}, strict=False)
    return distance(found, coverage_torch.outputs_of(dense, inputs))


def _in_file(kind: str, begun: Path, inputs: Mapping[str, Tensor]) -> float:
    import onnx

    pruned, dense = coverage_onnx.onnxsim(kind, begun), onnx.load(begun)
    found = coverage_onnx.outputs_of(pruned, inputs)
    zeroed = masked(coverage_onnx.arrays(dense), coverage_onnx.arrays(pruned))
    return distance(found, coverage_onnx.outputs_of(coverage_onnx.with_arrays(dense, zeroed), inputs))


def ours(judged: Judgement) -> list[Row]:
    """What prunec does with a case, by the same words."""
    trouble = judged.trouble or (f"unlike: {len(judged.broken)} plans differ" if judged.broken else "")
    have = {
        "heads": judged.heads,
        "neurons": sum(count for kind, count in judged.families.items() if kind in NOT_HEADS),
        "sublayers": sum(judged.sublayers.values()),
    }
    return _rows(
        judged.case, "prunec", {kind: trouble or ("equal" if count else "none found") for kind, count in have.items()}
    )


def rows(known: list[Row], names: list[str], tools: list[str], packages: Path, jobs: int) -> Iterator[Row]:
    """The rows that are missing, as they come."""
    have = {(row["case"], row["tool"]) for row in known}
    asked: list[Asked] = []
    for tool in tools:
        # A file is exported once for all kinds; else one that hangs takes no other with it.
        parts = [KINDS] if tool == ON_FILES else [(kind,) for kind in KINDS]
        missing = [name for name in names if (name, tool) not in have]
        asked += [(name, tool, kinds, str(packages.absolute())) for name in missing for kinds in parts]

    def lost(question: Asked, why: str) -> list[Row]:
        return _rows(*question[:2], dict.fromkeys(question[2], f"failed: {why}"))

    for found in ask_all(answer, asked, lost, jobs, LIMIT) if asked else ():
        yield from found


def main() -> None:
    """Try what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("judged", type=Path, help="what tools.architectures wrote as --results")
    parser.add_argument(
        "cases", nargs="*", help="names such as bert:masked_lm; the cases of tests/zoo/sample.py by default"
    )
    parser.add_argument("--packages", type=Path, default=Path(".cache/rivals"), help="where rivals are installed")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--tools", default=",".join(TOOLS), help="by name, separated by commas")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    given = parser.parse_args()
    found: list[Row] = json.loads(given.results.read_text()) if given.results.exists() else []
    found = [row for row in found if row["tool"] != "prunec"]
    names = given.cases or list(SAMPLE)
    judged = read(given.judged)
    found += [row for name in names if name in judged for row in ours(judged[name])]
    wanted: Any = given.tools.split(",")
    for row in rows(found, names, wanted, given.packages, given.jobs):
        keep(row, found, given.results, given.page, page)


if __name__ == "__main__":
    main()
