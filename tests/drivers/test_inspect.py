"""What `prunec inspect` and `prunec.inspect` find: exact numbers on tiny models, pins by name, and one real model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import prunec
from prunec import catalogue, cli
from prunec.errors import InputError
from prunec.report.codec import decode
from prunec.report.inspection import Inspection, Slot
from prunec.report.inspection_page import TIMES
from tests.frontends.test_images import tiny_dinov2
from tests.passes.fakes import FakeBackend, by_parameters, fake_backend

GROUP = 2 * (32 * 64) + 2 * (16 * 64)
"""Parameters of a KV group of the tiny Llama: two query heads, their part of the output, a key and a value head."""
VALUE_DIM = (2 + 4) * 64
"""Parameters of a value dim: a row for each key/value head, a column for each query head."""
ROTARY_PAIR = 3 * 2 * (4 + 2) * 64 + 1
"""Parameters of a rotary pair: in each layer two rows for each query and key head, and a frequency for all layers."""
NEURON = 3 * 64
FEATURE = 300 + 3 * (2 * 64 + 2 * 32 + 3 * 96 + 2) + 1
"""Parameters of a feature of the stream: of the tied embedding, of every projection and of every norm."""
NORM = 64
FLOOR = 300 * 64 + NORM


@pytest.fixture(autouse=True)
def narrow(settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A usual terminal."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Inspection:
    return prunec.inspect(tiny_llama_dir)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeBackend]]:
    """Every artifact takes as long as it has parameters."""
    with fake_backend(by_parameters) as found:
        monkeypatch.setattr(catalogue, "find_backend", lambda name: found)
        yield found


class Stubborn(nn.Module):
    """A feed-forward branch that can be cut, and one whose neurons meet an operator without a rule."""

    def __init__(self, cuttable: bool = True) -> None:
        super().__init__()
        self.cuttable = cuttable
        self.stem = nn.Linear(8, 8)
        self.ups = nn.ModuleList([nn.Linear(8, 32) for _ in range(2)])
        self.downs = nn.ModuleList([nn.Linear(32, 8) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.cuttable:
            x = x + self.downs[0](torch.relu(self.ups[0](x)))
        result: Tensor = x + self.downs[1](torch.renorm(self.ups[1](x), 2, 0, 1.0))
        return result


EXAMPLE = {"x": torch.ones(2, 8)}


def test_families_tell_their_units_and_parameters(llama: Inspection) -> None:
    found = [(item.kind, item.units, item.parameters_per_unit) for item in llama.families]
    layer = [("kv_group", 2, GROUP), ("vo_dim", 16, VALUE_DIM), ("neuron", 96, NEURON)]
    assert found == [("qk_dim", 8, ROTARY_PAIR), *layer * 3, ("hidden", 64, FEATURE), ("vocabulary", 300, 64)]
    assert llama.family("model.layers.1.mlp.down_proj").slots == (
        Slot("model.layers.1.mlp.gate_proj.weight", 0, 1),
        Slot("model.layers.1.mlp.up_proj.weight", 0, 1),
        Slot("model.layers.1.mlp.down_proj.weight", 1, 1),
    )


def test_sublayers_tell_their_families_and_what_goes_with_them_alone(llama: Inspection) -> None:
    assert [(item.name, item.kind, item.parameters) for item in llama.sublayers[:2]] == [
        ("model.layers.0.self_attn", "attention", 2 * GROUP + NORM),
        ("model.layers.0.mlp", "ffn", 96 * NEURON + NORM),
    ]
    assert llama.sublayers[1].families == ("model.layers.0.mlp.down_proj",)


def test_the_floor_is_what_no_plan_removes(llama: Inspection) -> None:
    assert llama.floor.parameters == FLOOR
    assert [item.tensor for item in llama.floor.tensors] == ["model.embed_tokens.weight", "model.norm.weight"]
    assert sum(item.parameters for item in llama.floor.tensors) == FLOOR


def test_the_model_is_described(llama: Inspection, tiny_llama_dir: Path) -> None:
    model = llama.model
    assert (model.source, model.model_class, model.task) == (str(tiny_llama_dir), "LlamaForCausalLM", "text-generation")
    assert [(item.name, item.dtype, item.axes) for item in model.inputs] == [
        ("input_ids", "int64", ("batch", "sequence")),
        ("attention_mask", "int64", ("batch", "sequence")),
    ]
    assert model.parameters == FLOOR + sum(item.parameters for item in llama.sublayers) + 8  # rotary frequencies
    assert [stage.name for stage in llama.stages] == ["load", "structure"]
    assert llama.latency is None
    assert llama.pins == ()


@pytest.mark.parametrize("workload", ["prefill:1x16", "decode:1@16"])
def test_a_workload_measures_what_each_part_could_save(
    workload: str, tiny_llama_dir: Path, tmp_path: Path, backend: type[FakeBackend]
) -> None:
    found = prunec.inspect(tiny_llama_dir, workload=workload, threads=1, cache=tmp_path)
    latency = found.latency
    assert latency is not None
    assert latency.floor.median_ms == pytest.approx(0.1 + FLOOR / 1e5)
    assert latency.dense.median_ms == pytest.approx(0.1 + found.model.parameters / 1e5)
    saved = sum(item.saves_ms or 0 for item in found.sublayers)
    assert saved == pytest.approx(latency.dense.median_ms - latency.floor.median_ms)
    priced = [item for item in found.families if item.sublayers]
    group, neurons = (item.saves_ms for item in priced[:2])
    assert group is not None
    assert neurons is not None
    assert neurons / group == pytest.approx(95 * NEURON / GROUP)
    assert all(family.saves_ms < found.sublayers[n].saves_ms for n, family in enumerate(priced))  # type: ignore[operator]
    assert {item.kind for item in found.families if item.saves_ms is None} == {
        "vo_dim",
        "qk_dim",
        "hidden",
        "vocabulary",
    }


def test_measurements_are_kept(tiny_llama_dir: Path, tmp_path: Path, backend: type[FakeBackend]) -> None:
    logs = []
    for _ in range(2):
        found = prunec.inspect(tiny_llama_dir, workload="prefill:1x16", threads=1, cache=tmp_path)
        logs.append(next(stage.log for stage in found.stages if stage.name == "cost"))
    assert "2 tables timed, 0 from the cache" in logs[0]
    assert "0 tables timed, 2 from the cache" in logs[1]


def test_an_operator_without_a_rule_is_named() -> None:
    found = prunec.inspect(Stubborn(), example_inputs=EXAMPLE)
    assert [(pin.operator, pin.why) for pin in found.pins] == [
        ("aten.renorm.default", "has an operator without a label rule")
    ]
    assert [(item.families, item.parameters) for item in found.sublayers] == [(("downs.0",), 552), ((), 552)]
    assert found.floor.parameters == 72 + 552


def test_a_model_in_which_nothing_can_be_removed_is_no_error(backend: type[FakeBackend]) -> None:
    found = prunec.inspect(Stubborn(cuttable=False), example_inputs=EXAMPLE, workload="encode:2x4", threads=1)
    assert found.families == ()
    assert found.latency is None
    assert found.floor.parameters == found.model.parameters == 72 + 552
    assert len(found.pins) == 1
    assert found.warnings == ("nothing was timed: no removable units inside a residual branch were found",)


def test_json_holds_everything(tiny_bert_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tiny_bert_dir), "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert not err
    raw = json.loads(out)
    assert raw["version"] == 1
    assert raw["prunec"] == prunec.__version__
    assert raw["model"]["phase"] == "encode"
    family = next(item for item in raw["families"] if item["kind"] == "head")
    assert family["parameters"] == 4 * family["parameters_per_unit"] == 4 * (4 * 64 * 16 + 48)
    assert decode(Inspection, out).to_json() == out


def test_equal_layers_share_a_row(tiny_llama_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tiny_llama_dir), "--verbose"]) == 0
    out, err = capsys.readouterr()
    headline = "LlamaForCausalLM for text-generation: 92.6 k of 112 k parameters (82.8 %) could go model "
    assert " ".join(out.split()).startswith(headline)
    assert [line.split() for line in out.splitlines() if line.startswith("0-2 ")] == [
        ["0-2", "3", TIMES, "attention", "2", "kv", "groups", "6.14", "k", "36.9", "k", "33.0", "%"],
        ["0-2", "3", TIMES, "ffn", "96", "neurons", "192", "55.3", "k", "49.5", "%"],
        ["0-2", "not", "counted", "8", "qk", "dims", "2.31", "k", "18.4", "k", "16.5", "%"],
        ["0-2", "not", "counted", "16", "vo", "dims", "384", "18.4", "k", "16.5", "%"],
        ["0-2", "not", "counted", "64", "hidden", "features", "1.75", "k", "112", "k", "100.0", "%"],
    ]
    assert "add --workload prefill:1x128" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "structure" in err


def test_all_prints_every_family(tiny_llama_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tiny_llama_dir), "--all"]) == 0
    out = capsys.readouterr().out
    for layer in range(3):
        for name in ("self_attn.o_proj", "self_attn.o_proj.vo_dim", "mlp.down_proj"):
            assert out.count(f"model.layers.{layer}.{name} ") == 1


def test_quiet_prints_one_line(tiny_bert_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tiny_bert_dir), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert out.count("\n") == 1
    assert out.endswith("could go; 10 families in 4 sublayers, 0 pins\n")


def test_a_model_needs_no_tokenizer(tiny_bert_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_bert_dir / name, model)
    assert cli.main(["inspect", str(model), "--quiet"]) == 0
    assert "10 families in 4 sublayers" in capsys.readouterr().out


def test_the_workload_to_add_has_a_length_where_requests_have_one(
    tiny_bert_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, workload in ((tiny_bert_dir, "encode:1x128"), (tiny_dinov2(tmp_path / "images"), "encode:1")):
        assert cli.main(["inspect", str(model)]) == 0
        assert f"add --workload {workload}." in capsys.readouterr().out


def test_a_workload_of_sequences_needs_a_length(tiny_bert_dir: Path) -> None:
    with pytest.raises(InputError, match=r"workload 'encode:2' says nothing of the sequence\. write .* encode:1x128"):
        prunec.inspect(tiny_bert_dir, workload="encode:2")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("inspect", "Missing argument 'MODEL'. See prunec inspect --help"),
        ("inspect nowhere", "there is no directory nowhere. Give a local Hugging Face model directory"),
        ("inspect m --speedup 2", "No such option: --speedup"),
        ("inspect m --workload decode:1", "workload 'decode:1' is not understood"),
        ("inspect m --workload encode:1x8 --threads 0", "0 threads are not a positive number"),
        ("inspect m --threads 2", "threads are given, and no workload to time with them. Give --workload"),
        ("inspect m --backend onyx", "no backend is called `onyx`. Did you mean onnx?"),
    ],
)
def test_bad_input_is_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words.split(), *(["--quiet"] if " " in words else [])]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"prunec: error: {message}")
    assert err.count("\n") == 1


def test_a_workload_of_another_phase_is_refused(tiny_llama_dir: Path) -> None:
    with pytest.raises(InputError, match="a model for text-generation has prefill"):
        prunec.inspect(tiny_llama_dir, workload="encode:1x8")


def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "--help"]) == 0
    shown = capsys.readouterr().out
    for text in ("Usage: prunec inspect MODEL", "--workload encode:1x128", "--trust-remote-code", "--cache-dir"):
        assert text in shown
    assert cli.main(["--help"]) == 0
    assert "prunec inspect ./minilm" in capsys.readouterr().out


@pytest.mark.real
def test_minilm(real_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--workload", "encode:1x128", "--threads", "1", "--cache-dir", str(tmp_path), "--json", "--quiet"]
    assert cli.main(["inspect", str(real_models / "minilm-l6"), *words]) == 0
    found = decode(Inspection, capsys.readouterr().out)
    assert [(item.kind, item.units, item.parameters_per_unit) for item in found.families[:24]] == [
        ("qk_dim", 32, 12 * 2 * (384 + 1)),
        ("head", 12, 49_248),
        ("vo_dim", 32, 12 * (2 * 384 + 1)),
        ("neuron", 1536, 769),
    ] * 6
    assert [item.kind for item in found.families[24:]] == ["vocabulary", "vocabulary"]
    assert found.pins == ()
    assert found.model.parameters == found.floor.parameters + 6 * (591_360 + 1_181_568)
    assert found.latency is not None
    assert 0 < found.latency.floor.median_ms < 0.2 * found.latency.dense.median_ms
    for number, family in enumerate(item for item in found.families if item.sublayers):
        saved, whole = family.saves_ms, found.sublayers[number].saves_ms
        assert saved is not None
        assert whole is not None
        assert 0 < saved < whole < found.latency.dense.median_ms
