"""Generation by the artifact, a token at a time through its cache: what the slim program says without one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from prunec.backends.onnx import OnnxBackend
from prunec.backends.onnx.runner import OnnxRunner
from prunec.cost.workload import Workload
from prunec.facts import Plan, Structure
from prunec.frontends.module import trace
from prunec.ir.past import completed, handed_on
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.architectures import ARCHITECTURES, VOCABULARY

TOKENS = 64
LENGTHS = {"llama": "max_position_embeddings", "gpt2": "n_positions"}
"""How many positions a model has, as its config calls it: Llama rotates keys, GPT-2 looks positions up."""


@cache
def slim(name: str, *, cached: bool) -> Program:
    """A model without a share of its neurons and another number of KV groups or heads in each layer."""
    architecture = ARCHITECTURES[name]
    architecture = replace(architecture, settings={**architecture.settings, LENGTHS[name]: 128})
    program = trace(architecture.model(), architecture.example(2, 7), with_cache=cached).program
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    heads = [item for item in structure.families if item.kind in ("kv_group", "head")]
    neurons = [item for item in structure.families if item.kind == "neuron"]
    plan = Plan({heads[0].name: (0,), heads[1].name: (1, 2)} | {item.name: tuple(range(5, 14)) for item in neurons})
    return slim_program(program, structure, plan)


@cache
def artifact(name: str, folder: Path) -> OnnxRunner:
    path = folder / f"{name}.onnx"
    OnnxBackend().emit(slim(name, cached=True), path)
    return OnnxBackend().load(path, Workload.parse("decode:1@8", 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decoding")


def prompt(rows: int, length: int) -> Tensor:
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(1))


def generated(program: Program, runner: OnnxRunner, tokens: Tensor, mask: Tensor) -> tuple[Tensor, np.ndarray]:
    """The likeliest tokens, `[rows, TOKENS]`, and their logits, each from the cache that the artifact handed on."""
    new, past, made, logits = tokens, dict[str, np.ndarray](), list[Tensor](), list[np.ndarray]()
    for _ in range(TOKENS):
        given = {"input_ids": new, "attention_mask": mask} | {key: torch.from_numpy(item) for key, item in past.items()}
        outputs = runner({key: item.numpy() for key, item in completed(program, given).items()})
        logits.append(outputs["logits"][:, -1])
        past = handed_on(program, outputs)
        new = torch.from_numpy(logits[-1].argmax(-1))[:, None]
        made.append(new)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
    return torch.cat(made, 1), np.stack(logits, 1)


def recomputed(program: Program, tokens: Tensor) -> tuple[Tensor, np.ndarray]:
    """The same without a cache: all that came before is run again for every token."""
    first, logits = tokens.shape[1], list[Tensor]()
    with torch.no_grad():
        for _ in range(TOKENS):
            logits.append(program({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)})["logits"][:, -1])
            tokens = torch.cat([tokens, logits[-1].argmax(-1, keepdim=True)], 1)
    return tokens[:, first:], torch.stack(logits, 1).numpy()


@pytest.mark.parametrize("name", LENGTHS)
def test_layers_keep_different_numbers_of_cached_heads(name: str) -> None:
    program = slim(name, cached=True)
    sizes = [program.example[pair.past].shape[1] for pair in program.caches]
    assert sizes == {"llama": [2, 2, 1, 1], "gpt2": [4, 4, 3, 3]}[name]


@pytest.mark.parametrize("name", LENGTHS)
def test_64_tokens_are_those_of_the_slim_program_without_a_cache(name: str, folder: Path) -> None:
    tokens = prompt(2, 9)
    found, logits = generated(slim(name, cached=True), artifact(name, folder), tokens, torch.ones_like(tokens))
    expected, wanted = recomputed(slim(name, cached=False), tokens)
    assert found.tolist() == expected.tolist()
    np.testing.assert_allclose(logits, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("name", LENGTHS)
def test_padding_on_the_left_changes_no_token(name: str, folder: Path) -> None:
    tokens = prompt(2, 9)
    mask = torch.ones_like(tokens)
    mask[1, :4] = 0
    found, _ = generated(slim(name, cached=True), artifact(name, folder), tokens.where(mask.bool(), 0), mask)
    plain = slim(name, cached=False)
    alone = [recomputed(plain, row[None, kept.bool()])[0] for row, kept in zip(tokens, mask, strict=True)]
    assert found.tolist() == torch.cat(alone).tolist()


@pytest.mark.parametrize("name", LENGTHS)
def test_a_prompt_in_two_parts_is_the_prompt(name: str, folder: Path) -> None:
    program, runner, tokens = slim(name, cached=True), artifact(name, folder), prompt(3, 11)

    def run(part: slice, past: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {"input_ids": tokens[:, part], "attention_mask": torch.ones_like(tokens[:, : part.stop])}
        given |= {key: torch.from_numpy(item) for key, item in past.items()}
        return runner({key: item.numpy() for key, item in completed(program, given).items()})

    whole = run(slice(0, 11), {})
    second = run(slice(6, 11), handed_on(program, run(slice(0, 6), {})))
    np.testing.assert_allclose(second["logits"], whole["logits"][:, 6:], atol=1e-4)
    for pair in program.caches:
        np.testing.assert_allclose(second[pair.present], whole[pair.present], atol=1e-4)
