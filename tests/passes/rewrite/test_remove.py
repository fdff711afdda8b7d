"""The remove pass: physical removal, proved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from prunec.errors import VerificationError
from prunec.facts import Equivalence, Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import RemovePass, slim_program
from tests.ir.sketch import Sketch
from tests.passes.cases import Case
from tests.passes.golden import random_plan

aten = torch.ops.aten


def test_slim_has_the_shapes_of_the_plan(llama: Case, context: Context) -> None:
    plan = Plan({"model.layers.1.mlp.down_proj": (0, 7, 95), "model.layers.0.self_attn.o_proj": (1,)})
    slim = RemovePass().run(llama.program, llama.facts(plan), context).program
    assert slim.tensor("model.layers.1.mlp.up_proj.weight").shape == (93, 64)
    assert slim.tensor("model.layers.0.self_attn.q_proj.weight").shape == (32, 64)
    assert slim.tensor("model.layers.0.self_attn.k_proj.weight").shape == (16, 64)
    assert slim.tensor("model.layers.2.mlp.up_proj.weight").shape == (96, 64)


def test_says_how_closely_it_follows_the_masked_program(case: Case, context: Context) -> None:
    result = RemovePass().run(case.program, case.facts(random_plan(case.structure, seed=2)), context)
    (equivalence,) = result.facts
    assert isinstance(equivalence, Equivalence)
    assert 0 <= equivalence.error < equivalence.tolerance == 1e-4
    before, after = case.program.parameter_count(), result.program.parameter_count()
    assert result.log.startswith(f"{before:,} to {after:,} parameters")


def test_a_bypassed_sublayer_takes_its_tensors_along(llama: Case, context: Context) -> None:
    plan = Plan({"model.layers.1.mlp.down_proj": (3,)}, ("model.layers.1.mlp",))
    slim = RemovePass().run(llama.program, llama.facts(plan), context).program
    assert not any(name.startswith("model.layers.1.mlp") for name in slim.tensor_names())


def test_an_empty_plan_returns_the_program(llama: Case, context: Context) -> None:
    result = RemovePass().run(llama.program, llama.facts(Plan({})), context)
    assert result.program is llama.program


def test_a_decoder_follows_the_masked_program_into_the_next_step(decoder: Case, context: Context) -> None:
    plan = Plan({"model.layers.1.self_attn.o_proj": (0,)}, ("model.layers.0.self_attn",))
    result = RemovePass().run(decoder.program, decoder.facts(plan), context)
    (equivalence,) = result.facts
    assert isinstance(equivalence, Equivalence)
    assert equivalence.error < equivalence.tolerance
    assert [result.program.example[pair.past].shape[1] for pair in result.program.caches] == [1, 1, 2, 2]


def test_a_cache_that_is_handed_on_wrong_is_found_out(
    decoder: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crossed(*given: Any) -> Program:
        slim = slim_program(*given)
        first, second = slim.caches[0], slim.caches[2]
        swapped = (replace(first, present=second.present), replace(second, present=first.present))
        return replace(slim, caches=(swapped[0], slim.caches[1], swapped[1], *slim.caches[3:]))

    monkeypatch.setattr("prunec.passes.rewrite.remove.slim_program", crossed)
    plan = Plan({"model.layers.1.mlp.down_proj": (0,)})
    with pytest.raises(VerificationError, match="differs from the masked dense one"):
        RemovePass().run(decoder.program, decoder.facts(plan), context)


def test_a_structure_that_is_wrong_is_found_out(llama: Case, context: Context) -> None:
    family = llama.structure.family("model.layers.0.mlp.down_proj")
    (site,) = family.sites
    shifted = replace(family, sites=(replace(site, unit_of=np.roll(site.unit_of, 1)),))
    wrong = Structure((shifted,), llama.structure.sublayers)
    plan = Plan({family.name: (0, 1, 2, 3)})
    with pytest.raises(VerificationError, match="differs from the masked dense one"):
        RemovePass().run(llama.program, llama.facts(plan, wrong), context)


def test_removing_in_two_steps_is_removing_at_once(llama: Case, context: Context) -> None:
    name = "model.layers.0.mlp.down_proj"
    at_once = slim_program(llama.program, llama.structure, Plan({name: (4, 5, 9)}))
    first = slim_program(llama.program, llama.structure, Plan({name: (4, 5)}))
    (structure,) = StructurePass().run(first, Facts(), context).facts
    assert isinstance(structure, Structure)
    second = slim_program(first, structure, Plan({name: (7,)}))
    for tensor, value in at_once.tensors().items():
        torch.testing.assert_close(second.tensor(tensor), value)


def test_a_program_that_takes_even_batches_only_is_checked_on_its_example(context: Context) -> None:
    sketch = Sketch()
    x = sketch.input("x", 4, 4, axes={0: "batch"})
    pairs = sketch(aten.reshape.default, x, [-1, 2, 4])
    hidden = sketch(aten.relu.default, sketch.linear("up.weight", pairs, 6, 4))
    program = sketch.program(sketch.linear("down.weight", hidden, 4, 6))
    facts = Facts()
    for fact in (*StructurePass().run(program, Facts(), context).facts, Plan({"down": (0, 3)})):
        facts.put(fact)
    assert RemovePass().run(program, facts, context).program.tensor("up.weight").shape == (4, 4)


def test_rounding_alone_is_no_difference(context: Context) -> None:
    torch.manual_seed(0)
    sketch = Sketch()
    hidden = sketch(aten.relu.default, sketch.linear("up.weight", sketch.input("x", 8, 64), 256, 64))
    blown_up = sketch(aten.mul.Tensor, sketch.linear("down.weight", hidden, 64, 256), 1e5)
    program = sketch.program(sketch(aten.sin.default, blown_up))
    facts = Facts()
    for fact in (*StructurePass().run(program, Facts(), context).facts, Plan({"down": tuple(range(100))})):
        facts.put(fact)
    (equivalence,) = RemovePass().run(program, facts, context).facts
    assert isinstance(equivalence, Equivalence)
    assert equivalence.error < 1e-6
    single = RemovePass(tolerance=10.0).run(program, facts, context).facts[0]
    assert isinstance(single, Equivalence)
    assert single.error > 1e-4
