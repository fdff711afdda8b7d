"""Masks: open ones change nothing, and a closed one is its units' weights at zero."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prunec.calibration.masked import masked_program, open_masks, plan_masks
from prunec.facts import Plan
from tests.passes.cases import Case, load_case


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Case:
    return load_case(tiny_llama_dir)


def run(case: Case, masks: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return masked_program(case.program, case.structure)({**case.corpus.score[0], **masks})["logits"]


def plain(case: Case) -> torch.Tensor:
    with torch.no_grad():
        return case.program(case.corpus.score[0])["logits"]


def test_open_masks_change_nothing(llama: Case) -> None:
    assert torch.equal(run(llama, open_masks(llama.structure)), plain(llama))


def test_there_is_an_input_for_every_family_and_sublayer(llama: Case) -> None:
    masked = masked_program(llama.program, llama.structure)
    assert {item.name for item in masked.inputs} - {item.name for item in llama.program.inputs} == set(
        open_masks(llama.structure)
    )


def test_a_masked_unit_is_a_column_of_zeros(llama: Case) -> None:
    weight = llama.program.tensor("model.layers.1.mlp.down_proj.weight").detach().clone()
    weight[:, [3, 90]] = 0
    expected = plain(llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight))
    found = run(llama, plan_masks(llama.structure, Plan({"model.layers.1.mlp.down_proj": (3, 90)})))
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, plain(llama), atol=1e-3)


def test_a_masked_sublayer_adds_nothing(llama: Case) -> None:
    idle = torch.zeros_like(llama.program.tensor("model.layers.1.self_attn.o_proj.weight"))
    expected = plain(llama.with_tensors(model__layers__1__self_attn__o_proj__weight=idle))
    found = run(llama, plan_masks(llama.structure, Plan({}, ("model.layers.1.self_attn",))))
    assert torch.allclose(found, expected, atol=1e-5)
