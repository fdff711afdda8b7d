"""`prunec sensitivity` and `prunec.sensitivity`: plans by several texts, each measured on every text."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch.nn import functional
from transformers import AutoTokenizer

import prunec
from prunec import catalogue, cli
from prunec.calibration.corpus import Corpus
from prunec.calibration.sources import read_texts
from prunec.calibration.textsource import Text, TextSource
from prunec.drivers.compiler import CompileResult
from prunec.errors import InputError
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.pipeline import parse
from prunec.report.codec import decode
from prunec.report.sensitivity import Sensitivity
from prunec.report.sensitivity_page import print_sensitivity

BUDGET = "70k"
CALIBRATE = "calibrate{score=1024, choose=512, report=256, batch=1}"
PASSES = (
    f"structure, baseline{{seconds=0}}, cost, {CALIBRATE}, importance, damage, knapsack, remove, recover{{none}}, "
    "settle{seconds=0}, emit, verify{seconds=0}, evaluate"
)
PLANS = ["fox", "sums", "all texts"]

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two texts of other signs, and one paragraph in common."""
    folder = tmp_path_factory.mktemp("texts")
    made = {name: folder / f"{name}.txt" for name in ("sums", "fox")}
    draw = random.Random(0)
    shared = "This paragraph is in both texts, and it is a long one."
    animals = ["fox", "dog", "lazy", "quick", "jumps over", "and the"]
    foxes = [" ".join(draw.choices(animals, k=40)) for _ in range(150)]
    made["fox"].write_text("\n\n".join([*foxes, shared]))
    sums = [f"{n} + {n * n} = {n + n * n}; {n} * 7 = {7 * n}; " * 4 for n in range(150)]
    made["sums"].write_text("\n\n".join([*sums, shared]))
    return {name: made[name] for name in ("fox", "sums")}


@pytest.fixture(scope="module")
def found(tiny_llama_dir: Path, texts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    output = tmp_path_factory.mktemp("out") / "found.json"
    made = prunec.sensitivity(tiny_llama_dir, output, calibration=texts, budget_params=BUDGET, passes=PASSES, threads=1)
    assert decode(Sensitivity, output.read_text()) == made
    return made


@pytest.fixture(scope="module")
def compiled(tiny_llama_dir: Path, texts: dict[str, Path]) -> CompileResult:
    """The compile by the text `fox` alone."""
    return prunec.compile(tiny_llama_dir, budget_params=BUDGET, passes=PASSES, calibration=texts["fox"], threads=1)


def words(model: Path, texts: dict[str, Path], *more: str) -> list[str]:
    named = [word for name, path in texts.items() for word in ("--calibration", f"{name}={path}")]
    return ["sensitivity", str(model), "--threads", "1", *named, *more]


def corpus_of(path: Path, program: Program, model: Path) -> Corpus:
    """The corpus of a text alone."""
    source = TextSource(128, True, AutoTokenizer.from_pretrained(model), texts={"": Text(read_texts(path), "")})
    (corpus,) = (
        parse(CALIBRATE, catalogue.find_pass)[0].run(program, Facts({TextSource: source}), Context(model, model)).facts
    )
    assert isinstance(corpus, Corpus)
    return corpus


def test_there_is_a_plan_by_each_text_and_one_by_all(found: Sensitivity) -> None:
    assert [plan.name for plan in found.plans] == PLANS
    assert list(found.texts) == ["fox", "sums"]
    assert all(65_000 < plan.parameters <= 70_000 for plan in found.plans)


def test_what_all_plans_share_is_measured_once(found: Sensitivity) -> None:
    assert [stage.name for stage in found.stages] == ["load", "structure", "baseline", "cost"]
    own = ["importance", "damage", "knapsack", "remove", "recover", "evaluate"]
    assert [[stage.name for stage in plan.stages] for plan in found.plans] == [own] * 3


def test_the_usual_passes_mend_in_closed_form_and_export_nothing(tiny_llama_dir: Path, texts: dict[str, Path]) -> None:
    found = prunec.sensitivity(tiny_llama_dir, calibration=texts, budget_params=BUDGET, threads=1)
    own = ["importance", "damage", "knapsack", "remove", "recover", "evaluate"]
    assert [[stage.name for stage in plan.stages] for plan in found.plans] == [own] * 3
    assert found.recovery == "recover"


def test_passes_that_are_given_are_mended_as_they_say(found: Sensitivity) -> None:
    assert found.given["recover"] is None
    assert found.recovery == ""


def test_plans_by_other_texts_differ_and_have_more_in_common_than_chance(found: Sensitivity) -> None:
    (neurons,) = (item for item in found.overlaps if item.kind == "neuron" and [item.first, item.second] == PLANS[:2])
    assert neurons.chance < neurons.jaccard < 1


def test_a_plan_is_what_a_compile_by_its_text_makes(found: Sensitivity, compiled: CompileResult) -> None:
    plan = found.plan("fox")
    assert compiled.report.loss is not None
    (loss,) = compiled.report.loss.texts
    assert plan.parameters == compiled.program.parameter_count()
    assert plan.predicted_damage == compiled.plan.predicted_damage
    assert (plan.on("fox").dense, plan.on("fox").slim) == (loss.dense, loss.slim)


def test_a_plan_is_measured_on_the_reporting_part_of_another_text(
    found: Sensitivity, compiled: CompileResult, tiny_llama_dir: Path, texts: dict[str, Path]
) -> None:
    losses = []
    for batch in corpus_of(texts["sums"], compiled.program, tiny_llama_dir).report:
        with torch.no_grad():
            logits = compiled.program(batch)["logits"]
        losses.append(functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["input_ids"][:, 1:].flatten()))
    assert found.plan("fox").on("sums").slim == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_a_share_of_a_text_keeps_its_reporting_part_from_what_plans_are_made_by(
    compiled: CompileResult, tiny_llama_dir: Path, texts: dict[str, Path]
) -> None:
    whole = corpus_of(texts["fox"], compiled.program, tiny_llama_dir)
    part = whole.share(3)
    assert (part.score, part.choose, part.report) == (whole.score[:3], whole.choose[:2], whole.report)
    assert part.data_hash != whole.data_hash


