"""The driver, end to end on tiny models: what comes out, what is written, what the report says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification, LlamaForCausalLM

import prunec
from prunec import catalogue
from prunec.calibration.sources import read_texts
from prunec.drivers.compiler import CompileResult
from prunec.errors import BudgetError, InputError
from prunec.ir.program import Program
from prunec.passbase import Silent
from prunec.report.data import Report
from prunec.report.terminal import headline
from tests.conftest import save_model, tiny_bert_config, tiny_tokenizer
from tests.passes.fakes import FakeBackend, by_parameters, fake_backend
from tests.pipelines import usual

SMALL = "calibrate{score=512, choose=256, report=256}"
PASSES = (
    f"structure, baseline{{seconds=0}}, cost, {SMALL}, importance, damage, knapsack, remove, "
    "settle{seconds=0}, recover, emit, verify{seconds=0}, evaluate"
)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough text for `SMALL`."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about the number {n * n % 97}." * 3 for n in range(120)))
    return path


@pytest.fixture(scope="module")
def slim_llama(tiny_llama_dir: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    output = tmp_path_factory.mktemp("llama") / "slim.onnx"
    return prunec.compile(tiny_llama_dir, output, budget_params="60k", passes=PASSES, calibration=text, threads=1)


@pytest.fixture(scope="module")
def slim_bert(tiny_bert_dir: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    output = tmp_path_factory.mktemp("bert") / "slim.onnx"
    return prunec.compile(tiny_bert_dir, output, budget_size="270kB", passes=PASSES, calibration=text, threads=1)


@pytest.fixture(params=["slim_llama", "slim_bert"])
def slim(request: pytest.FixtureRequest) -> CompileResult:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, CompileResult)
    return found


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeBackend]]:
    """Every artifact takes as long as it has parameters."""
    with fake_backend(by_parameters) as found:
        monkeypatch.setattr(catalogue, "find_backend", lambda name: found)
        monkeypatch.setattr(catalogue, "backend_for", lambda path: found)
        yield found


def test_the_budget_holds(slim_llama: CompileResult, slim_bert: CompileResult) -> None:
    assert slim_llama.program.parameter_count() <= 60_000
    assert slim_bert.artifact is not None
    assert slim_bert.artifact.stat().st_size <= 270_000
    for result in (slim_llama, slim_bert):
        assert result.report.budget.held
        assert not result.plan.is_empty()


def test_little_of_the_budget_is_left(slim: CompileResult) -> None:
    assert slim.report.budget.achieved > 0.9 * slim.report.budget.target


def test_the_artifact_computes_what_the_program_does(slim: CompileResult) -> None:
    session = onnxruntime.InferenceSession(str(slim.artifact), providers=["CPUExecutionProvider"])
    tokens = torch.randint(5, 280, (3, 9))
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    with torch.no_grad():
        expected = slim.program(inputs)
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    for value, wanted in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(value, wanted.numpy(), atol=1e-4)


def test_a_model_that_fixes_its_length_is_compiled_at_that_of_the_workload(
    backend: type[FakeBackend], tiny_cpmant_dir: Path, text: Path
) -> None:
    result = prunec.compile(
        tiny_cpmant_dir, budget_params="33k", passes=PASSES, calibration=text, threads=1, workload="prefill:2x16"
    )
    assert result.report.budget.held
    assert result.program.fixed == {"sequence": 16}
    assert "the model fixes the sequence axis of input_ids at 16" in result.report.warnings


def test_what_a_model_of_one_label_loses_is_measured_on_its_number(tmp_path: Path, text: Path) -> None:
    tokenizer = tiny_tokenizer()
    model = BertForSequenceClassification(tiny_bert_config(tokenizer, num_labels=1))
    folder = save_model(model, tokenizer, tmp_path / "reranker")
    result = prunec.compile(folder, budget_params="60k", passes=PASSES, calibration=text, threads=1)
    assert result.report.loss is not None
    assert result.report.loss.texts[0].metric == "mean squared difference from dense"
    assert result.report.loss.texts[0].slim > 0
    assert result.plan.predicted_damage is not None
    assert result.plan.predicted_damage > 0


def test_a_decoder_is_compiled_to_go_on_from_its_cache(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    result = prunec.compile(
        tiny_llama_dir,
        tmp_path / "slim.onnx",
        budget_params="60k",
        passes=PASSES,
        calibration=text,
        threads=1,
        workload="decode:1@20",
    )
    assert result.report.budget.held
    assert result.report.workload.text == "decode:1@20"
    session = onnxruntime.InferenceSession(str(result.artifact), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()][:3] == ["input_ids", "attention_mask", "position_ids"]
    presents = [pair.present for pair in result.program.caches]
    assert [item.name for item in session.get_outputs()] == ["logits", *presents]


def test_a_cache_can_be_had_for_prompts(backend: type[FakeBackend], tiny_llama_dir: Path, text: Path) -> None:
    options: dict[str, Any] = {"passes": PASSES, "calibration": text, "threads": 1, "workload": "prefill:1x16"}
    cached = prunec.compile(tiny_llama_dir, budget_params="60k", kv_cache=True, **options)
    plain = prunec.compile(tiny_llama_dir, budget_params="60k", **options)
    assert cached.program.caches
    assert not plain.program.caches
    assert cached.plan.units == plain.plan.units
    losses = [result.report.loss.texts[0].slim for result in (cached, plain) if result.report.loss is not None]
    assert losses == [pytest.approx(losses[0], rel=1e-5)] * 2


class OneLength(LlamaForCausalLM):
    """Can be traced for one number of tokens only."""

    def forward(self, input_ids: Tensor, attention_mask: Any = None, **more: Any) -> Any:
        return super().forward(input_ids.reshape(-1, int(input_ids.shape[1])), attention_mask, **more)


def test_a_decoder_that_fixes_its_length_has_no_cache(tiny_llama_dir: Path) -> None:
    model, tokens = OneLength.from_pretrained(tiny_llama_dir), torch.randint(5, 280, (2, 9))
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    with pytest.raises(InputError, match="OneLength fixes the length of its cache when traced"):
        prunec.compile(model, budget_params="60k", workload="decode:1@8", example_inputs=inputs, task="text-generation")


class Speaker(nn.Module):
    """Gives a vector of each token, as `give` names it."""

    def __init__(self, give: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.table, self.give = nn.Embedding(20, 8), give

    def forward(self, input_ids: Tensor) -> Any:
        return self.give(self.table(input_ids))


class Listening(Speaker):
    """Calls its tokens otherwise."""

    def forward(self, tokens: Tensor) -> Any:
        return super().forward(tokens)


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (Speaker(lambda found: found), "input_ids", "Speaker is for text-generation and returns output_0, no logits"),
        (
            Listening(lambda found: {"logits": found}),
            "tokens",
            "Listening is for text-generation and takes tokens, no input_ids",
        ),
    ],
)
def test_a_language_model_names_its_tokens_and_logits(
    model: nn.Module, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.drivers.job.run_pipeline", lambda *words, **more: pytest.fail("passes ran"))
    inputs = {name: torch.randint(20, (2, 8))}
    with pytest.raises(InputError, match=message):
        prunec.compile(model, budget_params=100, task="text-generation", example_inputs=inputs, batches=[inputs] * 16)


@pytest.mark.parametrize("labelled", ["batches", "text"])
def test_a_classifier_that_is_compared_with_labels_names_its_logits(
    labelled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.drivers.job.run_pipeline", lambda *words, **more: pytest.fail("passes ran"))
    inputs, text = {"input_ids": torch.randint(20, (2, 8))}, tmp_path / "labelled.jsonl"
    text.write_text('{"text": "rain", "label": "weather"}\n' * 9)
    data: dict[str, Any] = {"calibration": text}
    if labelled == "batches":
        data = {"batches": [inputs | {"labels": torch.tensor([0, 1])}] * 16}
    with pytest.raises(InputError, match="Speaker is for text-classification and returns output_0, no logits"):
        prunec.compile(
            Speaker(lambda found: found[:, 0]),
            budget_params=100,
            task="text-classification",
            example_inputs=inputs,
            **data,
        )


def test_a_module_that_fixes_an_axis_needs_a_workload_of_that_size() -> None:
    class TwoRows(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(2, 6) * 2

    with pytest.raises(
        InputError, match=r"has a batch of 1, and the model fixes it at 2 when traced\. write encode:2x8"
    ):
        prunec.compile(TwoRows(), budget_params="1k", example_inputs={"x": torch.ones(2, 6)}, workload="encode:1x8")


def test_the_report_and_its_page_lie_beside_the_artifact_and_nothing_else(slim: CompileResult) -> None:
    assert slim.artifact is not None
    assert {path.name for path in slim.artifact.parent.iterdir()} == {
        "slim.onnx",
        "slim.report.json",
        "slim.report.html",
    }
    assert Report.from_json(slim.artifact.with_name("slim.report.json").read_text()) == slim.report
    assert headline(slim.report) in slim.artifact.with_name("slim.report.html").read_text()


def test_the_report_says_what_was_asked_done_and_measured(slim_llama: CompileResult, tiny_llama_dir: Path) -> None:
    assert slim_llama.artifact is not None
    raw = json.loads(slim_llama.artifact.with_name("slim.report.json").read_text())
    assert raw["command"].startswith(f"prunec {tiny_llama_dir} -o {slim_llama.artifact} --budget-params 60000")
    assert raw["budget"]["kind"] == "parameters"
    assert raw["budget"]["target"] == 60_000
    assert raw["model"]["parameters_slim"] == slim_llama.program.parameter_count()
    assert raw["model"]["artifact_bytes"] == slim_llama.artifact.stat().st_size
    assert raw["resolved"]["workload"] == "prefill:1x128"
    assert raw["checks"]["slim_vs_masked"] <= 1e-4
    assert raw["checks"]["artifact_vs_slim"] <= 1e-4
    assert {"torch", "onnxruntime", "transformers"} <= set(raw["versions"])
    assert [stage["name"] for stage in raw["stages"][:3]] == ["load", "structure", "baseline"]
    assert raw["seconds"] >= sum(stage["seconds"] for stage in raw["stages"]) * 0.9


def test_the_report_has_every_layer(slim_llama: CompileResult) -> None:
    layers = slim_llama.report.layers
    assert [layer.unit for layer in layers] == ["kv_group", "neuron"] * 3
    assert any(layer.slim_units < layer.dense_units for layer in layers)
    for layer in layers:
        removed = () if layer.dropped else slim_llama.plan.units.get(layer.family, ())
        assert layer.dropped == (layer.sublayer in slim_llama.plan.sublayers)
        assert layer.slim_units == (0 if layer.dropped else layer.dense_units - len(removed))
        assert layer.removed == tuple(removed)
    assert slim_llama.report.bypassed == slim_llama.plan.sublayers


def test_the_loss_is_of_held_out_text(slim: CompileResult, text: Path) -> None:
    data, loss = slim.report.data, slim.report.loss
    assert data is not None
    assert data.description == str(text)
    assert not data.is_default
    assert re.fullmatch(r"[0-9a-f]{64}", data.hash)
    assert loss is not None
    assert loss.texts[0].slim != loss.texts[0].dense


def test_the_same_seed_makes_the_same_plan(slim_llama: CompileResult, tiny_llama_dir: Path, text: Path) -> None:
    again = prunec.compile(tiny_llama_dir, budget_params="60k", passes=PASSES, calibration=text, threads=1)
    assert again.plan.units == slim_llama.plan.units
    assert again.plan.sublayers == slim_llama.plan.sublayers
    assert again.artifact is None


def test_a_speedup_is_reached(tiny_llama_dir: Path, text: Path, tmp_path: Path, backend: type[FakeBackend]) -> None:
    result = prunec.compile(
        tiny_llama_dir, tmp_path / "slim.fake", speedup=1.5, passes=PASSES, calibration=text, cache=tmp_path / "cache"
    )
    latency = result.report.latency
    assert latency is not None
    assert latency.dense.median_ms == pytest.approx(1.218, abs=0.01)
    assert latency.slim.median_ms == pytest.approx(by_parameters(result.program))
    assert latency.dense.median_ms / latency.slim.median_ms >= 1.5
    assert latency.predicted_ms == pytest.approx(latency.slim.median_ms, rel=0.1)
    assert result.report.budget.held


def test_a_latency_that_the_model_of_costs_gets_wrong_is_corrected(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, backend: type[FakeBackend]
) -> None:
    whole = 111_816
    backend.formula = staticmethod(
        lambda program: program.parameter_count() / 1e5 + (0.2 if 20_000 < program.parameter_count() < whole else 0.0)
    )
    result = prunec.compile(
        tiny_llama_dir,
        tmp_path / "slim.fake",
        budget_latency="0.8ms",
        passes=PASSES,
        calibration=text,
        cache=tmp_path / "cache",
    )
    latency = result.report.latency
    assert latency is not None
    assert len(latency.rounds) > 1
    assert latency.rounds[0].measured_ms > 0.8
    assert latency.slim.median_ms <= 0.8
    assert result.artifact == tmp_path / "slim.fake"


def test_a_budget_that_is_missed_to_the_end_writes_nothing(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, backend: type[FakeBackend]
) -> None:
    backend.formula = staticmethod(
        lambda program: 1.3 if program.parameter_count() > 20_000 else by_parameters(program)
    )
    out = tmp_path / "out"
    out.mkdir()
    result = prunec.compile(
        tiny_llama_dir,
        out / "slim.fake",
        budget_latency="0.9ms",
        passes=PASSES,
        calibration=text,
        cache=tmp_path / "cache",
    )
    assert not result.report.budget.held
    assert result.report.budget.achieved == pytest.approx(1.3)
    assert result.artifact is None
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("name", "open_"), [("slim.pt", torch.jit.load), ("slim.pt2", lambda path: torch.export.load(path).module())]
)
def test_files_for_pytorch_by_their_suffix(
    name: str, open_: Callable[[str], Any], tiny_bert_dir: Path, text: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    result = prunec.compile(tiny_bert_dir, path, budget_params="60k", passes=PASSES, calibration=text, threads=1)
    tokens = torch.randint(5, 280, (2, 7))
    (found,) = open_(str(path))(tokens, torch.ones_like(tokens))
    with torch.no_grad():
        expected = result.program({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)})["logits"]
    assert torch.allclose(found, expected, atol=1e-4)


class Mixer(nn.Module):
    """Two residual feed-forward branches over vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(8, 8)
        self.ups = nn.ModuleList([nn.Linear(8, 32) for _ in range(2)])
        self.downs = nn.ModuleList([nn.Linear(32, 8) for _ in range(2)])
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for up, down in zip(self.ups, self.downs, strict=True):
            x = x + down(torch.relu(up(x)))
        result: Tensor = self.head(x)
        return result


