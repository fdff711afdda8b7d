"""How much what goes, and what is lost, depend on the calibration text, as tables of words."""

from __future__ import annotations

from dataclasses import dataclass

from prunec.report.page.chart import Grid
from prunec.report.sensitivity import PlanOutcome, Sensitivity
from prunec.report.sensitivity_page import cells_on, kind_name, share_text, subject
from prunec.report.units import count


@dataclass(frozen=True)
class TextsView:
    """A comparison as the page shows it.

    Attributes:
        subject: what the figures are.
        losses: a row for each plan, a figure for each text and how it differs from the plan by that text.
        overlaps: what every two plans both remove, of each kind.
    """

    subject: str
    losses: Grid
    overlaps: Grid


def texts_view(found: Sensitivity) -> TextsView:
    """The tables of a comparison."""
    head = ["plan by", "parameters", *(word for text in found.texts for word in (f"on {text}", "against its own"))]
    dense = [cell for text in found.texts for cell in (f"{found.plans[0].on(text).dense:.3f}", "")]
    rows = [("dense", count(found.parameters), *dense), *(_row(found, plan) for plan in found.plans)]
    return TextsView(f"{found.budget}: {subject(found)}.", Grid(tuple(head), tuple(rows)), _overlaps(found))


def _row(found: Sensitivity, plan: PlanOutcome) -> tuple[str, ...]:
    cells = [cell for text in found.texts for cell in cells_on(found, plan, text)]
    return plan.name, count(plan.parameters), *cells


def _overlaps(found: Sensitivity) -> Grid:
    """A row for every two plans and kind of which some go."""
    rows = [
        (
            item.first,
            item.second,
            kind_name(item),
            *(f"{number:,}" for number in (item.there, item.by_first, item.by_second, item.both)),
            share_text(item.jaccard),
            share_text(item.chance),
        )
        for item in found.overlaps
        if item.by_first or item.by_second
    ]
    head = ("1st plan", "2nd plan", "kind", "there", "by 1st", "by 2nd", "by both", "share", "chance")
    return Grid(head, tuple(rows))
