"""Right answers: shares with the interval that so few texts leave open, and whether the dense model has more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scipy.stats import binomtest

from tools.bench.rows import table
from tools.bench.zero_shot import QUESTION

CONFIDENCE = 0.95


def share(right: int, count: int) -> str:
    """The share of `count` answers that are right, with Wilson's interval."""
    ends = binomtest(right, count).proportion_ci(CONFIDENCE, method="wilson")
    return f"{right / count:.3f} ({ends.low:.2f} to {ends.high:.2f})"


def difference(right: Mapping[str, int]) -> float:
    """How likely two models that are as good as each other differ by so much: McNemar's exact test.

    Args:
        right: how many answers of the `dense` model, of the `file` and of `both` are right.
    """
    lost, gained = (right[name] - right["both"] for name in ("dense", "file"))
    return float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0


def right_table(first: str, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """Lines of the right answers of rows, each with its line and its column; none where none were counted.

    Args:
        first: what lines are of.
        rows: in order; of several for one place the first counts.
    """
    cells: dict[tuple[str, str], str] = {}
    dense: dict[str, str] = {}
    for line, column, row in rows:
        for name, right in row.get("right", {}).items():
            said = f"{share(right['file'], right['count'])}, p {difference(right):.2g}"
            cells.setdefault((line, f"{column}, {name}"), said)
            dense.setdefault(name, f"{share(right['dense'], right['count'])} of {right['count']}")
    if not cells:
        return []
    columns = sorted({column for _, column in cells})
    lines = dict.fromkeys(line for line, _ in cells)
    made = table([first, *columns], ((line, [cells.get((line, column), "") for column in columns]) for line in lines))
    return [
        "",
        f"Right answers, each a share with Wilson's interval of {CONFIDENCE:.0%}; dense: "
        f"{', '.join(f'{name} {said}' for name, said in dense.items())}. The answers being to the same questions, p is "
        "how likely a difference of that size would be if both were as good (McNemar's exact test). A language model "
        f"goes on after a story and *{QUESTION.strip()}*: the likeliest of the labels' words is its answer.",
        "",
        *made[:-1],
    ]
