"""Every way a model directory can be unusable is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prunec.errors import InputError
from prunec.frontends.directory import has_tokenizer, read_directory


def edit_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_good_directory_gives_config_and_tensor_names(tiny_llama_dir: Path) -> None:
    directory = read_directory(tiny_llama_dir)
    assert directory.architecture == "LlamaForCausalLM"
    assert "model.embed_tokens.weight" in directory.tensors
    assert has_tokenizer(directory.path)


@pytest.mark.parametrize("name", ["spm.model", "source.spm", "vocab.json"])
def test_one_file_of_a_tokenizer_is_enough_to_look_for_it(name: str, tmp_path: Path) -> None:
    assert not has_tokenizer(tmp_path)
    (tmp_path / name).touch()
    assert has_tokenizer(tmp_path)


def test_no_such_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no directory .*nowhere"):
        read_directory(tmp_path / "nowhere")


def test_a_file_is_not_a_directory(tiny_llama_dir: Path) -> None:
    with pytest.raises(InputError, match="is a file, not a model directory"):
        read_directory(tiny_llama_dir / "config.json")


def test_a_hub_id_is_told_from_a_missing_directory() -> None:
    with pytest.raises(InputError, match=r"looks like a hub id.*hf download some-org/some-model"):
        read_directory("some-org/some-model")


def test_no_config(llama_copy: Path) -> None:
    (llama_copy / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json in"):
        read_directory(llama_copy)


@pytest.mark.parametrize("content", ["{", "\x00"])
def test_config_that_is_not_json(llama_copy: Path, content: str) -> None:
    (llama_copy / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json is not JSON"):
        read_directory(llama_copy)


@pytest.mark.parametrize("content", ["[]", '{"hidden_size": 4}', '{"model_type": 3}'])
def test_config_without_a_model_type(llama_copy: Path, content: str) -> None:
    (llama_copy / "config.json").write_text(content)
    with pytest.raises(InputError, match="has no model_type"):
        read_directory(llama_copy)


def test_a_quantised_checkpoint(llama_copy: Path) -> None:
    edit_config(llama_copy, quantization_config={"quant_method": "gptq"})
    with pytest.raises(InputError, match=r"is quantised \(gptq\)"):
        read_directory(llama_copy)


def test_every_message_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_directory(tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
