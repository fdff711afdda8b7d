"""The page that `ken.py` writes: accuracy and size by mode and share, what density changes, and units cut out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tools.bench.ken_cases import SEEDS, SETS
from tools.bench.rows import Row, spread, table

RANDOM = "random"
"""The mode that the others are held against."""
AT = 0.9
"""An accuracy of which the page says how sure it is."""
HEAD = """# What stays of a fine-tuning, measured

Written by `tools/bench/ken.py`; the raw figures are in `ken.json` beside this page.

MiniLM (6 layers, 22.7 million weights) is tuned as a classifier, once for each seed. Of each row of every matrix the
share stays that stands above the column, chosen by the mode of the line, and the rest goes back to the untuned model;
biases, norms and the classifier always stay. Accuracy is on the set's test rows. Each figure is the mean over the
seeds of tuning, ± half the range of these; `random` draws anew for each. Figures without ± are of one tuning.
"""
UNITS = """## Units cut out

What stays says which entries tuning needs. A unit whose entries went back still has its untuned weights and does the
general work; cutting it takes that away. Here a quarter of the heads and neurons of each layer goes, lowest scores
first, cut out and not repaired: by the share of a unit's weights that stays (`stays, MODE`, at a quarter of each row:
what `prunec ken --physical` writes), by the criteria `ken` and `magnitude`, and at random.
"""


def page(rows: list[Row]) -> str:
    """The whole page."""
    lines = [HEAD, *_missing(rows)]
    for name in dict.fromkeys(row["set"] for row in rows):
        lines += [f"## {name}", "", *_set([row for row in rows if row["set"] == name])]
    if any("criterion" in row for row in rows):
        lines += [UNITS, *_units(rows)]
    return "\n".join(lines).rstrip() + "\n"


def _missing(rows: list[Row]) -> list[str]:
    """The tunings of which nothing is measured."""
    whole = {(row["set"], row["seed"]) for row in rows if "accuracy" in row}
    left = [f"{name} {seed}" for name in SETS for seed in SEEDS if (name, seed) not in whole]
    return [f"Sets and seeds that are not measured yet: {', '.join(left)}.", ""] if left else []


def _set(rows: list[Row]) -> list[str]:
    full = [row for row in rows if row.get("mode") == "full"]
    first, seeds = full[0], len({row["seed"] for row in full})
    shares = sorted({row["keep"] for row in rows if 0 < row.get("keep", 0) < 1})
    modes = list(dict.fromkeys(row["mode"] for row in rows if 0 < row.get("keep", 0) < 1))
    least = _accuracy([row for row in rows if row.get("mode") == "none"])
    lines = [
        f"Tunings: {seeds}, of {first['epochs']} epochs over {first['rows']} rows. Test rows: {first['tests']}.",
        f"Texts are cut at {first['longest']} tokens.",
        f"By so few rows an accuracy of {AT:g} is known to ±{_error(first['tests']):.3f} (95 %).",
        f"The tuned model has {_accuracy(full)} right and takes {_megabytes(full)}; with every matrix but the",
        f"classifier's put back, it has {least or 'an accuracy that is not measured yet'}.",
        "",
        "Accuracy; as many entries stay by every mode, so that files are of one size:",
        "",
    ]
    head = ["mode", *(f"{share:.0%}" for share in shares)]
    cells = {
        mode: [[row for row in rows if (row.get("mode"), row.get("keep")) == (mode, share)] for share in shares]
        for mode in modes
    }
    lines += table(
        head,
        [
            *((mode, [_accuracy(found) for found in own]) for mode, own in cells.items()),
            ("size of the file", [_megabytes([row for row in rows if row.get("keep") == share]) for share in shares]),
        ],
    )
    against = _against_random(cells, shares)
    return [*lines, *against, *(line for row in rows if "same" in row for line in _density(row))]


def _against_random(cells: Mapping[str, Sequence[list[Row]]], shares: Sequence[float]) -> list[str]:
    """What each mode gains over as many entries drawn at random, seed by seed and on average."""
    drawn = [{row["seed"]: row["accuracy"] for row in found} for found in cells.get(RANDOM, ())]
    lines = []
    for mode, own in cells.items():
        gains = [
            [row["accuracy"] - others[row["seed"]] for row in found if row["seed"] in others]
            for found, others in zip(own, drawn, strict=False)
        ]
        if mode != RANDOM and gains and all(gains):
            told = (f"{np.mean(each):+.3f} at {share:.0%}" for share, each in zip(shares, gains, strict=True))
            lines.append(f"- `{mode}` beside `{RANDOM}`: {', '.join(told)}")
    return [*lines, ""] if lines else []


def _density(row: Row) -> list[str]:
    told = ", ".join(f"{1 - part:.3%} at {float(share):.0%}" for share, part in row["same"].items())
    return [
        "`faithful` visits the points of its grid by density. Visited from left to right, without any density,",
        f"the same grid keeps this share of other entries: {told} (every fourth matrix of seed {row['seed']}).",
        "",
    ]


def _error(tests: int) -> float:
    """Half the 95 % interval of an accuracy of `AT` on so many rows, by the normal distribution."""
    return 1.96 * math.sqrt(AT * (1 - AT) / tests)


def _accuracy(rows: list[Row]) -> str:
    return spread([row["accuracy"] for row in rows])


def _megabytes(rows: list[Row]) -> str:
    return f"{np.mean([row['bytes'] for row in rows]) / 1e6:.1f} MB" if rows else ""


def _units(rows: list[Row]) -> list[str]:
    """A line for each criterion, best first by the mean over the sets."""
    sets = list(dict.fromkeys(row["set"] for row in rows if "criterion" in row))
    full = {name: [row for row in rows if (row["set"], row.get("mode")) == (name, "full")] for name in sets}
    lines = [("nothing cut", [_accuracy(full[name]) for name in sets])]
    scored = []
    for name in dict.fromkeys(row["criterion"] for row in rows if "criterion" in row):
        cells = [[row for row in rows if (row["set"], row.get("criterion")) == (each, name)] for each in sets]
        means = [np.mean([row["accuracy"] for row in found]) for found in cells if found]
        scored.append((-np.mean(means), name, [_accuracy(found) for found in cells]))
    lines += [(name, cells) for _, name, cells in sorted(scored)]
    return table(["criterion", *sets], lines)
