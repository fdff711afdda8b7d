"""A key-value cache follows what is removed: heads shrink it, dropped sublayers lose it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from prunec.backends.onnx import OnnxBackend
from prunec.calibration.masked import masked_program, plan_masks
from prunec.facts import Plan, Structure
from prunec.frontends.module import trace
from prunec.ir.caches import NUMBER
from prunec.ir.past import completed
from prunec.ir.program import Program
from prunec.ir.verify import verify
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.architectures import ARCHITECTURES, VOCABULARY
from tests.passes.golden import TOLERANCE, random_plan


class Counting(GPT2LMHeadModel):
    """Takes no positions: it counts them itself, on from how long its cache is."""

    def forward(self, input_ids: Tensor, attention_mask: Any = None, past_key_values: Any = None, **flags: Any) -> Any:
        return super().forward(input_ids, past_key_values, attention_mask=attention_mask, **flags)


NAMES = ("llama", "gpt2", "phi", "gpt_bigcode", "llama with eager attention")


@cache
def found(name: str) -> tuple[Program, Structure]:
    counts = name == "gpt2 without positions"
    architecture = ARCHITECTURES[name.removesuffix(" without positions")]
    model = architecture.model()
    if counts:
        model.__class__ = Counting
    program = trace(model, architecture.example(2, 7), "text-generation", with_cache=True).program
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return program, structure


def inputs_of(program: Program, past: int, length: int) -> dict[str, Tensor]:
    """Random tokens after a random cache."""
    generator = torch.Generator().manual_seed(past)
    inputs = {
        "input_ids": torch.randint(3, VOCABULARY, (3, length), generator=generator),
        "attention_mask": torch.ones(3, past + length, dtype=torch.long),
    }
    for pair in program.caches:
        _, heads, _, size = program.example[pair.past].shape
        inputs[pair.past] = torch.randn(3, heads, past, size, generator=generator)
    return dict(completed(program, inputs))


def left(name: str, plan: Plan, cache_name: str) -> list[int]:
    """The heads of a cache that a plan leaves: units are in the order of the heads, or all share one."""
    program, structure = found(name)
    if program.example[program.caches[0].past].shape[1] == 1:
        return [0]
    layer = int(cache_name.split(".")[1])
    family = [item for item in structure.families if item.kind in ("head", "kv_group")][layer]
    return [unit for unit in range(family.units) if unit not in plan.units.get(family.name, ())]


def both(name: str, plan: Plan, past: int, length: int) -> tuple[Program, dict[str, Tensor], dict[str, Tensor]]:
    """The slim program, its inputs, and what the masked dense one makes of the whole inputs, cut to what is left."""
    program, structure = found(name)
    inputs = inputs_of(program, past, length)
    slim = slim_program(program, structure, plan)
    with torch.no_grad():
        masked = masked_program(program, structure)({**inputs, **plan_masks(structure, plan)})
    before = names_before(structure, plan, slim)
    cut = {
        item.name: inputs[old][:, left(name, plan, old)] if old.startswith("past") else inputs[old]
        for item, old in ((item, before(item.name)) for item in slim.inputs)
    }
    expected = {
        output: masked[old][:, left(name, plan, old)] if old.startswith("present") else masked[old]
        for output, old in ((output, before(output)) for output in slim.outputs)
    }
    return slim, cut, expected


def names_before(structure: Structure, plan: Plan, slim: Program) -> Callable[[str], str]:
    """What caches of `slim` are called in the dense program: those that stay are counted from 0."""
    layers = [item.name for item in structure.sublayers if item.kind in ("attention", "block")]
    stay = [place for place, layer in enumerate(layers) if layer not in plan.sublayers]
    if len(slim.caches) > 2 * len(stay):  # one stays although its attention is gone
        stay = list(range(len(layers)))
    return lambda name: NUMBER.sub(lambda found: str(stay[int(found[0])]), name)


def assert_close(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    scale = max(float(value.abs().max()) for value in expected.values())
    for output, value in expected.items():
        assert got[output].shape == value.shape
        assert float((got[output] - value).abs().max()) / scale < TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_a_cache_pins_nothing(name: str) -> None:
    plain = trace(ARCHITECTURES[name].model(), ARCHITECTURES[name].example(2, 7)).program
    (structure,) = StructurePass().run(plain, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    cached = found(name)[1]
    assert [(item.name, item.kind, item.units) for item in cached.families] == [
        (item.name, item.kind, item.units) for item in structure.families
    ]
    assert [item.kind for item in cached.sublayers] == [item.kind for item in structure.sublayers]
    assert cached.pins == ()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_slim_equals_masked(name: str, seed: int) -> None:
    plan = random_plan(found(name)[1], seed, sublayers=False)
    slim, inputs, expected = both(name, plan, past=6, length=3)
    assert list(expected) == list(found(name)[0].outputs)
    with torch.no_grad():
        assert_close(slim(inputs), expected)
    verify(slim)


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_attention_takes_its_cache_along(name: str) -> None:
    structure = found(name)[1]
    attention = next(item for item in structure.sublayers if item.kind in ("attention", "block"))
    plan = Plan(random_plan(structure, 1, sublayers=False).units, (attention.name,))
    slim, inputs, expected = both(name, plan, past=5, length=2)
    assert [pair.past for pair in slim.caches] == ["past_key_values.0.key", "past_key_values.0.value"]
    assert slim.outputs == ("logits", "present.0.key", "present.0.value")
    assert not any(item.name.startswith("past_key_values.1") for item in slim.inputs)
    assert set(slim.example) == {item.name for item in slim.inputs}
    with torch.no_grad():
        assert_close(slim(inputs), expected)
    verify(slim)


@pytest.mark.parametrize(("name", "left_over"), [("llama", 0), ("gpt2", 0), ("gpt2 without positions", 1)])
def test_the_last_cache_stays_where_only_it_tells_how_long_the_past_is(name: str, left_over: int) -> None:
    structure = found(name)[1]
    plan = Plan({}, tuple(item.name for item in structure.sublayers if item.kind == "attention"))
    slim, inputs, expected = both(name, plan, past=5, length=2)
    assert len(slim.caches) == left_over  # GPT-2 adds a learned position to each token
    assert (slim.positions != "") == (name != "gpt2 without positions")
    with torch.no_grad():
        assert_close(slim(inputs), expected)


def test_a_dropped_ffn_takes_no_cache_along() -> None:
    program, structure = found("llama")
    ffn = next(item for item in structure.sublayers if item.kind == "ffn")
    assert slim_program(program, structure, Plan({}, (ffn.name,))).caches == program.caches


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("dropped", [0, 1])
def test_the_artifact_takes_and_gives_the_slim_cache(name: str, dropped: int, tmp_path: Path) -> None:
    structure = found(name)[1]
    attention = [item.name for item in structure.sublayers if item.kind == "attention"][:dropped]
    plan = Plan(random_plan(structure, 2, sublayers=False).units, tuple(attention))
    slim, inputs, expected = both(name, plan, past=9, length=1)
    OnnxBackend().emit(slim, tmp_path / "slim.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "slim.onnx")
    assert [item.name for item in session.get_inputs()] == [item.name for item in slim.inputs]
    assert [item.name for item in session.get_outputs()] == list(slim.outputs)
    past = next(item for item in session.get_inputs() if item.name == slim.caches[0].past)
    assert past.shape == ["batch", *slim.example[past.name].shape[1:2], "past", slim.example[past.name].shape[3]]
    values = session.run(None, {key: np.asarray(value) for key, value in inputs.items()})
    assert_close(dict(zip(slim.outputs, map(torch.from_numpy, values), strict=True)), expected)


@pytest.mark.parametrize("name", ["llama", "phi", "llama with eager attention"])
def test_keys_in_a_cache_lose_the_dims_that_go(name: str) -> None:
    program = found(name)[0]
    (structure,) = StructurePass(("qk_dim",)).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    plan = random_plan(structure, 1)
    slim = slim_program(program, structure, plan)
    inputs = inputs_of(program, past=6, length=3)
    with torch.no_grad():
        expected = masked_program(program, structure)({**inputs, **plan_masks(structure, plan)})
        got = slim({item.name: without_dims(structure, plan, item.name, inputs[item.name]) for item in slim.inputs})
    assert_close(got, {output: without_dims(structure, plan, output, value) for output, value in expected.items()})


def without_dims(structure: Structure, plan: Plan, name: str, value: Tensor) -> Tensor:
    """A cache of keys without the dims that go, which are those of the first head; other values as they are."""
    if not name.endswith(".key"):
        return value
    layer = name.split(".")[1]
    rows = [
        slot.positions[list(plan.units[family.name])]
        for family in structure.families
        for slot in family.slots
        if f".{layer}.self_attn.k_proj.weight" in slot.tensor
    ]
    return value[..., np.setdiff1d(np.arange(value.shape[-1]), np.concatenate([item.ravel() for item in rows]))]


@pytest.mark.parametrize("dropped", [(0,), (1,), (0, 2)])
def test_of_many_layers_the_caches_that_stay_are_counted_anew(dropped: tuple[int, ...]) -> None:
    usual = ARCHITECTURES["llama"].model()
    model = type(usual)(type(usual.config).from_dict({**usual.config.to_dict(), "num_hidden_layers": 4})).eval()
    program = trace(model, ARCHITECTURES["llama"].example(2, 7), "text-generation", with_cache=True).program
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    attentions = [item.name for item in structure.sublayers if item.kind == "attention"]
    plan = Plan({}, tuple(attentions[place] for place in dropped))
    slim = slim_program(program, structure, plan)
    verify(slim)
    stay = [place for place in range(4) if place not in dropped]
    assert [pair.past for pair in slim.caches[::2]] == [f"past_key_values.{place}.key" for place in range(len(stay))]
    inputs, parts = inputs_of(program, 5, 2), {"past_key_values", "present"}
    expected = masked_program(program, structure)({**inputs, **plan_masks(structure, plan)})
    own = {name: value for name, value in inputs.items() if name.partition(".")[0] not in parts}
    for new, old in enumerate(stay):
        own |= {f"past_key_values.{new}.{kind}": inputs[f"past_key_values.{old}.{kind}"] for kind in ("key", "value")}
    with torch.no_grad():
        torch.testing.assert_close(slim(own)["logits"], expected["logits"])