def test_any_module_with_example_inputs_and_batches(tmp_path: Path) -> None:
    batches = [{"x": torch.randn(16, 8)} for _ in range(16)]
    result = prunec.compile(
        Mixer(), tmp_path / "slim.onnx", budget_params=600, example_inputs={"x": torch.randn(2, 8)}, batches=batches
    )
    assert result.program.parameter_count() <= 600
    assert result.report.command.startswith("prunec Mixer -o")
    session = onnxruntime.InferenceSession(str(result.artifact), providers=["CPUExecutionProvider"])
    x = torch.randn(5, 8)
    (found,) = session.run(None, {"x": x.numpy()})
    with torch.no_grad():
        (expected,) = result.program({"x": x}).values()
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_module_without_residual_branches_has_nothing_to_prune() -> None:
    plain = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))
    batches = [{"input": torch.randn(4, 8)} for _ in range(4)]
    with pytest.raises(BudgetError, match="nothing to prune"):
        prunec.compile(plain, budget_params=100, example_inputs={"input": torch.randn(2, 8)}, batches=batches)


def test_a_module_needs_example_inputs() -> None:
    with pytest.raises(InputError, match="without example_inputs"):
        prunec.compile(Mixer(), budget_params=100)


def test_a_dense_model_within_the_budget_is_emitted_as_it_is(tiny_llama_dir: Path, tmp_path: Path) -> None:
    result = prunec.compile(tiny_llama_dir, tmp_path / "same.onnx", budget_params="1M", threads=1)
    assert result.plan.is_empty()
    assert result.report.unpruned
    assert result.report.budget.held
    assert (tmp_path / "same.onnx").is_file()
    assert "calibrate" not in [stage.name for stage in result.report.stages[:4]]


