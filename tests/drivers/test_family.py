"""Several budgets in one run: shared work is done once, each artifact is proven alone, one failure loses no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import prunec
from prunec import catalogue
from prunec.drivers.compiler import CompileFamily, CompileResult
from prunec.drivers.family import Parts
from prunec.errors import BudgetError, InputError
from prunec.ir.program import Program
from prunec.options import Budget
from prunec.passbase import Silent
from prunec.pipeline import parse
from prunec.report.data import Report
from tests.passes.fakes import FakeBackend, by_parameters, fake_backend, rounding_backend

PASSES = (
    "structure, baseline{seconds=0}, cost, calibrate{score=512, choose=256, report=256}, importance, damage, knapsack, "
    "remove, settle{seconds=0}, recover, emit, verify{seconds=0}, evaluate"
)
ONCE = ("load", "structure", "baseline", "cost", "calibrate", "importance", "damage")
DENSE = 111_816


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough text for `PASSES`."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about the number {n * n % 97}." * 3 for n in range(120)))
    return path


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeBackend]]:
    """Every artifact takes as long as it has parameters."""
    with fake_backend(by_parameters) as found:
        monkeypatch.setattr(catalogue, "find_backend", lambda name: found)
        monkeypatch.setattr(catalogue, "backend_for", lambda path: found)
        yield found


class Listener(Silent):
    """Progress that remembers the stages and warnings of all budgets."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.warnings: list[str] = []

    def end(self, name: str, seconds: float, log: str = "", round: int = 1) -> None:
        self.stages.append(name)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def made(*words: object, **options: object) -> CompileFamily:
    """What a compile for several budgets gives."""
    found = prunec.compile(*words, passes=PASSES, threads=1, **options)  # type: ignore[call-overload]
    assert isinstance(found, CompileFamily)
    return found


def removed(result: CompileResult) -> set[tuple[str, int]]:
    """The units that are gone, those of sublayers that went whole included."""
    return {
        (layer.family, unit)
        for layer in result.report.layers
        for unit in (range(layer.dense_units) if layer.dropped else layer.removed)
    }


