"""Several budgets of one kind in one compile: how they are asked for, and what each artifact is called."""

from __future__ import annotations

from collections.abc import Sequence

from prunec.destination import Destination
from prunec.errors import InputError
from prunec.options import Budget, parse_budget

Amount = str | float
Amounts = Amount | Sequence[Amount]
"""One budget, or several of the same kind as a list or tuple."""


def parse_budgets(
    *,
    latency: Amounts | None = None,
    speedup: Amounts | None = None,
    params: Amounts | None = None,
    size: Amounts | None = None,
) -> Budget | tuple[Budget, ...]:
    """The one budget that is given; of a list or tuple, each in its order.

    Raises:
        InputError: none is given, several kinds are, one cannot be read, or one is given twice.
    """
    asked = {"latency": latency, "speedup": speedup, "params": params, "size": size}
    listed = {name: values for name, values in asked.items() if isinstance(values, (list, tuple))}
    if not listed:
        return parse_budget(**asked)  # type: ignore[arg-type]
    name, values = next(iter(listed.items()))
    if not values:
        raise InputError(f"an empty list is given as {name}", "give at least one budget")
    budgets = tuple(parse_budget(**{**asked, name: value}) for value in values)
    for budget in budgets:
        if budgets.count(budget) > 1:
            raise InputError(f"the budget of {budget} is given twice", "give each budget once")
    return budgets


def read_amounts(text: str | None) -> str | list[str] | None:
    """The words of `10ms,20ms` as a list; text without a comma as it is."""
    return text.split(",") if text is not None and "," in text else text


def label(budget: Budget) -> str:
    """The budget as part of a file name: `20ms`, `1.5x`, `80M`, `200MB`."""
    if budget.kind in ("latency_ms", "speedup"):
        return f"{budget.value:.12g}{'ms' if budget.kind == 'latency_ms' else 'x'}"
    last = "B" if budget.kind == "bytes" else ""
    for factor, prefix in ((1e9, "G" if last else "B"), (1e6, "M"), (1e3, "k")):
        if budget.value >= factor:
            return f"{budget.value / factor:.12g}{prefix}{last}"
    return f"{budget.value:.0f}{last}"


def destinations(place: Destination, asked: Budget | Sequence[Budget]) -> list[Destination]:
    """Where the files of each budget go, in their order: for a single one `place`, else `slim-1.5x.onnx` and so on."""
    return [place] if isinstance(asked, Budget) else [place.labelled(label(budget)) for budget in asked]