def test_logits_of_the_last_token_are_all_that_is_timed_and_losses_are_of_all_tokens(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, slim_llama: CompileResult, backend: type[FakeBackend]
) -> None:
    output = tmp_path / "slim.fake"
    result = prunec.compile(
        tiny_llama_dir, output, budget_params="60k", passes=PASSES, calibration=text, threads=1, logits="last"
    )
    lengths = {written(written.example)["logits"].shape[1] for written in backend.programs.values()}
    assert lengths == {1}
    assert result.report.loss == slim_llama.report.loss
    assert "--logits last" in result.report.command
    assert "logits of the last token alone" in next(s.log for s in result.report.stages if s.name == "emit")


def test_programs_are_dumped_around_every_rewrite(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    passes = PASSES.replace("recover", "recover{none}")
    prunec.compile(
        tiny_llama_dir, budget_params="60k", passes=passes, calibration=text, threads=1, dump_ir=tmp_path / "ir"
    )
    dumped = sorted(path.name for path in (tmp_path / "ir").iterdir())
    assert any("remove" in name for name in dumped)
    assert all((tmp_path / "ir" / name).read_text().startswith("program {") for name in dumped)


def test_what_removal_made_wrong_is_listed_as_text_to_calibrate_with(
    tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    """The file is read as calibration text by the next compile."""
    result = prunec.compile(
        tiny_llama_dir,
        tmp_path / "slim.onnx",
        budget_params="60k",
        calibration=text,
        threads=1,
        recover="weakness",
        distill_minutes=0.05,
    )
    assert "distill{minutes=0.05, weakness=3.0}" in result.report.pipeline
    assert result.report.pipeline.endswith("evaluate, weakness, outlook")
    listed = tmp_path / "slim.weakness.jsonl"
    rows = [json.loads(line) for line in listed.read_text().splitlines()]
    assert rows
    assert all(row["text"].endswith(row["next"]) and row["next"] != row["slim"] for row in rows)
    assert next(iter(read_texts(listed))) == rows[0]["text"]


def test_distillation_follows_the_closed_form(tiny_llama_dir: Path, text: Path) -> None:
    report = prunec.compile(
        tiny_llama_dir, budget_params="60k", calibration=text, threads=1, recover="distill", distill_minutes=0.05
    ).report
    assert "settle, recover, distill{minutes=0.05}, emit" in report.pipeline
    assert "--distill-minutes 0.05" in report.command
    (stage,) = (stage for stage in report.stages if stage.name == "distill")
    assert "held-out damage" in stage.log


def test_importance_belongs_into_given_passes(tiny_llama_dir: Path) -> None:
    with pytest.raises(InputError, match="--importance and --passes are both given"):
        prunec.compile(tiny_llama_dir, budget_params="60k", importance="fisher", passes=PASSES)


def test_passes_that_prove_nothing_write_nothing(tiny_llama_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without verify, so no budget would be proven"):
        prunec.compile(tiny_llama_dir, tmp_path / "x.onnx", budget_params="60k", passes="structure, baseline, emit")


@pytest.mark.parametrize("importance", ["magnitude", "taylor"])
def test_the_criterion_is_chosen_by_name(importance: str, tiny_llama_dir: Path, text: Path) -> None:
    passes = PASSES.replace("importance", f"importance{{{importance}}}")
    result = prunec.compile(tiny_llama_dir, budget_params="60k", passes=passes, calibration=text, threads=1)
    assert f"importance{{criterion={importance}}}" in result.report.pipeline
    assert result.report.budget.held


@pytest.mark.parametrize("importance", ["block-influence", "tunability"])
def test_where_sublayers_alone_are_scored_they_go_whole(importance: str, tiny_llama_dir: Path, text: Path) -> None:
    passes = PASSES.replace("importance", f"importance{{{importance}}}")
    result = prunec.compile(tiny_llama_dir, budget_params="75k", passes=passes, calibration=text, threads=1)
    assert result.report.budget.held
    assert result.plan.sublayers
    assert not result.plan.units


def test_an_identity_goes_first_and_changes_nothing(tiny_llama_dir: Path, text: Path) -> None:
    module = LlamaForCausalLM.from_pretrained(tiny_llama_dir).eval()
    idle = "model.layers.1.mlp"
    torch.nn.init.zeros_(module.get_submodule(f"{idle}.down_proj").get_parameter("weight"))
    tokens = torch.randint(5, 200, (16, 12), generator=torch.Generator().manual_seed(0))
    batches = [{"input_ids": tokens[index : index + 4]} for index in range(0, 16, 4)]
    example = {"input_ids": tokens[:2]}
    for importance in ("block-influence", "loss", "tunability"):
        passes = PASSES.replace("importance", f"importance{{{importance}}}").replace("recover", "recover{none}")
        result = prunec.compile(module, budget_params="97k", passes=passes, example_inputs=example, batches=batches)
        assert result.plan.sublayers == (idle,)
        with torch.no_grad():
            torch.testing.assert_close(result.program(example)["logits"], module(**example).logits)


def test_given_text_is_read_before_anything_is_measured_and_written_text_after() -> None:
    given, written = (usual(importance="fisher", recover="bias", text_given=flag).split(", ") for flag in (True, False))
    assert given.index("calibrate") < given.index("baseline")
    assert written.index("calibrate") > written.index("cost")
    assert "importance{fisher}" in given
    assert "recover{bias}" in given


def test_rounding_is_prepared_before_anything_is_timed_and_before_the_artifact() -> None:
    steps = usual(dtype="int8").split(", ")
    assert steps[:4] == ["structure", "calibrate", "grain", "baseline"]
    assert steps[steps.index("emit") - 1] == "smooth"
    assert steps[steps.index("knapsack") + 1] == "coarsen"
    assert "coarsen" not in usual(dtype="int8", search="sublayer")
    assert not {"grain", "coarsen", "smooth"}.intersection(usual(dtype="fp16").split(", "))
    assert {"plain-export", "rival"} < set(steps)
    assert not {"plain-export", "rival"}.intersection(usual(no_rival=True).split(", "))


def test_other_budgets_are_looked_at_where_the_search_would_find_them() -> None:
    assert usual().split(", ")[-1] == "outlook"
    assert "outlook" not in usual(search="sublayer") + usual(uniform=True)


def test_a_search_that_uses_no_scores_gets_none() -> None:
    steps = usual(search="sublayer").split(", ")
    assert steps[steps.index("sublayer") - 1 : steps.index("sublayer") + 2] == ["calibrate", "sublayer", "remove"]
    assert usual(search="knapsack") == usual()


def test_equal_layers_are_searched_for_by_a_search_of_their_own() -> None:
    assert usual(uniform=True) == usual().replace("knapsack", "same-shape").removesuffix(", outlook")
    with pytest.raises(InputError, match="--uniform and --search are both given"):
        usual(uniform=True, search="summed")
    with pytest.raises(InputError, match="--effort tries plans whose layers differ"):
        usual(uniform=True, effort=1)


def test_a_search_that_uses_no_damage_gets_scores_alone() -> None:
    steps = usual(importance="fisher", search="summed").split(", ")
    assert steps[steps.index("summed") - 1 : steps.index("summed") + 2] == ["importance{fisher}", "summed", "remove"]
    assert "damage" not in steps


@pytest.mark.parametrize("search", ["uniform", "ranked", "summed"])
def test_searches_by_scores_alone_compile(search: str, tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    passes = PASSES.replace("importance, damage, knapsack", f"importance{{fisher}}, {search}")
    result = prunec.compile(
        tiny_llama_dir, tmp_path / "slim.onnx", budget_params="80k", passes=passes, calibration=text, threads=1
    )
    assert result.report.budget.held
    assert result.plan.search == search
    assert result.plan.units
    assert result.program.parameter_count() <= 80_000


@pytest.mark.parametrize("search", ["greedy-loss", "layer-influence", "sublayer"])
def test_published_searches_compile(search: str, tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    passes = PASSES.replace("importance, damage, knapsack", search)
    result = prunec.compile(
        tiny_llama_dir, tmp_path / "slim.onnx", budget_params="80k", passes=passes, calibration=text, threads=1
    )
    assert result.report.budget.held
    assert result.plan.sublayers
    assert result.plan.search == search
    assert not result.plan.units
    assert result.program.parameter_count() <= 80_000


def test_effort_puts_a_search_between_the_choice_and_the_removal() -> None:
    assert "knapsack, evolve{2}, remove" in usual(effort=2)
    assert "knapsack, remove" in usual(effort=0)


class Listener(Silent):
    """Progress that shows stages."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.warnings: list[str] = []

    def end(self, name: str, seconds: float, log: str = "", round: int = 1) -> None:
        self.stages.append(name)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_progress_hears_of_stages_and_the_report_keeps_warnings(tiny_llama_dir: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("\n\n".join(f"Some words about {n}, and some more of them." * 6 for n in range(20)))
    listener = Listener()
    passes = PASSES.replace(SMALL, "calibrate")
    result = prunec.compile(
        tiny_llama_dir, budget_params="60k", passes=passes, calibration=short, threads=1, progress=listener
    )
    assert listener.stages == [stage.name for stage in result.report.stages]
    assert any("calibration text is short" in line for line in listener.warnings)
    assert result.report.warnings == tuple(listener.warnings)


def test_the_report_has_the_loss_on_each_named_text(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(
        "\n\n".join(f"Row {n} of {n * n % 89} in another text." * 3 for n in range(120))
    )
    texts = {"one": text, "other": tmp_path / "other.txt"}
    result = prunec.compile(tiny_llama_dir, budget_params="60k", passes=PASSES, calibration=texts, threads=1)
    report = Report.from_json(result.report.to_json())
    assert report.loss is not None
    assert report.data is not None
    whole, *named = report.loss.texts
    assert report.data.description == f"one={text}, other={tmp_path / 'other.txt'}"
    assert [item.name for item in report.loss.texts] == ["one, other", "one", "other"]
    assert whole.tokens == sum(item.tokens for item in named)
    assert whole.slim == pytest.approx(sum(item.slim * item.tokens for item in named) / whole.tokens)
    assert f"--calibration one={text} --calibration other=" in report.command


def test_the_model_that_was_given_is_left_as_it_is() -> None:
    model = Mixer()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batches = [{"x": torch.randn(16, 8)} for _ in range(16)]
    result = prunec.compile(model, budget_params=600, example_inputs={"x": torch.randn(2, 8)}, batches=batches)
    assert isinstance(result.program, Program)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
