"""The page of architectures: what each word means, a summary, and a row for each case."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from importlib.metadata import version

from tests.passes.golden import TOLERANCE
from tests.zoo.judge import Judgement
from tools.architectures_share import absent, share_of

VERDICTS = ("pass", "partial", "fail")
SHOWN = 3
"""Reasons of one case that are spelt out."""
UNTOLD = "no pin names the weights"
LONGEST = 160
"""Characters of one reason."""

INTRODUCTION = f"""# Architectures

Written by `python -m tools.architectures`; CONTRIBUTING says how. Every case is a tiny model of random weights, one for
each model type and task of transformers {{transformers}} that is listed in `tests/zoo/visible.txt`, traced with torch
{{torch}}. Passes see graphs, not sizes; other settings of the same architecture may make another graph.

| verdict | meaning |
|---|---|
| pass | It was traced. The golden rule held for every plan. Every attention has heads or KV groups that can go, every \
feed-forward has neurons, and both are in sublayers that can be bypassed. |
| partial | It was traced and the golden rule held for every plan, but something that a user might expect to be cut is \
pinned: it stays as it is. The reason names it. |
| fail | It was not traced, prunec crashed, a plan gave a program that differs from the masked one, or ONNX Runtime \
computed something else. |

- **The golden rule:** the slim program equals the dense one with the removed units masked, in float32 within
  {TOLERANCE:g} of the largest output. Where rounding alone comes to more, or where a plan shows in no output by more
  than 1e-5, both are compared in float64; where next to nothing is left of the outputs, rounding counts by what they
  were. The plans: each family alone (some of its units; all but one), units of all
  families and sublayers at once (three seeds), units of all families, all but one unit of every family, and every
  sublayer. Families that no mask stands for have oracles of their own: features of a stream that norms centre, with
  norms over what is left; rows of a vocabulary, with ids and logits in new numbers. Inputs have another batch and
  another length than those that were traced, where the program takes them.
- **What is expected** is found in the traced graph without labels. An *attention* is a fused attention operator, or a
  softmax between two products of activations; it needs heads or KV groups in a weight that computes it, unless it has
  one head only. A *feed-forward* is a nonlinearity between two projections, with no product, norm or residual addition
  on the way, that is no gate of what an attention or a scan mixed; it needs a family with units on both sides of it, of
  neurons, channels or experts. Where the result of either is added to what it is computed from, or to a sum, a multiple
  or a part of that, the addition must be a sublayer's. A model without such an attention, but with a module whose class
  is called attention, needs heads as well.
- **Traced:** `dynamic` if all axes of the inputs stayed dynamic that were asked for (batch, and time in text and
  sound), else those that did, or `static`.
- **Families and sublayers** are counted by kind. **ONNX Runtime** ran the slim program of a mixed plan where the column
  says by how much it differed; where the dense program differs between the runtimes as well, nothing is judged.
