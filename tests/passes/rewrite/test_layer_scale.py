"""A projection is re-fitted through what its outputs are multiplied by, feature by feature."""

from __future__ import annotations

import pytest
import torch

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, objective
from prunec.calibration.projection import output_projection, projection_of
from prunec.facts import Plan, Recovered, Structure
from prunec.frontends.huggingface import load
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.recover import RecoverPass
from prunec.passes.rewrite.remove import slim_program
from tests.frontends.test_images import CROP, tiny_dinov2
from tests.passes.cases import Case

SILENT = 3
"""A feature of every branch that is multiplied by zero."""


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A tiny DINOv2 whose layer scales are all kinds of numbers."""
    folder = tiny_dinov2(tmp_path_factory.mktemp("dinov2"))
    loaded, draw = load(folder), torch.Generator().manual_seed(0)
    for name, tensor in loaded.program.tensors().items():
        if "lambda" in name:
            tensor.data = torch.rand(tensor.shape, generator=draw) * 2 - 1
            tensor.data[SILENT] = 0.0
    (structure,) = StructurePass().run(loaded.program, Facts(), Context(folder, folder)).facts
    assert isinstance(structure, Structure)
    batches = [{"pixel_values": torch.randn(4, 3, CROP, CROP, generator=draw)} for _ in range(24)]
    corpus = Corpus.from_batches(batches, loaded.program.asked)
    return Case(loaded.program, structure, corpus, Goal(objective(loaded.task.objective)))


@pytest.mark.parametrize("method", ["lsq", "bias", "rescale"])
def test_held_out_damage_falls(method: str, dinov2: Case, context: Context) -> None:
    neurons = [family for family in dinov2.structure.families if family.kind == "neuron"]
    plan = Plan({family.name: tuple(range(0, family.units, 3)) for family in neurons})
    slim = slim_program(dinov2.program, dinov2.structure, plan)
    result = RecoverPass(method=method).run(slim, dinov2.facts(plan), context)  # type: ignore[arg-type]
    (found,) = [fact for fact in result.facts if isinstance(fact, Recovered)]
    assert found.sublayers
    assert found.after < found.before
    assert all(bool(tensor.isfinite().all()) for tensor in result.program.tensors().values())


def test_what_is_multiplied_by_zero_stays(dinov2: Case) -> None:
    sublayer = dinov2.structure.sublayers[0]
    found = projection_of(dinov2.program, sublayer)
    assert found is not None
    assert found.scale is not None
    assert output_projection(dinov2.program, sublayer) is None
    tensors = dinov2.program.tensors()
    weight = tensors[str(found.linear.args[1].target)]  # type: ignore[union-attr]
    wanted = found.multiplied(weight, tensors) + 1.0
    new = found.divided(wanted, weight, tensors)
    torch.testing.assert_close(found.multiplied(new, tensors)[:SILENT], wanted[:SILENT])
    assert torch.equal(new[SILENT], weight[SILENT])
