"""Rows of a vocabulary removed: the slim program in new numbers equals the dense one in the old ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from prunec.facts import Family, Structure
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.architectures import PLAIN, SIZES, VOCABULARY, Architecture
from tests.passes.golden import TOLERANCE, VISIBLE, run
from tests.passes.vocabulary import compare_renumbered

BOTH_SIDES = {
    "d_model": 32, "d_kv": 8, "d_ff": 27, "num_heads": 4, "num_layers": 1, "vocab_size": VOCABULARY,
    "decoder_start_token_id": 0,
}  # fmt: skip
DECODER = SIZES | {"num_attention_heads": 5, "num_key_value_heads": 5, "num_hidden_layers": 1, "pad_token_id": 0}
MODELS = {
    "tied decoder": Architecture("LlamaForCausalLM", DECODER | {"tie_word_embeddings": True}, ()),
    "untied decoder": Architecture("LlamaForCausalLM", DECODER | {"tie_word_embeddings": False}, ()),
    "masked words": Architecture("BertForMaskedLM", PLAIN | {"type_vocab_size": 1}, ()),
    "both sides": Architecture("T5ForConditionalGeneration", BOTH_SIDES, (), inputs="both sides"),
    "encoder": Architecture("BertModel", PLAIN | {"type_vocab_size": 1}, ()),
}
REMOVED = ([3], [0, 1, 2, 17, 38, 60], [*range(1, VOCABULARY)])


@cache
def found(name: str) -> tuple[Program, Family]:
    program = trace(MODELS[name].model(), MODELS[name].example(2, 7)).program
    (structure,) = StructurePass(("vocabulary",)).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    (family,) = structure.unmasked
    return program, family


@pytest.mark.parametrize("removed", REMOVED, ids=["one", "some", "all but one"])
@pytest.mark.parametrize("name", MODELS)
def test_slim_in_new_numbers_equals_dense_in_old_ones(name: str, removed: list[int]) -> None:
    program, family = found(name)
    shown = compare_renumbered(program, family, np.array(removed), MODELS[name].example(3, 11))
    assert shown.error < TOLERANCE
    assert shown.effect > VISIBLE


@pytest.mark.parametrize(
    ("name", "slots"),
    [
        ("tied decoder", ["model.embed_tokens.weight"]),
        ("untied decoder", ["model.embed_tokens.weight", "lm_head.weight"]),
        ("masked words", ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"]),
        ("both sides", ["shared.weight"]),
        ("encoder", ["embeddings.word_embeddings.weight"]),
    ],
)
def test_rows_lie_in_the_table_and_in_what_makes_the_logits(name: str, slots: list[str]) -> None:
    _, family = found(name)
    assert (family.kind, family.units, family.sites) == ("vocabulary", VOCABULARY, ())
    assert family.name == f"{slots[0].removesuffix('.weight')}.vocabulary"
    assert sorted((slot.tensor, slot.dim) for slot in family.slots) == sorted((name, 0) for name in slots)


def test_the_example_has_the_new_numbers() -> None:
    program, family = found("tied decoder")
    slim = slice_program(program, family.cuts(np.arange(VOCABULARY - 2)))
    assert set(slim.example["input_ids"].unique().tolist()) <= {0, 1}
    assert run(slim, slim.example)["logits"].shape[-1] == 2


def test_examples_keep_naming_what_is_left() -> None:
    program, family = found("tied decoder")
    slim = slice_program(program, family.cuts(np.array([0, 1, 2])))
    torch.testing.assert_close(slim.example["input_ids"], program.example["input_ids"] - 3)