"""


def page(judged: list[Judgement]) -> str:
    """The page, as Markdown."""
    head = INTRODUCTION.format(transformers=version("transformers"), torch=version("torch").partition("+")[0])
    parts = {"Summary": _summary, "Attention and feed-forward": _share, "Why not more": _whys, "Cases": _cases}
    told = [line for title, lines in parts.items() for line in (f"## {title}", "", *lines(judged), "")]
    return "\n".join([head, *told])


def _summary(judged: list[Judgement]) -> list[str]:
    traced = [item for item in judged if item.traced]
    trials = [trial for item in judged for trial in item.trials]
    run = [item for item in judged if item.onnx is not None]
    worst = max((item.worst for item in judged if item.worst is not None), default=0.0)
    rows = [
        ("cases", str(len(judged))),
        *((verdict, str(sum(item.verdict == verdict for item in judged))) for verdict in VERDICTS),
        ("traced", f"{len(traced)}: {_counts(_tracing(item) for item in traced)}"),
        ("golden rule", f"held for {sum(trial.held for trial in trials)} of {len(trials)} plans, worst {worst:.1e}"),
        ("on other sizes than traced", f"{sum(bool(item.sizes) for item in traced)} cases"),
        ("families", _kinds(judged, lambda item: item.families)),
        ("families that no mask stands for", _kinds(judged, lambda item: item.unmasked)),
        ("sublayers", _kinds(judged, lambda item: item.sublayers)),
        ("ONNX Runtime", f"agreed in {sum((item.onnx or 0) <= TOLERANCE for item in run)} of {len(run)} cases; "
                         f"{sum(bool(item.onnx_trouble) for item in judged)} more could not be run"),
    ]  # fmt: skip
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _share(judged: list[Judgement]) -> list[str]:
    """Of the cases that hold both blocks, how many have every kind of part, in some place and in every place."""
    share = share_of(judged)
    misses = [f"| {_cell(item.case)} | {_cell('; '.join(filter(None, (absent(item), reason(item)))))} |"
              for item in share.misses]  # fmt: skip
    return [
        f"{len(share.both)} cases hold at least one attention and one feed-forward; {len(share.neither)} others lack "
        "either and are left out.",
        "",
        f"- **By kind:** in {_part(share.by_kind, share.both)}, heads or KV groups, neurons or channels, and sublayers "
        "were found, and the golden rule held.",
        f"- **Everywhere:** in {_part(share.everywhere, share.both)}, they were found in every attention and "
        "feed-forward.",
        "",
        *(["| miss by kind | what is missing, and why |", "|---|---|", *misses] if misses else ["No case is missed."]),
    ]


def _part(some: tuple[Judgement, ...], every: tuple[Judgement, ...]) -> str:
    return f"{len(some)} of {len(every)} ({len(some) / max(len(every), 1):.1%})"


def _tracing(item: Judgement) -> str:
    return item.traced if item.traced in ("dynamic", "static") else "dynamic in part"


def _kinds(judged: list[Judgement], of: Callable[[Judgement], dict[str, int]]) -> str:
    totals: Counter[str] = Counter()
    holders: Counter[str] = Counter()
    for item in judged:
        totals.update(of(item))
        holders.update(of(item).keys())
    return ", ".join(f"{total} {kind} in {holders[kind]} cases" for kind, total in totals.most_common())


def _counts(values: Iterable[str]) -> str:
    return ", ".join(f"{count} {value}" for value, count in Counter(values).most_common())


def _whys(judged: list[Judgement]) -> list[str]:
    """The reasons behind every case that is not a pass, the commonest first, with an example each."""
    holders: dict[str, list[str]] = defaultdict(list)
    for item in judged:
        if item.verdict == "fail":
            holders[_general(_failure(item))].append(item.case)
        elif item.verdict == "partial":
            for why in sorted(_reasons(item)):
                holders[why].append(item.case)
    order = sorted(holders.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    lines = [f"| {_cell(why)} | {len(names)} | {_cell(names[0])} |" for why, names in order]
    return ["| reason | cases | such as |", "|---|---|---|", *lines]


def _reasons(item: Judgement) -> set[str]:
    """Why a partial case is not more: by the places that it misses, or by every pin where those are none."""
    told = {_general(why.partition(": ")[2] or why) if why else UNTOLD for why in item.reasons.values()}
    return told or {_pin(what, why) for what, why in item.pins} or {UNTOLD}


def _cases(judged: list[Judgement]) -> list[str]:
    head = ("case", "traced", "nodes", "families", "sublayers", "golden rule", "ONNX Runtime", "verdict", "reason")
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for item in judged:
        cells = [item.case, item.traced or "no", str(item.nodes or ""), _held(item.families), _held(item.sublayers)]
        cells += [_golden(item), _onnx(item), item.verdict, reason(item)]
        rows.append("| " + " | ".join(map(_cell, cells)) + " |")
    return rows


def _held(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _golden(item: Judgement) -> str:
    if not item.trials:
        return ""
    held = len(item.trials) - len(item.broken)
    worst = "" if item.worst is None else f", worst {item.worst:.0e}"
    double = sum(trial.double for trial in item.trials)
    return f"{held} of {len(item.trials)}{worst}" + (f" ({double} in float64)" if double else "")


def _onnx(item: Judgement) -> str:
    return f"{item.onnx:.0e}" if item.onnx is not None else "not run" if item.onnx_trouble else ""


def reason(item: Judgement) -> str:
    """Why the verdict is not better; for a pass, what else there is to say."""
    notes = [] if not item.onnx_trouble else [f"ONNX: {_short(item.onnx_trouble)}"]
    if item.trials and not item.sizes:
        notes.append("takes the traced sizes only" if item.traced != "static" else "")
    if item.verdict == "fail":
        return "; ".join([_failure(item), *filter(None, notes)])
    missing = [*_missing(item, "without units", item.without_units),
               *_missing(item, "in no sublayer", item.without_sublayer)]  # fmt: skip
    if item.named and not item.heads:
        missing.append(f"no heads, though {item.named} is called attention")
    if item.verdict == "partial" and not item.families:
        missing.append("no families")
    return "; ".join([*missing, *(_pinned(item) if item.verdict == "partial" else ()), *filter(None, notes)])


def _failure(item: Judgement) -> str:
    if item.trouble:
        return _short(item.trouble)
    if item.broken:
        first = item.broken[0]
        what = first.crash if first.error is None else f"differs by {first.error:.1e}"
        return _short(f"{len(item.broken)} plans broken, such as {first.plan}: {what}")
    return f"ONNX Runtime differs by {item.onnx:.1e}"


def _missing(item: Judgement, what: str, names: list[str]) -> list[str]:
    """`2 of 3 attentions without units (layers.0.attention.query)`, a kind each."""
    told = []
    for kind, called in (("attention", "attentions"), ("ffn", "feed-forwards")):
        own = [name.partition(": ")[2] for name in names if name.startswith(kind)]
        total = sum(place.startswith(kind) for place in item.places)
        if own:
            told.append(
                f"{len(own)} of {total} {called} {what} ({own[0].removesuffix('.weight').removesuffix('.bias')})"
            )
    return told


def _pinned(item: Judgement) -> list[str]:
    """What holds the places that are missed; where none is told, the pins, alike ones once, the nearest first."""
    if any(item.reasons.values()):
        firsts = {_general(why.partition(": ")[2] or why): why for why in reversed(item.reasons.values()) if why}
        return [_short(why) for why in reversed(firsts.values())][:SHOWN]
    weights = [name.partition(": ")[2] for name in (*item.without_units, *item.without_sublayer)]
    blocks = {".".join([*name.split(".")[:-2], ""]) for name in weights if name.count(".") > 1}
    groups: dict[str, list[str]] = defaultdict(list)
    for what, why in item.pins:
        groups[_pin(what, why)].append(what)

    def rank(entry: tuple[str, list[str]]) -> tuple[bool, int]:
        near = any(what.startswith(block) for what in entry[1] for block in blocks)
        return not near, -len(entry[1])

    order = sorted(groups.items(), key=rank)
    told = [f"{_short(why)} ({len(whats)}: {_short(whats[0])})" for why, whats in order[:SHOWN]]
    return told + ([f"{len(order) - SHOWN} more kinds of pins"] if len(order) > SHOWN else [])


def _pin(what: str, why: str) -> str:
    """A pin without the names of nodes: its operator, where it is one, and why."""
    operator = re.search(r"\(([\w.]+)\)$", what)
    return _general(f"{operator[1]} {why}" if operator else why)


def _general(text: str) -> str:
    """`text` without what differs from case to case: numbers of nodes, and counts."""
    return re.sub(r"\b\d+\b", "n", re.sub(r"\b([a-z]\w*?)_\d+\b", r"\1", text))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
