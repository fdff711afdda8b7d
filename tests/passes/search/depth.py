"""Searches of whole sublayers on tiny programs whose costs are made up, and how they did it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from prunec.calibration.journal import FOLDER
from prunec.facts import Ceiling, CostModel, Plan, Structure
from prunec.passbase import Context, Pass
from tests.passes.cases import Case, with_tensors

ATTENTION, FFN, CONSTANT = 1.0, 1.5, 0.5


def costs(structure: Structure) -> CostModel:
    """Milliseconds: `ATTENTION` for each family in an attention, `FFN` for each other one, and a constant."""
    kinds = {name: item.kind for item in structure.sublayers for name in item.families}
    tables = {
        family.name: ((family.units, ATTENTION if kinds[family.name] == "attention" else FFN),)
        for family in structure.families
    }
    return CostModel("ms", CONSTANT, tables)


def cost(case: Case, names: tuple[str, ...] = ()) -> float:
    """What the program costs without the sublayers `names`."""
    return costs(case.structure).predict(case.structure, Plan({}, names))


def searched(work: Pass, case: Case, context: Context, ceiling: float) -> Plan:
    """What the search chooses."""
    facts = case.facts(costs(case.structure), Ceiling("ms", ceiling))
    (plan,) = work.run(case.program, facts, context).facts
    assert isinstance(plan, Plan)
    return plan


def fresh(context: Context, folder: Path) -> Context:
    """The context with folders in which nothing is kept yet."""
    for name in ("scratch", "cache"):
        (folder / name).mkdir(parents=True)
    return replace(context, scratch=folder / "scratch", cache=folder / "cache")


def kept(context: Context) -> list[Path]:
    """The files of the searches so far."""
    return sorted((context.cache / FOLDER).iterdir())


def idle(case: Case, layer: int) -> Case:
    """The Llama with a decoder layer that adds nothing."""
    names = [f"model.layers.{layer}.{name}.weight" for name in ("self_attn.o_proj", "mlp.down_proj")]
    zeros = {name: torch.zeros_like(case.program.tensor(name)) for name in names}
    return replace(case, program=with_tensors(case.program, zeros))
