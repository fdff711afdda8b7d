"""The pass manager: contracts held, facts kept and dropped, stages measured, rounds run."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import fx

from prunec.errors import BudgetError, PassError, VerificationError
from prunec.ir.program import Program, build_module
from prunec.passbase import Context, Facts, Pass, PassResult
from prunec.pipeline import PipelineResult, Stage, run_pipeline


@dataclass(frozen=True)
class Width:
    """A fact: a number."""

    value: int


@dataclass(frozen=True)
class Cost:
    """A fact: another number."""

    value: float


@dataclass(frozen=True)
class Measure(Pass):
    """Gives `Width`."""

    name: ClassVar[str] = "measure"
    gives: ClassVar[tuple[type, ...]] = (Width,)
    value: int = 3

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program, (Width(self.value),), log="measured")


@dataclass(frozen=True)
class Price(Pass):
    """Gives `Cost`, from `Width`; goes by an earlier `Cost` where there is one."""

    name: ClassVar[str] = "price"
    needs: ClassVar[tuple[type, ...]] = (Width,)
    reads: ClassVar[tuple[type, ...]] = (Cost,)
    gives: ClassVar[tuple[type, ...]] = (Cost,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        before = facts.get(Cost)
        return PassResult(program, (Cost(before.value + 1 if before else float(facts[Width].value)),))


def without_relu(program: Program) -> Program:
    """`program` with its last call gone."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    result = graph.graph_copy(program.graph, copies)
    assert isinstance(result, tuple)
    assert isinstance(result[0], fx.Node)
    if result[0].target is torch.ops.aten.relu.default:
        result = (result[0].all_input_nodes[0],)
    graph.output(result)
    graph.eliminate_dead_code()
    return program.with_module(build_module(graph, program.tensors()))


