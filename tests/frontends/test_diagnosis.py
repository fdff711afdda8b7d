"""A model that cannot be traced is refused with the place, the reason and a remedy."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch
from scipy import special
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaMLP

from prunec.errors import InputError
from prunec.frontends.module import trace


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Counting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(6) + x[: int(x[0, 0].item())].sum(0) if x[0, 0].item() > 0 else x[0]


class ThroughNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_numpy(special.erf(x.numpy()))


class Foreign(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.prunec_tests.shapeless(x)
        return y


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj(x)
        return y


class Stack(nn.Module):
    """Hides what it is given two levels deep."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), inner)])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.blocks[0](x)
        return y


@torch.library.custom_op("prunec_tests::shapeless", mutates_args=())
def shapeless(x: Tensor) -> Tensor:
    """An operator that says nothing about its shapes."""
    return x.clone()


@pytest.mark.parametrize(
    ("inner", "module", "reason", "fix"),
    [
        (Branching, "blocks.0.1 of class Branching", "depends on the values of a tensor", "torch.where"),
        (Counting, "blocks.0.1 of class Counting", "depends on the values of a tensor", "torch.where"),
        (ThroughNumpy, "blocks.0.1 of class ThroughNumpy", "leave torch for numpy", "torch operators"),
        (Foreign, "blocks.0.1 of class Foreign", "shapeless", "torch.library.register_fake"),
        (Wrong, "blocks.0.1.proj of class Linear", "same reduction dim", "check that the model runs"),
    ],
)
def test_names_module_line_reason_and_remedy(inner: type[nn.Module], module: str, reason: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        trace(Stack(inner()), {"x": torch.randn(2, 6)})
    lines, first = inspect.getsourcelines(inner.forward)
    place = re.search(rf"\(in {re.escape(module)}, (.*):(\d+)\)$", caught.value.what)
    assert place is not None, caught.value.what
    assert Path(place[1]).name == Path(__file__).name
    assert first < int(place[2]) < first + len(lines)
    assert caught.value.what.startswith("Stack cannot be traced: ")
    assert reason in caught.value.what
    assert fix in caught.value.fix
    assert "\n" not in str(caught.value)


def test_the_whole_error_is_kept_for_the_traceback() -> None:
    with pytest.raises(InputError) as caught:
        trace(Branching(), {"x": torch.randn(2, 6)})
    assert "data-dependent" in str(caught.value.__cause__)


def test_a_line_of_transformers_is_named_as_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: x if x.sum() > 0 else self.up_proj(x))
    config = LlamaConfig(vocab_size=50, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2)
    with pytest.raises(InputError, match=r"\(in model\.layers\.0\.mlp of class LlamaMLP, .*test_diagnosis\.py:\d+\)"):
        trace(LlamaForCausalLM(config), {"input_ids": torch.randint(0, 50, (2, 5))})


def test_a_missing_argument() -> None:
    with pytest.raises(InputError, match=r"missing a required argument: 'input2'\. give every argument"):
        trace(nn.Bilinear(6, 6, 2).requires_grad_(False), {"input1": torch.randn(2, 6)})
