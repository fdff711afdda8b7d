"""A judgement finds what is wrong, and says it as plain data."""

from __future__ import annotations

import json

import pytest
from torch import nn

from prunec.facts import Plan, Structure
from prunec.frontends.trace import quiet
from prunec.ir.program import Program
from prunec.passes.rewrite.remove import slim_program
from tests.passes import golden
from tests.passes.golden import Values
from tests.zoo import judge as judging
from tests.zoo.axes import dynamic_axes
from tests.zoo.cases import case_named
from tests.zoo.judge import Judgement, judge, judgement_from
from tests.zoo.sizing import Sized
from tests.zoo.special import Inputs
from tests.zoo.trial import Trial

Built = tuple[nn.Module, Inputs]


@pytest.fixture(scope="module")
def built() -> Built:
    with quiet():
        return case_named("dinov2:image_cls").build()


def judged(built: Built, *, onnx: bool = False) -> Judgement:
    model, inputs = built
    with quiet():
        return judge("dinov2:image_cls", model, inputs, dynamic_axes(inputs), onnx=onnx)


def test_a_sound_case_passes_and_survives_the_results_file(built: Built) -> None:
    found = judged(built)
    assert (found.verdict, found.traced, found.sizes) == ("pass", "dynamic", "batch 3")
    kinds = {"head": 2, "vo_dim": 2, "qk_dim": 2, "neuron": 2}
    assert (found.families, found.sublayers) == (kinds, {"attention": 2, "ffn": 2})
    assert judgement_from(json.loads(json.dumps(found.as_data()))) == found


def test_a_wrong_cut_fails(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_one(program: Program, structure: Structure, plan: Plan) -> Program:
        last = {family.name: family.units - 1 for family in structure.families}
        moved = {name: tuple(sorted({(unit + 1) % (last[name] + 1) for unit in units}))
                 for name, units in plan.units.items()}  # fmt: skip
        return slim_program(program, structure, Plan(moved, plan.sublayers))

    monkeypatch.setattr(golden, "slim_program", off_by_one)
    found = judged(built)
    assert found.verdict == "fail"
    assert any(trial.plan.startswith("mixed") for trial in found.broken)


def test_a_crash_is_a_finding(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(program: Program, structure: Structure, plan: Plan) -> Program:
        raise ValueError("no such axis")

    monkeypatch.setattr(golden, "slim_program", crash)
    found = judged(built)
    assert found.verdict == "fail"
    assert {trial.crash for trial in found.broken} == {"ValueError: no such axis"}


@pytest.mark.parametrize(("dense_too", "verdict"), [(False, "fail"), (True, "pass")])
def test_another_runtime_is_believed_where_it_computes_the_dense_program(
    built: Built, monkeypatch: pytest.MonkeyPatch, dense_too: bool, verdict: str
) -> None:
    sizes: list[int] = []

    def elsewhere(program: Program, sized: Sized) -> Values:
        sizes.append(program.parameter_count())
        off = float(dense_too or sizes[-1] == min(sizes) == sizes[0])
        return {name: value + off for name, value in golden.run(program, sized.inputs).items()}

    monkeypatch.setattr(judging, "_in_onnx_runtime", elsewhere)
    found = judged(built, onnx=True)
    assert sizes[0] < sizes[1]
    assert found.verdict == verdict
    assert bool(found.onnx_trouble) == dense_too


@pytest.mark.parametrize(
    ("error", "effect", "held"),
    [
        (9e-5, 0.5, True),
        (2e-4, 0.5, False),
        (float("nan"), 0.5, False),
        (1e-13, 1e-8, True),
        (1e-9, 1e-8, False),
        (1.0, 5e12, True),
    ],
)
def test_closeness_counts_by_what_shows_and_by_what_was_there(error: float, effect: float, held: bool) -> None:
    assert Trial("any", error, effect).held is held
