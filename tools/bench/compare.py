"""What changed from one result file to another: ratios of every figure, with their spread; above 1 is worse.

    python -m tools.bench.compare OLD.json NEW.json
    python -m tools.bench.compare OLD.json NEW.json --figures 'median_ms*' --fail-above 1.1

Takes any JSON file of rows that the tools here write. Rows are matched by what they are of (model, method, workload
and so on); rows alike in all of that, such as those of several seeds, are repeats: their ratio is the median, and
beside it stand the lowest and the highest. With `--fail-above` the exit status is 3 where a figure that says how good
something is became worse by more than that factor, or a row that had figures has an error. A row that only one file
has is named and is no failure, since a run may be of a part.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from prunec.errors import BudgetError, InputError
from tools.bench.compare_rows import Change, Comparison, compared, read_rows


def worse(found: Comparison, factor: float) -> list[Change]:
    """The judged figures whose ratio is above `factor`."""
    return [change for change in found.changes if change.judged and change.ratio is not None and change.ratio > factor]


def tables(found: Comparison, everything: bool, beyond: float) -> Iterator[Table]:
    """A line for each figure of each row, and one for each figure over all rows.

    Args:
        found: what was compared.
        everything: whether circumstances are listed too, such as numbers of rounds.
        beyond: changes by less than this factor, either way, are only in the second table.
    """
    listed = [change for change in found.changes if everything or change.judged]
    rows = _table("row", "figure", "old", "new", "ratio", "spread")
    for change in listed:
        if change.ratio is None or max(change.ratio, 1 / change.ratio if change.ratio else np.inf) >= beyond:
            low_high = f"{change.spread[0]:.3f} to {change.spread[1]:.3f}" if change.spread else ""
            ratio = "" if change.ratio is None else f"{change.ratio:.3f}"
            rows.add_row(change.row, change.figure, f"{change.old:.4g}", f"{change.new:.4g}", ratio, low_high)
    if rows.row_count:
        yield rows
    whole = _table("figure, over all rows", "rows", "median ratio", "lowest", "highest")
    for figure in dict.fromkeys(change.figure for change in listed):
        ratios = [item.ratio for item in listed if item.figure == figure and item.ratio is not None]
        if ratios:
            figures = (np.median(ratios), min(ratios), max(ratios))
            whole.add_row(figure, str(len(ratios)), *(f"{value:.3f}" for value in figures))
    yield whole


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, head in enumerate(heads):
        text = place == 0 or head == "figure"
        table.add_column(head, justify="left" if text else "right", overflow="fold")
    return table


def said(found: Comparison) -> Iterator[str]:
    """A line for each row that cannot be compared."""
    yield from (f"fails now: {row}: {error}" for row, error in found.failing.items())
    yield from (f"only in the old file: {row}" for row in found.only_old)
    yield from (f"only in the new file: {row}" for row in found.only_new)


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="result file")
    parser.add_argument("new", type=Path, help="result file")
    parser.add_argument("--figures", help="only figures whose name fits this pattern, such as 'stages.*'")
    parser.add_argument("--beyond", type=float, default=1.0, help="list changes by this factor or more, either way")
    parser.add_argument("--all", action="store_true", help="list circumstances too, such as numbers of rounds")
    parser.add_argument("--fail-above", type=float, metavar="RATIO", help="exit with 3 where a ratio is above it")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args(arguments)
    try:
        found = compared(read_rows(given.old), read_rows(given.new), given.figures)
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if given.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        console = Console(highlight=False)
        console.print(*tables(found, given.all, given.beyond))
        for line in said(found):
            console.print(line)
    bad = worse(found, given.fail_above) if given.fail_above is not None else []
    if given.fail_above is None or not (bad or found.failing):
        return 0
    said_so = f"{len(bad)} figures are worse by more than {given.fail_above:g}, {len(found.failing)} rows fail"
    print(said_so, file=sys.stderr)
    return BudgetError.exit_code


if __name__ == "__main__":
    sys.exit(main())
