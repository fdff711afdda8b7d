"""Paths as artifacts: what one run keeps, another cuts at any budget, and neither scores nor measures again."""

from __future__ import annotations

from pathlib import Path

import pytest

import prunec
from prunec.drivers.compiler import CompileFamily
from prunec.errors import InputError
from prunec.report.data import Report
from tests.pipelines import usual

FINDING = "importance, damage, knapsack"
PASSES = (
    f"structure, baseline{{seconds=0}}, cost, calibrate{{score=512, choose=256, report=256}}, {FINDING}, remove, "
    "recover, emit, verify{seconds=0}, evaluate"
)
PATH = "solution-path{steps=6, step=0.5, tokens=64}"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough text for `PASSES`."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about the number {n * n % 97}." * 3 for n in range(120)))
    return path


def names(report: Report) -> list[str]:
    """The stages that ran."""
    return [stage.name for stage in report.stages]


def test_what_was_kept_is_cut_at_another_budget_as_if_it_were_found_again(
    tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    file = tmp_path / "slim.path.safetensors"
    keeping = PASSES.replace("knapsack", f"save-path{{{file}}}, knapsack")
    first = prunec.compile(tiny_llama_dir, budget_params="90k", passes=keeping, calibration=text, threads=1)
    assert "Scores and Damage kept in" in next(s.log for s in first.report.stages if s.name == "save-path")
    reading = PASSES.replace("importance, damage", f"load-path{{{file}}}")
    cut = prunec.compile(tiny_llama_dir, budget_params="60k", passes=reading, calibration=text, threads=1)
    anew = prunec.compile(tiny_llama_dir, budget_params="60k", passes=PASSES, calibration=text, threads=1)
    assert cut.plan == anew.plan
    assert not {"importance", "damage"} & set(names(cut.report))


def test_a_solution_path_is_followed_once_and_its_plans_nest(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    file = tmp_path / "slim.path.safetensors"
    passes = PASSES.replace(FINDING, f"{PATH}, save-path{{{file}}}, path")
    family = prunec.compile(tiny_llama_dir, budget_params=["90k", "60k"], passes=passes, calibration=text, threads=1)
    assert isinstance(family, CompileFamily)
    larger, smaller = (result.plan for result in family.results)
    for name, units in larger.units.items():
        assert set(units) <= set(smaller.units.get(name, units))
    assert all(result.report.budget.held for result in family.results)
    reading = PASSES.replace(FINDING, f"load-path{{{file}}}, path")
    again = prunec.compile(tiny_llama_dir, budget_params="60k", passes=reading, calibration=text, threads=1)
    assert again.plan == smaller
    assert "solution-path" not in names(again.report)


def test_a_path_of_another_model_is_refused(
    tiny_llama_dir: Path, tiny_bert_dir: Path, text: Path, tmp_path: Path
) -> None:
    file = tmp_path / "slim.path.safetensors"
    keeping = PASSES.replace("knapsack", f"save-path{{{file}}}, knapsack")
    prunec.compile(tiny_llama_dir, budget_params="90k", passes=keeping, calibration=text, threads=1)
    reading = PASSES.replace("importance, damage", f"load-path{{{file}}}")
    with pytest.raises(InputError, match="is of another model") as caught:
        prunec.compile(tiny_bert_dir, budget_params="60k", passes=reading, calibration=text, threads=1)
    assert str(tiny_llama_dir) in str(caught.value)
    with pytest.raises(InputError, match="holds nothing that --search path goes by"):
        usual(search="path", path=file)
    steps = usual(path=file).split(", ")
    assert steps[steps.index("knapsack") - 1] == f"load-path{{{file}}}"


def test_query_key_and_value_dims_are_units_of_a_path(tiny_llama_dir: Path, text: Path) -> None:
    passes = PASSES.replace(FINDING, f"{PATH}, path").replace("structure", "structure{kinds=neuron|qk_dim|vo_dim}", 1)
    result = prunec.compile(tiny_llama_dir, budget_params="70k", passes=passes, calibration=text, threads=1)
    assert {layer.unit for layer in result.report.layers if layer.removed} == {"neuron", "qk_dim", "vo_dim"}
    assert 0.9 * 70_000 < result.program.parameter_count() <= 70_000


def test_options_choose_the_steps(tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    steps = usual(save_path=file).split(", ")
    assert steps[steps.index("knapsack") - 3 : steps.index("knapsack")] == [
        "importance",
        "damage",
        f"save-path{{{file}}}",
    ]
    steps = usual(search="path", save_path=file).split(", ")
    assert steps[steps.index("path") - 2 : steps.index("path")] == ["solution-path", f"save-path{{{file}}}"]


def test_a_file_of_scores_alone_is_searched_by_what_it_holds(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    file = tmp_path / "slim.path.safetensors"
    keeping = PASSES.replace(FINDING, f"importance{{magnitude}}, save-path{{{file}}}, ranked")
    prunec.compile(tiny_llama_dir, budget_params="90k", passes=keeping, calibration=text, threads=1)
    steps = usual(path=file).split(", ")
    assert steps[steps.index("summed") - 1] == f"load-path{{{file}}}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "none.safetensors"}, "there is no path file at none.safetensors"),
        ({"path": "none.safetensors", "importance": "taylor", "search": "knapsack"}, "--path none.* holds scores"),
        ({"save_path": "kept.safetensors", "search": "greedy-loss"}, "goes by nothing that a path file holds"),
        ({"save_path": "kept.onnx"}, "a path is written as .safetensors, not as kept.onnx"),
        ({"save_path": "kept.safetensors", "passes": PASSES}, "--save-path and --passes are both given"),
        ({"importance": "taylor", "search": "path"}, "--search path uses none"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    options: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        prunec.compile(tmp_path / "no model", speedup=2, **options)


def test_an_existing_file_is_kept_unless_force_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    file.touch()
    with pytest.raises(InputError, match=r"kept\.safetensors exists already"):
        prunec.compile(tmp_path / "no model", speedup=2, save_path=file)


def test_a_path_that_nobody_needed_is_not_written_and_that_is_said(
    tiny_llama_dir: Path, tmp_path: Path, text: Path
) -> None:
    file = tmp_path / "kept.safetensors"
    result = prunec.compile(tiny_llama_dir, budget_params="1M", threads=1, save_path=file, calibration=text)
    assert not file.exists()
    assert "nothing was scored or measured, and no path is saved" in result.report.warnings
