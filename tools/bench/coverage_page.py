"""The page of coverage: a share for each tool and kind, and why the others are not in it."""

from __future__ import annotations

from collections import Counter

from tools.bench.rows import Row, table

KINDS = ("heads", "neurons", "sublayers")
SHOWN = 6
"""Reasons of one tool and kind that are spelt out."""
LONGEST = 140
"""Characters of one reason."""

INTRODUCTION = """# What other tools can cut, in how many architectures

Written by `tools/bench/coverage.py`; the raw rows are in `coverage.json` beside this page. The models are those of
[architectures.md](architectures.md): tiny, of random weights. A tool is counted for a kind of unit on a model where
some of that kind went, the model that is left runs, and its outputs equal those of the dense model with what went set
to zero (a layer: bypassed), within 0.0001 of the largest. What went is read off the shapes of the weights.

- torch-pruning: Torch-Pruning 1.6.1; half of the heads of what is called attention and has projections of the usual
  names, with the numbers in modules mended as its examples mend them; half of the neurons of what its dependency graph
  finds between two layers. Attention is `eager`, where it can follow grouped heads; its graph of tiny models that have
  such is not done in 45 s all the same, that of SmolLM2 in ten. It removes no layers. A user of one architecture can do
  more by hand.
- optipfair: optipfair 0.4.2; half of the neurons of gated feed-forwards, or one whole layer, the last. It removes no
  heads.
- onnxsim: onnxsim 0.8.1 on the file of `torch.onnx.export`; half of the heads, half of the channels, one block. Which
  block went is not told, so that only that it changed weights' shapes can be compared.
- prunec: every family and sublayer, as [architectures.md](architectures.md) says.
"""


def page(rows: list[Row]) -> str:
    """The page, as Markdown."""
    tools = sorted({row["tool"] for row in rows}, key=lambda tool: (tool != "prunec", tool))
    by_tool = {tool: [row for row in rows if row["tool"] == tool] for tool in tools}
    lines = [
        (tool, [str(len(found)), *(_share(found, kind) for kind in KINDS), _share_of_all(found)])
        for tool, found in by_tool.items()
    ]
    told = [INTRODUCTION, *table(("tool", "models", *KINDS, "all three"), lines)]
    for tool, found in by_tool.items():
        told += [f"## {tool}, where it is not counted", "", *_reasons(found)]
    return "\n".join(told)


def _share(found: list[Row], kind: str) -> str:
    held = sum(row[kind] == "equal" for row in found)
    return f"{held} ({held / len(found):.0%})"


def _share_of_all(found: list[Row]) -> str:
    held = sum(all(row[kind] == "equal" for kind in KINDS) for row in found)
    return f"{held} ({held / len(found):.0%})"


def _reasons(found: list[Row]) -> list[str]:
    lines = []
    for kind in KINDS:
        counted = Counter(_brief(row[kind]) for row in found if row[kind] != "equal")
        for why, count in counted.most_common(SHOWN):
            lines.append((kind, [str(count), f"`{why}`"]))
        if (rest := len(counted) - SHOWN) > 0:
            lines.append((kind, [str(sum(counted.values()) - sum(n for _, n in counted.most_common(SHOWN))),
                                 f"{rest} other reasons"]))  # fmt: skip
    return table(("kind", "models", "why"), lines)


def _brief(why: str) -> str:
    told = why.replace("`", "'").replace("|", "/").replace("\n", " ")
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"
