"""What is said of a comparison: where plans lose most, and how its page reads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from prunec.report.codec import decode
from prunec.report.data import Data, Machine, TextLoss
from prunec.report.overlap import Overlap
from prunec.report.sensitivity import PlanOutcome, Sensitivity
from prunec.report.sensitivity_page import headline, print_sensitivity

DENSE = (3.0, 4.0)


def outcome(name: str, figures: Sequence[float]) -> PlanOutcome:
    texts = tuple(
        TextLoss(text, "nats", dense, slim, 100)
        for text, dense, slim in zip(("prose", "code"), DENSE, figures, strict=True)
    )
    return PlanOutcome(name, {"neuron": 5, "sublayer": 0}, (), 900, 900.0, 0.1, texts, ())


def comparison(prose: Sequence[float], code: Sequence[float], *, higher_is_better: bool = False) -> Sensitivity:
    return Sensitivity(
        prunec="0.1.0",
        source="model",
        model_class="BertModel",
        task="feature-extraction",
        parameters=1000,
        budget="1.5x",
        workload="encode:1x128",
        machine=Machine("A processor", 2, 2, 8_000_000_000, "Linux"),
        pipeline="importance, remove",
        given={},
        recovery="",
        texts={name: Data(f"{name}.txt", "0", 9, 9, 9, False) for name in ("prose", "code")},
        metric="cross-entropy, nats per token",
        higher_is_better=higher_is_better,
        plans=(outcome("prose", prose), outcome("code", code)),
        overlaps=(
            Overlap("prose", "code", "neuron", 20, 5, 5, 3, 1.25),
            Overlap("prose", "code", "sublayer", 4, 0, 0, 0, 0.0),
        ),
        stages=(),
        seconds=1.0,
        warnings=("too little text",),
    )


LOSS = comparison((3.2, 4.9), (3.7, 4.5))
PAGE = """\
BertModel, 1.5x, 2 calibration texts: on prose the plan by code is 0.500 worse
than its own

cross-entropy, nats per token (lower is better), without recovery, on text that
no plan was made by
plan by  parameters  on prose          on code
dense        1.00 k     3.000            4.000
prose           900     3.200            4.900  +0.400
code            900     3.700  +0.500    4.500
The second number: against the plan by that text itself.
prose loses most on code: 0.900 worse than the dense model, 0.400 worse than the
plan by code
code loses most on prose: 0.700 worse than the dense model, 0.500 worse than the
plan by prose

The share of what goes by either plan that goes by both, units of dropped
sublayers included; and by chance, had each plan drawn as many of each family at
random.
1st plan  2nd plan  kind     there  by 1st  by 2nd  by both  share  chance
prose     code      neurons     20       5       5        3    43%     14%
warning: too little text
"""


def worst(found: Sensitivity) -> list[tuple[str, str, float, float]]:
    return [(item.plan, item.text, round(item.over_dense, 9), round(item.over_own, 9)) for item in found.worst]


def test_the_worst_text_is_where_most_is_lost_against_the_dense_model() -> None:
    assert worst(LOSS) == [("prose", "code", 0.9, 0.4), ("code", "prose", 0.7, 0.5)]


def test_where_higher_is_better_a_lower_figure_is_the_loss() -> None:
    found = comparison((2.9, 3.2), (2.4, 3.7), higher_is_better=True)
    assert worst(found) == [("prose", "code", 0.8, 0.5), ("code", "prose", 0.6, 0.5)]


def test_a_plan_may_be_worst_on_its_own_text() -> None:
    found = comparison((3.9, 4.1), (3.95, 4.1))
    assert worst(found)[0] == ("prose", "prose", 0.9, 0.0)
    assert "prose loses most on prose: 0.900 worse than the dense model, on its own text" in page(found)


def test_the_headline_names_what_the_wrong_text_costs_most() -> None:
    assert headline(LOSS).endswith("on prose the plan by code is 0.500 worse than its own")
    assert headline(comparison((3.2, 4.5), (3.2, 4.5))).endswith("no text is served better by its own plan")


def test_a_comparison_survives_the_round_trip() -> None:
    assert decode(Sensitivity, LOSS.to_json()) == LOSS


def test_repair_is_named() -> None:
    mended = page(replace(LOSS, recovery="recover{method=bias}"))
    assert "(lower is better), repaired by recover{method=bias}, on text that" in " ".join(mended.split())


def test_the_page() -> None:
    assert page(LOSS) == PAGE


def page(found: Sensitivity) -> str:
    written = io.StringIO()
    print_sensitivity(found, Console(file=written, width=80))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"
