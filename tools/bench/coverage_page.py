"""The page of coverage: a share for each tool and kind, and why the others are not in it."""

from __future__ import annotations

import re
from collections import Counter

from tools.bench.rows import Row, table

KINDS = ("heads", "neurons", "sublayers")
SHOWN = 6
"""Reasons of one tool and kind that are spelt out."""
LONGEST = 140
"""Characters of one reason."""

INTRODUCTION = """# What other tools can cut, in how many architectures

Written by `tools/bench/coverage.py`; the raw rows are in `coverage.json` beside this page. The models are some of those
of [architectures.md](architectures.md), tiny and of random weights: the sample that every run of the tests judges
(`tests/zoo/sample.py`), one to three of each kind of model, quick ones where there is a choice. A tool is counted for a
kind of unit on a model where some of that kind went, the model that is left runs, and its outputs equal those of the
dense model with what went set to zero (a layer: bypassed), within 0.0001 of the largest. What went is read off the
shapes of the weights.

- torch-pruning: Torch-Pruning 1.6.1; half of the heads of what is called attention and has projections of the usual
  names, with the numbers in modules mended as its examples mend them; half of the neurons of what its dependency graph
  finds between two layers. Attention is `eager`, where it can follow grouped heads; its graph of tiny models that have
  such is not done in 45 s all the same; SmolLM2 is pruned in 21 s, loading included. It removes no layers. A user of
  one architecture can do more by hand.
- optipfair: optipfair 0.4.2; half of the neurons of gated feed-forwards, or one whole layer, the last. It removes no
  heads.
- onnxsim: onnxsim 0.8.1 on the file of `torch.onnx.export`; half of the heads, half of the channels, one block. Which
  block went is not told, so that only that it changed weights' shapes can be compared.
- prunec: every family and sublayer, as [architectures.md](architectures.md) says.
"""


def page(rows: list[Row]) -> str:
    """The page, as Markdown."""
    told = [INTRODUCTION, *summary(rows)]
    for tool, found in _by_tool(rows).items():
        told += [f"## {tool}, where it is not counted", "", *_reasons(found)]
    return "\n".join(told)


def summary(rows: list[Row]) -> list[str]:
    """A line for each tool: on how many models it passes each kind."""
    lines = [(tool, _cells(found)) for tool, found in _by_tool(rows).items()]
    return table(("tool", "models", *KINDS, "all three"), lines)


def _by_tool(rows: list[Row]) -> dict[str, list[Row]]:
    tools = sorted({row["tool"] for row in rows}, key=lambda tool: (tool != "prunec", tool))
    return {tool: [row for row in rows if row["tool"] == tool] for tool in tools}


def _cells(found: list[Row]) -> list[str]:
    """How many models there are, and on how many each kind passes, and all of them."""
    held = {kind: {row["case"] for row in found if row["kind"] == kind and row["outcome"] == "equal"} for kind in KINDS}
    models = len({row["case"] for row in found})
    counted = [*held.values(), set.intersection(*held.values())]
    return [str(models), *(f"{len(cases)} ({len(cases) / models:.0%})" for cases in counted)]


def _reasons(found: list[Row]) -> list[str]:
    lines: list[tuple[str, list[str]]] = []
    for kind in KINDS:
        counted = Counter(_brief(row["outcome"]) for row in found if row["kind"] == kind and row["outcome"] != "equal")
        shown = counted.most_common(SHOWN)
        lines += [(kind, [str(count), f"`{why}`"]) for why, count in shown]
        if len(counted) > SHOWN:
            rest = counted.total() - sum(count for _, count in shown)
            lines.append((kind, [str(rest), f"{len(counted) - SHOWN} other reasons"]))
    return table(("kind", "models", "why"), lines)


def _brief(why: str) -> str:
    told = re.sub(r"\x1b\[\d*m", "", why).replace("`", "'").replace("|", "/").replace("\n", " ")
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"