@dataclass(frozen=True)
class Drop(Pass):
    """Removes the relu."""

    name: ClassVar[str] = "drop"
    rewrites: ClassVar[bool] = True
    keeps: ClassVar[tuple[type, ...]] = (Cost,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(without_relu(program))


@dataclass(frozen=True)
class Custom(Pass):
    """Does what the test says."""

    name: ClassVar[str] = "custom"
    action: ClassVar[Callable[[Program, Facts], PassResult]]

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return type(self).action(program, facts)


def givers(kind: type) -> list[type[Pass]]:
    return [known for known in (Measure, Price) if kind in known.gives]


def custom(action: Callable[[Program, Facts], PassResult], **contract: object) -> Pass:
    """A pass that runs `action` under the class attributes `contract`."""
    found = type("Custom", (Custom,), {"action": staticmethod(action), **contract})()
    assert isinstance(found, Pass)
    return found


def names(result: PipelineResult) -> list[str]:
    return [stage.name for stage in result.stages]


def test_facts_flow_from_pass_to_pass(program: Program, context: Context) -> None:
    result = run_pipeline(program, [Measure(5), Price()], context)
    assert result.facts[Cost] == Cost(5.0)
    assert result.program is program


def test_facts_may_be_known_beforehand_and_are_left_alone(program: Program, context: Context) -> None:
    facts = Facts({Width: Width(7)})
    result = run_pipeline(program, [Price()], context, facts=facts)
    assert result.facts[Cost] == Cost(7.0)
    assert Cost not in facts


def test_a_stage_says_what_ran_and_what_it_took(program: Program, context: Context) -> None:
    def work(program: Program, facts: Facts) -> PassResult:
        block = mmap.mmap(-1, 64 << 20)  # pages that no earlier test has left behind in the process
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        time.sleep(0.12)
        return PassResult(program, log=f"{len(block)} bytes")

    quiet, busy = run_pipeline(program, [Measure(5), custom(work)], context).stages
    assert (quiet.name, quiet.text, quiet.log, quiet.rewrote, quiet.round) == (
        "measure",
        "measure{value=5}",
        "measured",
        False,
        1,
    )
    assert 0.12 <= busy.seconds < 5
    assert busy.peak_memory_bytes > quiet.peak_memory_bytes + (32 << 20)


def test_every_stage_is_announced_when_it_is_done(program: Program, context: Context) -> None:
    seen: list[Stage] = []
    result = run_pipeline(program, [Measure(), Price()], context, on_stage=seen.append)
    assert tuple(seen) == result.stages


def test_a_missing_analysis_runs_on_demand(program: Program, context: Context) -> None:
    result = run_pipeline(program, [Price()], context, givers=givers)
    assert names(result) == ["measure", "price"]


def test_an_unmet_need_stops_the_pipeline_before_anything_runs(program: Program, context: Context) -> None:
    ran: list[str] = []

    def note(program: Program, facts: Facts) -> PassResult:
        ran.append("ran")
        return PassResult(program)

    with pytest.raises(PassError, match="pass `price` needs Width, and no pass before it gives it"):
        run_pipeline(program, [custom(note), Price()], context)
    assert ran == []


def test_an_analysis_that_gives_nothing_is_found_out(program: Program, context: Context) -> None:
    silent = custom(lambda program, facts: PassResult(program), gives=(Width,))
    with pytest.raises(PassError, match="pass `price` needs Width, which no pass before it gave"):
        run_pipeline(program, [Price()], context, givers=lambda kind: [type(silent)])


def test_reading_an_undeclared_fact_is_an_error(program: Program, context: Context) -> None:
    def peek(program: Program, facts: Facts) -> PassResult:
        return PassResult(program, log=str(facts[Width]))

    with pytest.raises(PassError, match="reads Width without declaring it") as caught:
        run_pipeline(program, [Measure(), custom(peek)], context)
    assert "in pass `custom" in caught.value.__notes__[0]


def test_giving_an_undeclared_fact_is_an_error(program: Program, context: Context) -> None:
    giving = custom(lambda program, facts: PassResult(program, (Width(1),)))
    with pytest.raises(PassError, match="pass `custom` gave Width unasked"):
        run_pipeline(program, [giving], context)


def test_an_analysis_must_not_return_another_program(program: Program, context: Context) -> None:
    changing = custom(lambda program, facts: PassResult(without_relu(program)))
    with pytest.raises(PassError, match="pass `custom` returned another program"):
        run_pipeline(program, [changing], context)


@pytest.mark.parametrize("rewrites", [False, True])
def test_no_pass_may_change_the_program_it_was_given(program: Program, context: Context, rewrites: bool) -> None:
    def scale(program: Program, facts: Facts) -> PassResult:
        program.tensor("weight").mul_(2)
        return PassResult(program)

    with pytest.raises(PassError, match="pass `custom` changed the program it was given"):
        run_pipeline(program, [custom(scale, rewrites=rewrites)], context)


def test_a_pass_that_returns_no_result_is_named(program: Program, context: Context) -> None:
    with pytest.raises(PassError, match="pass `custom` returned NoneType"):
        run_pipeline(program, [custom(lambda program, facts: None)], context)  # type: ignore[arg-type, return-value]


def test_a_rewrite_drops_the_facts_that_it_does_not_keep(program: Program, context: Context) -> None:
    result = run_pipeline(program, [Measure(), Price(), Drop()], context)
    assert result.stages[-1].rewrote
    assert Cost in result.facts
    assert Width not in result.facts


def test_a_rewrite_that_finds_nothing_to_do_drops_nothing(program: Program, context: Context) -> None:
    idle = custom(lambda program, facts: PassResult(program), rewrites=True)
    result = run_pipeline(program, [Measure(), idle], context)
    assert not result.stages[-1].rewrote
    assert Width in result.facts


def test_a_fact_dropped_by_a_rewrite_is_found_again_on_demand(program: Program, context: Context) -> None:
    result = run_pipeline(program, [Measure(9), Drop(), Price()], context, givers=givers)
    assert names(result) == ["measure", "drop", "measure", "price"]
    assert result.facts[Width] == Width(3)


def test_a_rewrite_that_breaks_the_program_is_named(program: Program, context: Context) -> None:
    def break_it(program: Program, facts: Facts) -> PassResult:
        graph = without_relu(program).graph
        return PassResult(program.with_module(build_module(graph, {"weight": torch.ones(3, 5)})))

    with pytest.raises(
        VerificationError, match=r"pass `custom` left an invalid program: .*`linear.*` cannot run"
    ) as caught:
        run_pipeline(program, [custom(break_it, rewrites=True)], context)
    assert "--> %linear" in caught.value.__notes__[0]


def test_an_expected_error_keeps_its_kind_and_gets_a_note(program: Program, context: Context) -> None:
    def miss(program: Program, facts: Facts) -> PassResult:
        raise BudgetError("out of reach")

    with pytest.raises(BudgetError) as caught:
        run_pipeline(program, [custom(miss)], context)
    assert str(caught.value) == "out of reach"
    assert caught.value.__notes__ == ["in pass `custom`"]


def test_an_unexpected_error_becomes_one_that_names_the_pass(program: Program, context: Context) -> None:
    def divide(program: Program, facts: Facts) -> PassResult:
        return PassResult(program, log=str(1 // 0))

    with pytest.raises(PassError, match="pass `custom` failed: ZeroDivisionError") as caught:
        run_pipeline(program, [custom(divide)], context)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_interrupt_passes_through(program: Program, context: Context) -> None:
    def stop(program: Program, facts: Facts) -> PassResult:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(program, [custom(stop)], context)


def test_programs_are_dumped_around_each_pass(program: Program, context: Context, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "dump"
    result = run_pipeline(program, [Measure(), Drop()], context, dump_ir=folder)
    dumped = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert dumped == {
        "01-measure.after.txt": program.text(),
        "02-drop.before.txt": program.text(),
        "02-drop.after.txt": result.program.text(),
    }


def test_an_invalid_program_is_refused_before_any_pass(program: Program, context: Context) -> None:
    broken = Program(program.module, program.inputs, ("y", "z"), program.example, program.provenance)
    with pytest.raises(VerificationError, match="2 outputs are declared"):
        run_pipeline(broken, [Measure()], context)