def test_texts_that_share_passages_are_warned_of(found: Sensitivity) -> None:
    assert found.warnings == (
        "1 paragraphs are in both fox and sums: what one plan was made by, the loss of the other may be measured on",
    )


def test_the_page_tells_plans_texts_and_what_they_have_in_common(found: Sensitivity) -> None:
    page = io.StringIO()
    print_sensitivity(found, Console(file=page, width=100))
    rows = [line.split() for line in page.getvalue().splitlines()]
    assert ["plan", "by", "parameters", "on", "fox", "on", "sums"] in rows
    assert [row[2] for row in rows if row[:2] == PLANS[:2]] == ["kv", "neurons"]
    assert "without recovery" in page.getvalue()


def test_progress_names_the_text_and_json_holds_everything(
    tiny_llama_dir: Path, texts: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words(tiny_llama_dir, texts, "--budget-params", BUDGET, "--passes", PASSES, "--json", "-v")) == 0
    out, err = capsys.readouterr()
    assert [line.split("  ")[0] for line in err.splitlines() if ": importance" in line] == [
        f"{name}: importance" for name in PLANS
    ]
    raw = json.loads(out)
    assert [item["plan"] for item in raw["worst"]] == PLANS
    assert raw["given"]["calibration"] == {name: str(path) for name, path in texts.items()}
    assert decode(Sensitivity, out).to_json() == out


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is printed for bad input."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert err.startswith("prunec: error: ")
    return err.removeprefix("prunec: error: ").strip()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "0 calibration texts cannot be compared. Give two or more by name"),
        (("fox",), "one calibration text is no"),
    ],
)
def test_fewer_than_two_texts(
    names: tuple[str, ...],
    message: str,
    tiny_llama_dir: Path,
    texts: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    some = {name: texts[name] for name in names}
    assert refused(words(tiny_llama_dir, some, "--speedup", "2", "--quiet"), capsys).startswith(message)


def test_a_text_without_a_name(
    tiny_llama_dir: Path, texts: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["sensitivity", str(tiny_llama_dir), "--speedup", "2", "--calibration", str(texts["fox"]), "--quiet"]
    assert "one calibration text is no comparison" in refused(asked, capsys)
    assert "has no name" in refused([*asked, "--calibration", f"sums={texts['sums']}"], capsys)


def test_one_text_under_two_names(
    tiny_llama_dir: Path, texts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.dumps({"text": text}) for text in texts["fox"].read_text().split("\n\n")]
    (tmp_path / "same.jsonl").write_text("\n".join(rows))
    same = {"fox": texts["fox"], "again": tmp_path / "same.jsonl"}
    message = "the calibration texts fox and again are the same. Give texts that differ"
    assert refused(words(tiny_llama_dir, same, "--speedup", "2", "--quiet"), capsys) == message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "no budget is given"),
        (("--speedup", "2", "--output", "found.csv"), "the comparison is written as .json, not as found.csv"),
        (("--speedup", "2", "--recover", "all"), "recovery 'all' is not known"),
        (
            ("--speedup", "2", "--importance", "tailor"),
            "there is no importance criterion 'tailor'. Did you mean taylor",
        ),
        (("--speedup", "2", "--passes", "structure, calibrate, evaluate"), "the passes compare nothing without remove"),
    ],
)
def test_what_cannot_be_asked(
    more: tuple[str, ...],
    message: str,
    tiny_llama_dir: Path,
    texts: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert refused(words(tiny_llama_dir, texts, *more, "--quiet"), capsys).startswith(message)


def test_a_budget_that_the_dense_model_holds(tiny_llama_dir: Path, texts: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="the dense model is within the budget of 1,000,000 parameters: nothing would"):
        prunec.sensitivity(tiny_llama_dir, calibration=texts, budget_params="1M", passes=PASSES, threads=1)


def test_what_is_there_is_kept(tiny_llama_dir: Path, texts: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        prunec.sensitivity(tiny_llama_dir, path, calibration=texts, speedup=2)
    assert path.read_text() == "mine"
