"""Directories become programs that compute what the model computes, at any batch and length."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded

SHAPES = [(1, 1), (1, 12), (3, 2), (4, 19)]


def text_inputs(batch: int, length: int, padded: int) -> dict[str, Tensor]:
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[-1, length - padded :] = 0
    return {"input_ids": torch.randint(5, 200, (batch, length)), "attention_mask": mask}


def assert_equal_to_eager(loaded: Loaded, model: PreTrainedModel, inputs: dict[str, Tensor]) -> None:
    with torch.no_grad():
        expected, got = model.eval()(**inputs), loaded.program(inputs)
    for name, value in got.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=0)


def edit_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(directory: Path, drop: str | None = None, **changes: Tensor) -> None:
    path = directory / "model.safetensors"
    tensors = {name.replace("__", "."): value for name, value in (load_file(path) | changes).items() if name != drop}
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(("batch", "length"), SHAPES)
def test_llama_equals_eager(llama: Loaded, tiny_llama_dir: Path, batch: int, length: int) -> None:
    model = transformers.LlamaForCausalLM.from_pretrained(tiny_llama_dir)
    assert_equal_to_eager(llama, model, text_inputs(batch, length, length // 4))


@pytest.mark.parametrize(("batch", "length"), SHAPES)
def test_bert_equals_eager(bert_features: Loaded, tiny_bert_dir: Path, batch: int, length: int) -> None:
    model = transformers.BertModel.from_pretrained(tiny_bert_dir)
    assert_equal_to_eager(bert_features, model, text_inputs(batch, length, length // 4))


def test_a_length_that_the_model_fixes_is_a_stated_fallback(tiny_cpmant_dir: Path) -> None:
    loaded = load(tiny_cpmant_dir)
    assert all((item.axes, item.fixed) == ({0: "batch"}, {"sequence": 7}) for item in loaded.program.inputs)
    assert loaded.notes[0] == "the model fixes the sequence axis of input_ids at 7"
    assert loaded.max_sequence == 7
    assert "input %input_ids: int64 (0=batch, sequence fixed at 7)" in loaded.program.text()


def test_a_length_that_the_model_fixes_can_be_chosen(tiny_cpmant_dir: Path) -> None:
    loaded = load(tiny_cpmant_dir, sizes={"batch": 1, "sequence": 12})
    assert loaded.program.fixed == {"sequence": 12}
    model = transformers.CpmAntForCausalLM.from_pretrained(tiny_cpmant_dir)
    inputs = {name: value for name, value in text_inputs(3, 12, 0).items() if name == "input_ids"}
    expected = model.eval()(**inputs).logits.detach()
    torch.testing.assert_close(
        loaded.program({**inputs, "attention_mask": torch.ones(3, 12)})["logits"], expected, atol=1e-5, rtol=0
    )


def test_what_is_known_about_a_decoder(llama: Loaded) -> None:
    assert (llama.task.name, llama.task.phase, llama.task.objective) == ("text-generation", "prefill", "causal-lm")
    assert llama.max_sequence == 256
    assert llama.tokenizer is not None
    assert llama.notes == ()
    assert llama.program.outputs == ("logits",)


def test_inputs_are_named_with_their_dynamic_axes(llama: Loaded) -> None:
    assert [item.name for item in llama.program.inputs] == ["input_ids", "attention_mask"]
    assert all(item.axes == {0: "batch", 1: "sequence"} for item in llama.program.inputs)


def test_the_example_has_a_padded_sample(llama: Loaded) -> None:
    assert llama.program.example["attention_mask"][-1, -1] == 0


def test_tied_tensors_go_by_their_name_in_the_checkpoint(llama: Loaded, tiny_llama_dir: Path) -> None:
    names = set(llama.program.tensor_names())
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names
    assert set(load_file(tiny_llama_dir / "model.safetensors")) <= names


def test_an_encoder_keeps_only_the_task_output(bert_features: Loaded) -> None:
    assert bert_features.task.phase == "encode"
    assert bert_features.writer is None
    assert bert_features.program.outputs == ("last_hidden_state",)
    assert not any("pooler" in name for name in bert_features.program.tensor_names())


def test_tensors_of_another_task_are_noted(bert_features: Loaded) -> None:
    assert any("does not use the checkpoint's cls." in note for note in bert_features.notes)


def test_the_task_is_inferred_from_the_config(tiny_bert_dir: Path) -> None:
    assert load(tiny_bert_dir).task.name == "fill-mask"


def test_only_plain_operators_are_left(llama: Loaded) -> None:
    for node in llama.program.graph.nodes:
        if node.op == "call_function":
            assert isinstance(node.target, torch._ops.OpOverload)
            assert not node.target.__name__.startswith("_assert")


def test_a_program_can_be_copied(llama: Loaded) -> None:
    twin = llama.program.with_module(copy.deepcopy(llama.program.module))
    assert twin.text() == llama.program.text()
    inputs = text_inputs(2, 5, 1)
    torch.testing.assert_close(twin(inputs)["logits"], llama.program(inputs)["logits"])


def test_the_text_form_is_stable(llama: Loaded, tiny_llama_dir: Path) -> None:
    assert load(tiny_llama_dir).program.text() == llama.program.text()


def test_positions_kept_for_padding_do_not_count(tmp_path: Path) -> None:
    config = transformers.RobertaConfig(
        vocab_size=90,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=34,
        pad_token_id=1,
    )
    model = transformers.RobertaForMaskedLM(config)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert loaded.max_sequence == 32
    inputs = {"input_ids": torch.randint(5, 90, (2, 32)), "attention_mask": torch.ones(2, 32, dtype=torch.long)}
    assert_equal_to_eager(loaded, model, inputs)


def test_an_unknown_model_type(llama_copy: Path) -> None:
    edit_config(llama_copy, model_type="lama")
    with pytest.raises(InputError, match=r"model_type 'lama'.*did you mean llama"):
        load(llama_copy)


def test_remote_code_is_refused(llama_copy: Path) -> None:
    edit_config(llama_copy, model_type="own", auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    with pytest.raises(InputError, match=r"needs Python code that comes with it.*--trust-remote-code"):
        load(llama_copy)


def test_remote_code_that_is_trusted_and_missing(llama_copy: Path) -> None:
    edit_config(llama_copy, model_type="own", auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    with pytest.raises(InputError, match="cannot be loaded"):
        load(llama_copy, trust_remote_code=True)


def test_an_architecture_without_a_task_asks_for_one(llama_copy: Path) -> None:
    edit_config(llama_copy, architectures=["LlamaForEverything"])
    with pytest.raises(
        InputError,
        match=r"its config names LlamaForEverything.*give --task, one of text-generation, feature-extraction",
    ):
        load(llama_copy)


def test_a_tensor_of_the_wrong_size(llama_copy: Path) -> None:
    edit_config(llama_copy, intermediate_size=80)
    with pytest.raises(InputError, match=r"is \[64, 96\] where the config says \[64, 80\] \(and 8 more\)"):
        load(llama_copy)


def test_missing_tensors_are_named(llama_copy: Path) -> None:
    edit_weights(llama_copy, drop="model.layers.1.mlp.up_proj.weight")
    with pytest.raises(InputError, match=r"lack model\.layers\.1\.mlp\.up_proj\.weight"):
        load(llama_copy)


def test_a_config_that_transformers_refuses(llama_copy: Path) -> None:
    edit_config(llama_copy, num_hidden_layers="three")
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load(llama_copy)
    assert "\n" not in str(caught.value)


def test_a_damaged_tokenizer_is_noted(llama_copy: Path) -> None:
    (llama_copy / "tokenizer.json").write_text("{")
    loaded = load(llama_copy)
    assert loaded.tokenizer is None
    assert any("tokenizer" in note for note in loaded.notes)


def test_loading_is_silent(tiny_llama_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(tiny_llama_dir)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.real
def test_a_real_encoder_equals_eager(real_models: Path) -> None:
    loaded = load(real_models / "minilm-l6")
    assert loaded.task.name == "feature-extraction"
    assert loaded.max_sequence == 512
    assert loaded.tokenizer is not None
    inputs = dict(
        loaded.tokenizer(["A short text.", "Another, somewhat longer text."], padding=True, return_tensors="pt")
    )
    assert_equal_to_eager(loaded, transformers.BertModel.from_pretrained(real_models / "minilm-l6"), inputs)
