"""The dense program without lossless rewrites, timed beside the dense artifact."""

from __future__ import annotations

import pytest

from prunec.cost.target import Baseline, PlainExport, Target
from prunec.cost.workload import Workload
from prunec.errors import VerificationError
from prunec.passbase import Context, Facts
from prunec.passes.analysis.baseline import BaselinePass
from prunec.passes.analysis.plain_export import PlainExportPass
from tests.passes.cases import Case
from tests.passes.fakes import FakeBackend, by_parameters, fake_backend
from tests.test_bad_input import raising


def measured(case: Case, context: Context, backend: FakeBackend) -> Facts:
    aim = Target(backend, Workload("prefill", 1, 16, 1), "latency_ms", 5.0, "slim.fake", last_token=True)
    facts = case.facts(aim)
    for fact in BaselinePass().run(case.program, facts, context).facts:
        facts.put(fact)
    return facts


def test_it_is_timed_in_the_same_turns_as_the_dense_artifact(llama: Case, context: Context) -> None:
    dense = by_parameters(llama.program)
    with fake_backend(lambda program: by_parameters(program) * 1.25) as slower, fake_backend(by_parameters) as plain:
        slower.clock = plain.clock

        class Rewriting(plain):  # type: ignore[valid-type, misc]
            def literal(self) -> FakeBackend:
                return slower()

        facts = measured(llama, context, Rewriting())
        (found,) = PlainExportPass(seconds=0).run(llama.program, facts, context).facts
    assert isinstance(found, PlainExport)
    assert (found.latency.median, found.dense.median) == pytest.approx((1.25 * dense, dense))
    assert found.speedup == pytest.approx(1.25)


def test_it_gives_all_logits_where_the_artifact_gives_the_last(llama: Case, context: Context) -> None:
    with fake_backend(by_parameters) as backend:

        class Rewriting(backend):  # type: ignore[valid-type, misc]
            def literal(self) -> FakeBackend:
                return self

        facts = measured(llama, context, Rewriting())
        PlainExportPass(seconds=0).run(llama.program, facts, context)
        (path,) = (path for path in backend.programs if path.parent.name == "plain")
    assert backend.programs[path] is llama.program
    assert backend.programs[facts[Baseline].artifact] is not llama.program


def test_a_backend_without_rewrites_has_none(llama: Case, context: Context) -> None:
    with fake_backend(by_parameters) as backend:
        facts = measured(llama, context, backend())
        result = PlainExportPass().run(llama.program, facts, context)
    assert (result.facts, result.log) == ((), "there is none: fake artifacts are not rewritten")


@pytest.mark.parametrize("step", ["emit", "load"])
@pytest.mark.parametrize(
    ("error", "why"),
    [(VerificationError("no such luck"), "no such luck"), (ValueError("a fault"), "ValueError: a fault")],
    ids=["of prunec", "of others"],
)
def test_one_that_cannot_be_made_costs_nothing_else(
    step: str, error: Exception, why: str, llama: Case, context: Context
) -> None:
    with fake_backend(by_parameters) as backend:

        class Broken(backend): ...  # type: ignore[valid-type, misc]

        setattr(Broken, step, raising(error))

        class Rewriting(backend):  # type: ignore[valid-type, misc]
            def literal(self) -> FakeBackend:
                return Broken()

        facts = measured(llama, context, Rewriting())
        result = PlainExportPass().run(llama.program, facts, context)
    assert (result.facts, result.log) == ((), f"there is none: {why}")
