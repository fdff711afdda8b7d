"""Judging one model: traced, discovered, the golden rule on every family, ONNX Runtime, and a verdict."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.cost.workload import Workload
from prunec.facts import KINDS, Structure
from prunec.frontends.module import trace
from prunec.frontends.tasks import task_of_class
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.passes.golden import TOLERANCE, VISIBLE, Oracle, distance, random_plan, run
from tests.zoo.anatomy import NOT_HEADS, Place, places
from tests.zoo.axes import AxisNames
from tests.zoo.sizing import Sized, other_sizes
from tests.zoo.trial import SEEDS, Trial, told, trials


@dataclass
class Judgement:
    """What is known about one case, as plain data; what was not reached is empty.

    Attributes:
        case: its name.
        trouble: what stopped the judging, with the stage before the colon.
        traced: `dynamic`, `static`, or the axes that stayed dynamic where the model fixed others.
        nodes: of the graph.
        families, sublayers: how many of each kind.
        places, without_units, without_sublayer: attentions and FFNs in the graph; those without units; those whose
            result is added to another activation by no sublayer. As `kind: first weight`.
        named: a module whose class is called attention, where the graph holds no attention that we know.
        reasons: why each of the latter two is one, by the pin that holds its weights; empty where no pin does.
        unmasked: families of each kind that no mask stands for.
        pins: what might have been cut and was not, and why.
        sizes: on what the golden rule was judged; empty for the sizes that were traced.
        trials: the plans.
        onnx: error of the slim model in ONNX Runtime against the masked program; None where not tried.
        onnx_trouble: why the slim model cannot be said in ONNX or run.
        seconds: how long it took.
    """

    case: str
    trouble: str = ""
    traced: str = ""
    nodes: int = 0
    families: dict[str, int] = field(default_factory=dict)
    sublayers: dict[str, int] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    without_units: list[str] = field(default_factory=list)
    without_sublayer: list[str] = field(default_factory=list)
    named: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    unmasked: dict[str, int] = field(default_factory=dict)
    pins: list[tuple[str, str]] = field(default_factory=list)
    sizes: str = ""
    trials: list[Trial] = field(default_factory=list)
    onnx: float | None = None
    onnx_trouble: str = ""
    seconds: float = 0.0

    @property
    def broken(self) -> list[Trial]:
        """The plans for which the golden rule does not hold."""
        return [trial for trial in self.trials if not trial.held]

    @property
    def worst(self) -> float | None:
        """The largest difference that a plan made which did not crash."""
        return max((trial.difference for trial in self.trials if trial.difference is not None), default=None)

    @property
    def verdict(self) -> str:
        """`fail`, `partial` or `pass`; docs/architectures.md defines them."""
        if self.trouble or self.broken or (self.onnx is not None and self.onnx > TOLERANCE):
            return "fail"
        if self.without_units or self.without_sublayer or (self.named and not self.heads):
            return "partial"
        return "pass" if self.families else "partial"

    @property
    def heads(self) -> int:
        """Families of heads and KV groups."""
        return sum(count for kind, count in self.families.items() if kind not in NOT_HEADS)

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def judgement_from(data: Mapping[str, object]) -> Judgement:
    """The judgement that `as_data` gave."""
    judged = Judgement(**data)  # type: ignore[arg-type]
    judged.trials = [Trial(**item) for item in judged.trials]  # type: ignore[arg-type]
    judged.pins = [(what, why) for what, why in judged.pins]
    return judged


def judge(case: str, model: nn.Module, inputs: Mapping[str, Tensor], axes: AxisNames, *, onnx: bool) -> Judgement:
    """Judge `model`, traced on `inputs` with `axes` dynamic; `onnx`: through ONNX Runtime, too. Raises nothing."""
    start = perf_counter()
    judged = Judgement(case)
    stage = "trace"
    try:
        program = _traced(model, inputs, axes, judged)
        stage = "structure"
        structure = _discovered(program, judged)
        _expect(program, structure, model, judged)
        stage = "golden rule"
        sized = other_sizes(program)
        judged.sizes = sized.text
        judged.trials.extend(trials(program, structure, sized.inputs))
        if onnx and judged.trials:
            _try_onnx(program, structure, sized, judged)
    except Exception as error:  # whatever is raised is the finding
        judged.trouble = f"{stage}: {told(error)}"
    judged.seconds = perf_counter() - start
    return judged


def _traced(model: nn.Module, inputs: Mapping[str, Tensor], axes: AxisNames, judged: Judgement) -> Program:
    task = None if task_of_class(type(model)) else "feature-extraction"
    program = trace(model, inputs, task, axes).program
    wanted = {name for named in axes.values() for name in named.values()}
    dynamic = {name for item in program.inputs for name in item.axes.values()}
    fed = {name for item in program.inputs for name in axes.get(item.name, {}).values()}
    judged.traced = "dynamic" if dynamic >= fed & wanted else ", ".join(sorted(dynamic)) or "static"
    judged.nodes = len(program.graph.nodes)
    return program


def _discovered(program: Program, judged: Judgement) -> Structure:
    (structure,) = StructurePass(KINDS).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    judged.families = dict(Counter(item.kind for item in structure.families))
    judged.sublayers = dict(Counter(item.kind for item in structure.sublayers))
    judged.unmasked = dict(Counter(item.kind for item in structure.unmasked))
    judged.pins = [(pin.what, pin.why) for pin in structure.pins]
    return structure


def _expect(program: Program, structure: Structure, model: nn.Module, judged: Judgement) -> None:
    found = places(program)
    judged.places = [_where(place) for place in found]
    judged.without_units = [_where(place) for place in found if not place.has_units(structure)]
    judged.without_sublayer = [_where(place) for place in found if not place.is_in_sublayer(structure)]
    judged.reasons = {_where(place): _held_by(place, structure) for place in found if _is_missed(place, structure)}
    if not any(place.kind == "attention" for place in found):
        named = (name for name, module in model.named_modules() if "attention" in type(module).__name__.lower())
        judged.named = next(named, "")


def _is_missed(place: Place, structure: Structure) -> bool:
    return not (place.has_units(structure) and place.is_in_sublayer(structure))


def _held_by(place: Place, structure: Structure) -> str:
    """What keeps the units of a place, or else what it is added by; empty where no pin names its weights."""
    if place.has_units(structure):
        return f"{place.joins[0]} (aten.add.Tensor) adds it to what it is not computed from, or not alone"
    for weights in (place.before, place.after):
        for pin in structure.pins:
            if set(weights) & set(pin.tensors):
                return f"{pin.what}: {pin.why}"
    return ""


def _where(place: Place) -> str:
    return f"{place.kind}: {place.before[0] if place.before else place.node}"


def _try_onnx(program: Program, structure: Structure, sized: Sized, judged: Judgement) -> None:
    """The slim program of a mixed plan, emitted and run on the other sizes.

    Where the dense program differs as well, as choices between equal scores may, slim programs cannot be judged.
    """
    plan = random_plan(structure, SEEDS, sublayers=False)
    oracle = Oracle.of(program, structure, sized.inputs)
    if distance(run(program, sized.inputs, seed=1), oracle.dense):
        judged.onnx_trouble = "draws random numbers, and ONNX Runtime draws others"
        return
    slim = slim_program(program, structure, plan)
    try:
        outputs = _in_onnx_runtime(slim, sized)
    except Exception as error:  # the backend's own errors, and what ONNX Runtime raises in a run
        judged.onnx_trouble = re.sub(r"\S*/(?=slim\.onnx)", "", told(error))
        return
    differs = distance(outputs, oracle.expected(plan))
    dense = distance(_in_onnx_runtime(program, sized), oracle.dense) if differs > TOLERANCE else 0.0
    if dense > TOLERANCE:
        judged.onnx_trouble = f"the slim program differs by {differs:.1e}, but the dense one by {dense:.1e} as well"
        return
    judged.onnx = differs


def _in_onnx_runtime(program: Program, sized: Sized) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slim.onnx"
        OnnxBackend().emit(program, path)
        runner = OnnxBackend().load(path, Workload("encode", 1, 8, 1))
        outputs = runner({name: value.numpy() for name, value in sized.inputs.items()})
    return {name: torch.from_numpy(value) for name, value in outputs.items()}


def shows(judged: Judgement) -> bool:
    """Whether some plan had an effect: a golden rule between equal programs would prove nothing."""
    return any(trial.effect > VISIBLE for trial in judged.trials)
