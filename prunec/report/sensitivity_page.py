"""A comparison of calibration texts as one page in the terminal, and as one line."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.overlap import Overlap
from prunec.report.sensitivity import PlanOutcome, Sensitivity, Worst

WIDEST = 120
SHARES = (
    "The share of what goes by either plan that goes by both, units of dropped sublayers included; and by chance, "
    "had each plan drawn as many of each family at random."
)


def print_sensitivity(found: Sensitivity, console: Console) -> None:
    """Print the page: the loss of every plan on every text, where each loses most, and what plans have in common."""
    console.width = min(console.width, WIDEST)
    console.print(Text(headline(found), "bold"))
    console.print()
    console.print(Text(subject(found), "dim"))
    console.print(_losses(found))
    console.print(Text("The second number: against the plan by that text itself.", "dim"))
    for worst in found.worst:
        console.print(Text.assemble((worst.plan, "bold"), f" {_worst(worst)}"))
    console.print()
    console.print(Text(SHARES, "dim"))
    console.print(_overlaps(found))
    for line in found.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), line))


def headline(found: Sensitivity) -> str:
    """What was compared, and where it matters most what text a plan is made by."""
    dearest = max(
        ((plan, text) for plan in found.plans for text in found.texts), key=lambda pair: found.over_own(*pair)
    )
    price = found.over_own(*dearest)
    matters = f"on {dearest[1]} the plan by {dearest[0].name} is {price:.3f} worse than its own"
    said = matters if price > 0 else "no text is served better by its own plan"
    return f"{found.model_class}, {found.budget}, {len(found.texts)} calibration texts: {said}"


def subject(found: Sensitivity) -> str:
    """What the figures of the table are."""
    better = "higher" if found.higher_is_better else "lower"
    repaired = f"repaired by {found.recovery}" if found.recovery else "without recovery"
    return f"{found.metric} ({better} is better), {repaired}, on text that no plan was made by"


def _losses(found: Sensitivity) -> Table:
    """A row for each plan, for each text its figure and the difference from the plan by that text; dense first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("plan by", no_wrap=True)
    table.add_column("parameters", justify="right")
    for text in found.texts:
        table.add_column(f"on {text}", justify="right")
        table.add_column(style="dim")
    dense = [cell for text in found.texts for cell in (f"{found.plans[0].on(text).dense:.3f}", "")]
    table.add_row(Text("dense", "dim"), units.count(found.parameters), *dense)
    for plan in found.plans:
        cells = [cell for text in found.texts for cell in cells_on(found, plan, text)]
        table.add_row(plan.name, units.count(plan.parameters), *cells)
    return table


def cells_on(found: Sensitivity, plan: PlanOutcome, text: str) -> tuple[str, str]:
    """The figure of `plan` on `text`, and how it differs from that of the plan by that text."""
    figure, own = plan.on(text).slim, found.plan(text).on(text).slim
    return f"{figure:.3f}", units.signed(figure - own, 3) if plan.name != text else ""


def _worst(worst: Worst) -> str:
    said = f"loses most on {worst.text}: {_compared(worst.over_dense)} than the dense model"
    if worst.text == worst.plan:
        return f"{said}, on its own text"
    return f"{said}, {_compared(worst.over_own)} than the plan by {worst.text}"


def _compared(worse: float) -> str:
    return f"{abs(worse):.3f} {'worse' if worse >= 0 else 'better'}"


def _overlaps(found: Sensitivity) -> Table:
    """A row for every two plans and kind of which some go."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("1st plan", "2nd plan", "kind"):
        table.add_column(heading, no_wrap=True)
    for heading in ("there", "by 1st", "by 2nd", "by both", "share", "chance"):
        table.add_column(heading, justify="right")
    for item in found.overlaps:
        if item.by_first or item.by_second:
            numbers = [f"{number:,}" for number in (item.there, item.by_first, item.by_second, item.both)]
            table.add_row(
                item.first, item.second, kind_name(item), *numbers, share_text(item.jaccard), share_text(item.chance)
            )
    return table


def kind_name(item: Overlap) -> str:
    """`kv groups` of the kind `kv_group`."""
    return f"{item.kind.replace('_', ' ')}s"


def share_text(value: float) -> str:
    """`44%`; empty where there is none."""
    return "" if math.isnan(value) else f"{value:.0%}"
