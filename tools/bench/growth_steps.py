"""Models of many sizes, and the steps of a compile that are measured on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prunec.backends.onnx import OnnxBackend
from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, objective
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores, Structure
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.ir.verify import verify
from prunec.passbase import Context, Facts, Pass
from prunec.passes.analysis.damage import DamagePass
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from prunec.passes.search.knapsack import KnapsackPass

VOCABULARY = 1024
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9)
"""Of each family, whose made-up damage a search reads."""
TOKENS, SEQUENCE = 512, 64
"""Of the text that is scored on, and as many again that are chosen on."""
HEAD = 64


@dataclass(frozen=True)
class Shape:
    """A Llama: `inner` neurons a layer, `heads` query heads on as many keys.

    Attributes:
        sweep: what is varied where it is measured: `layers` or `width`, or the name of a model alone of its kind.
    """

    sweep: str
    layers: int
    width: int
    inner: int
    heads: int

    def model(self) -> LlamaForCausalLM:
        """With random weights on the device that is the default then."""
        config = LlamaConfig(
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            vocab_size=VOCABULARY,
        )
        torch.manual_seed(0)
        return LlamaForCausalLM(config)


@dataclass(frozen=True)
class Subject:
    """One shape, and all that steps find out about it, each once.

    Attributes:
        weights: whether it has numbers; without, it is on torch's meta device.
    """

    shape: Shape
    weights: bool

    def traced(self) -> Program:
        """The model traced, anew."""
        tokens = torch.zeros(2, 7, dtype=torch.long)
        with torch.device("cpu" if self.weights else "meta"):
            model = self.shape.model()
        return trace(model, {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}).program

    @cached_property
    def program(self) -> Program:
        """The model traced."""
        return self.traced()

    def found(self, work: Pass) -> Any:
        """The first fact that a pass gives, anew."""
        with tempfile.TemporaryDirectory() as folder:
            return work.run(self.program, self.facts, Context(Path(folder), Path(folder))).facts[0]

    @cached_property
    def structure(self) -> Structure:
        """What can go."""
        (found,) = StructurePass().run(self.program, Facts(), Context(Path(), Path())).facts
        assert isinstance(found, Structure)
        return found

    @cached_property
    def facts(self) -> Facts:
        """Made-up scores, costs and damages, a budget of half of the cost, and random text."""
        generator, facts, structure = np.random.default_rng(0), Facts(), self.structure
        scores = {family.name: generator.random(family.units) for family in structure.families}
        costs = {family.name: ((1, 0.1), (family.units, 1.0)) for family in structure.families}
        losses = {
            family.name: tuple((round(share * family.units), float(share**2 * generator.random())) for share in SHARES)
            for family in structure.families
        }
        whole = {item.name: 2 * float(generator.random()) for item in structure.sublayers}
        facts.put(structure)
        facts.put(Scores("made up", "", scores))
        facts.put(CostModel("ms", 0.0, costs))
        facts.put(Damage("made up", losses, whole))
        facts.put(Ceiling("ms", 0.5 * facts[CostModel].predict(structure, Plan({}))))
        facts.put(Goal(objective("causal-lm")))
        if self.weights:
            facts.put(self.text)
        return facts

    @property
    def text(self) -> Corpus:
        """Random tokens."""
        rows = 2 * TOKENS // SEQUENCE + 1
        windows = torch.randint(0, VOCABULARY, (rows, SEQUENCE), generator=torch.Generator().manual_seed(0))
        return Corpus.from_windows(
            windows,
            self.program.inputs,
            batch=4,
            score_tokens=TOKENS,
            choose_tokens=TOKENS,
            report_tokens=SEQUENCE,
            description="random tokens",
            is_default=False,
        )


def _removed(subject: Subject) -> Program:
    """Without every other unit of every family."""
    plan = Plan({family.name: tuple(range(0, family.units, 2)) for family in subject.structure.families})
    return slim_program(subject.program, subject.structure, plan)


def _emitted(subject: Subject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        OnnxBackend().emit(subject.program, Path(folder) / "dense.onnx")


@dataclass(frozen=True)
class Step:
    """One step of a compile.

    Attributes:
        run: does it; `Subject.facts` are there before the clock starts.
        weights: whether it reads numbers.
    """

    run: Callable[[Subject], object]
    weights: bool


STEPS: Mapping[str, Step] = {
    "trace": Step(lambda subject: subject.traced(), weights=False),
    "verify": Step(lambda subject: verify(subject.program, shapes=False), weights=False),
    "structure": Step(lambda subject: subject.found(StructurePass()), weights=False),
    "search": Step(lambda subject: subject.found(KnapsackPass()), weights=False),
    "importance": Step(lambda subject: subject.found(ImportancePass()), weights=True),
    "damage": Step(lambda subject: subject.found(DamagePass()), weights=True),
    "removal": Step(_removed, weights=True),
    "emission": Step(_emitted, weights=True),
}

LAYERS = (2, 4, 8, 16, 32, 64)
WIDTHS = (256, 512, 1024, 2048, 4096, 8192)
WIDEST = 2048
"""With weights: beyond it, they take more memory than small machines have."""


def shapes() -> Iterator[Shape]:
    """Every shape that is measured."""
    for layers in LAYERS:
        yield Shape("layers", layers, 256, 688, 256 // HEAD)
    for width in WIDTHS:
        yield Shape("width", 2, width, width * 43 // 16, width // HEAD)
    yield Shape("Llama-2 7B", 32, 4096, 11008, 32)
