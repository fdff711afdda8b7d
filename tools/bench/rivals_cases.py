"""Who prunec is set against, on what, how much each is told to remove, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prunec.cost.workload import DECODE

ENCODER, DECODER, VISION = "minilm-l6", "smollm2-135m", "dinov2-small"
DECODING = f"{DECODER}-decode"


@dataclass(frozen=True)
class Case:
    """A model of `subjects.py`, and what it is made fast at: a token at a time takes files with a cache."""

    model: str
    workload: str

    @property
    def graph(self) -> str:
        """What files of it are, as `emission_rivals.py` names it."""
        return "cached" if self.workload.startswith(DECODE) else "plain"


PROMPTS = {
    ENCODER: Case(ENCODER, "encode:1x128"),
    DECODER: Case(DECODER, "prefill:1x128"),
    VISION: Case(VISION, "encode:1"),
}
CASES = {**PROMPTS, DECODING: Case(DECODER, "decode:1@512")}


@dataclass(frozen=True)
class Rival:
    """One way to make a model faster.

    Attributes:
        amounts: by case, what it is told, each a row; a case that is not there is not tried.
        told: what an amount is, with a place for it, such as `{:.0%} of all widths`.
        settings: whose they are, and what they are.
    """

    amounts: Mapping[str, tuple[float, ...]]
    told: str
    settings: str


WHOLE = dict.fromkeys(CASES, (1.0,))
HALF = dict.fromkeys(PROMPTS, (0.25, 0.5))

RIVALS = {
    "torch-pruning": Rival(
        {ENCODER: (1 / 6,), DECODER: (1 / 6, 1 / 3), VISION: (1 / 6,)},
        "{:.0%} of heads, neurons and the residual width",
        "Torch-Pruning 1.6.1 as in its prune_llm.py, prune_hf_bert.py and prune_hf_vit.py: L2 norms of groups, mean "
        "reduction, uniform",
    ),
    "torch-pruning-bottleneck": Rival(
        {ENCODER: (0.25, 0.5), VISION: (0.25, 0.5)},
        "{:.0%} of heads and neurons",
        "Torch-Pruning 1.6.1 with the option `bottleneck` of its examples, which keeps the residual stream whole",
    ),
    "torch-pruning-taylor": Rival(
        {DECODER: (1 / 3,)},
        "{:.0%} of heads, neurons and the residual width",
        "Torch-Pruning 1.6.1 with its first-order score of groups, gradients of the loss on the calibration text",
    ),
    "optipfair-width": Rival(
        HALF,
        "{:.0%} of neurons",
        "optipfair 0.4.2: MLP_GLU by MAW, with the calibration text as its dataloader",
    ),
    "optipfair-depth": Rival(
        {ENCODER: (1 / 3,), DECODER: (0.2, 1 / 3), VISION: (1 / 3,)},
        "{:.0%} of layers",
        "optipfair 0.4.2: DEPTH of the layers least important by its analysis of the calibration text; no distillation",
    ),
    "onnxsim": Rival(
        HALF,
        "{:.0%} of channels, and of heads where it finds any",
        "onnxsim 0.8.1 on the file of torch.onnx.export: structured pruning, then attention heads, both by L2 norms",
    ),
    "onnxsim-wanda": Rival(
        dict.fromkeys(PROMPTS, (0.5,)),
        "{:.0%} of channels, and of heads where it finds any",
        "onnxsim 0.8.1 on the same file: the same two, weighted by activations on the calibration text",
    ),
    "onnxsim-blocks": Rival(
        dict.fromkeys(PROMPTS, (0.25,)),
        "{:.0%} of blocks",
        "onnxsim 0.8.1 on the same file: blocks whose output is nearest to their input on the calibration text",
    ),
    "int8": Rival(
        WHOLE, "all weights", "ONNX Runtime's quantize_dynamic of the dense file, per channel, signed weights"
    ),
    "int4": Rival(
        WHOLE,
        "all weights of linear layers",
        "ONNX Runtime's MatMulNBitsQuantizer of the dense file: blocks of 32, symmetric, accuracy level 4",
    ),
    "prunec": Rival(
        {ENCODER: (1.25, 1.5, 2.0), DECODER: (1.5,), VISION: (1.25, 1.5, 2.0), DECODING: (1.5,)},
        "{:g}x asked for",
        "the default settings",
    ),
    "prunec-int8": Rival(
        {ENCODER: (2.5, 3.0), DECODER: (2.0, 3.0), VISION: (2.5, 3.0), DECODING: (1.5,)},
        "{:g}x asked for",
        "--dtype int8",
    ),
    "prunec-int4": Rival({ENCODER: (1.5,), DECODER: (1.5,), DECODING: (2.0,)}, "{:g}x asked for", "--dtype int4"),
}


def file_of(folder: Path, case: str, rival: str, amount: float) -> Path:
    """Where the file of one row lies."""
    return folder / f"{case}-{rival}-{amount:.3g}.onnx"


def dense_file(folder: Path, case: str, exporter: str) -> Path:
    """Where the dense file of an exporter lies."""
    return folder / f"{case}-dense-{exporter}.onnx"