def test_every_budget_gets_an_artifact_and_a_report_from_one_run(
    tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    listener = Listener()
    family = made(
        tiny_llama_dir, tmp_path / "slim.onnx", budget_params=["90k", "60k"], calibration=text, progress=listener
    )
    assert not family.failures
    names = {f"slim-{size}.{kind}" for size in ("90k", "60k") for kind in ("onnx", "report.json", "report.html")}
    assert {path.name for path in tmp_path.iterdir()} == names
    for result, most in zip(family.results, (90_000, 60_000), strict=True):
        assert result.artifact is not None
        assert 0.9 * most < result.program.parameter_count() <= most
        report = Report.from_json(result.artifact.with_name(f"{result.artifact.stem}.report.json").read_text())
        assert report == result.report
        assert report.budget.held
        assert f"-o {result.artifact} --budget-params {most}" in report.command
        stages = [stage.name for stage in report.stages]
        assert all(name in stages for name in (*ONCE, "knapsack", "remove", "verify"))
        assert report.seconds >= 0.9 * sum(stage.seconds for stage in report.stages)
    assert [listener.stages.count(name) for name in ("load", "structure", "cost", "importance", "damage")] == [1] * 5
    assert sum("remove" in name for name in listener.stages) == 2


def test_each_is_what_a_run_of_its_own_makes(tiny_llama_dir: Path, text: Path) -> None:
    family = made(tiny_llama_dir, budget_params=["90k", "60k"], calibration=text)
    alone = prunec.compile(tiny_llama_dir, budget_params="60k", passes=PASSES, calibration=text, threads=1)
    assert family.results[1].plan == alone.plan
    assert family.results[1].artifact is None


def test_each_speedup_is_measured_and_searched_by_itself(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, backend: type[FakeBackend]
) -> None:
    family = made(tiny_llama_dir, tmp_path / "slim.fake", speedup=[1.5, 1.2], calibration=text, cache=tmp_path / "c")
    for result, factor in zip(family.results, (1.5, 1.2), strict=True):
        latency = result.report.latency
        assert latency is not None
        assert factor <= latency.speedup < 1.1 * factor
        assert result.artifact == tmp_path / f"slim-{factor}x.fake"


def test_a_budget_below_the_floor_is_told_at_once_and_the_others_are_made(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, backend: type[FakeBackend]
) -> None:
    listener = Listener()
    family = made(
        tiny_llama_dir,
        tmp_path / "slim.fake",
        speedup=[20, 1.5],
        calibration=text,
        cache=tmp_path / "c",
        progress=listener,
    )
    (result,) = family.results
    assert result.report.budget.held
    assert isinstance(family.failures[Budget("speedup", 20)], BudgetError)
    (warning,) = [line for line in listener.warnings if line.startswith("20x: ")]
    assert "below the floor of 0.2" in warning
    assert warning in result.report.warnings


def test_budgets_that_are_all_out_of_reach_are_an_error_before_the_long_work(
    tiny_llama_dir: Path, text: Path, backend: type[FakeBackend]
) -> None:
    listener = Listener()
    with pytest.raises(BudgetError, match="below the floor"):
        made(tiny_llama_dir, speedup=[20, 30], calibration=text, progress=listener)
    assert "importance" not in listener.stages


def test_a_budget_that_the_dense_model_meets_is_emitted_unpruned(
    tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    family = made(tiny_llama_dir, tmp_path / "slim.onnx", budget_params=["1M", "60k"], calibration=text)
    assert [result.report.unpruned for result in family.results] == [True, False]
    assert family.results[0].program.parameter_count() == DENSE
    assert (tmp_path / "slim-1M.onnx").is_file()


def test_a_budget_that_is_missed_or_fails_loses_no_other(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, backend: type[FakeBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = backend.emit

    def fussy(self: FakeBackend, program: Program, path: Path) -> None:
        if 80_000 < program.parameter_count() < DENSE and path.parent.name == "artifact":
            raise InputError("the runtime cannot take this one")
        emit(self, program, path)

    monkeypatch.setattr(backend, "emit", fussy)
    family = made(tiny_llama_dir, tmp_path / "slim.fake", budget_params=["90k", "60k"], calibration=text)
    assert [str(budget) for budget in family.failures] == ["90,000 parameters"]
    assert [result.artifact for result in family.results] == [tmp_path / "slim-60k.fake"]


def test_every_output_is_checked_before_the_work(tiny_llama_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "slim-60k.report.json").touch()
    with pytest.raises(InputError, match=r"slim-60k\.report\.json exists already"):
        made(tmp_path / "no model", tmp_path / "slim.onnx", budget_params=["90k", "60k"])


def test_programs_are_dumped_into_a_folder_for_each(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    made(tiny_llama_dir, budget_params=["90k", "60k"], calibration=text, dump_ir=tmp_path / "ir")
    for folder in ("", "90k", "60k"):
        assert any(path.suffix == ".txt" for path in (tmp_path / "ir" / folder).iterdir())


def test_passes_without_a_search_cannot_be_shared() -> None:
    with pytest.raises(InputError, match="no baseline before a search"):
        Parts.of(parse("structure, baseline, emit, verify", catalogue.find_pass))


def test_how_artifacts_round_is_found_out_once(
    monkeypatch: pytest.MonkeyPatch, tiny_llama_dir: Path, text: Path
) -> None:
    calibrate = "calibrate{score=512, choose=256, report=256}"
    passes = PASSES.replace(f"{calibrate}, ", "").replace("structure,", f"structure, {calibrate}, grain{{limit=0.0}},")
    passes = passes.replace("emit", "smooth, emit")
    with rounding_backend(by_parameters) as found:
        monkeypatch.setattr(catalogue, "find_backend", lambda name: found)
        family = prunec.compile(
            tiny_llama_dir, budget_params=["90k", "60k"], passes=passes, calibration=text, threads=1, dtype="int8"
        )
    assert isinstance(family, CompileFamily)
    for result in family.results:
        assert [stage.name for stage in result.report.stages].count("grain") == 1
    rounded = [numerics for path, numerics in found.rounded.items() if path.parent.name == "artifact"]
    assert [len(numerics.fine) for numerics in rounded] == [22, 22]
